import type { Row } from '../../row/change.ts';
import { showRow } from '../row-text.ts';
import { RowRefusal } from './operator.ts';
import type { WindowOptions } from './window-options.ts';

const timePattern = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(\.\d+)?)?$/;
/** Seconds since 1970 are fewer until the year 5138, milliseconds more since 1973. */
const secondsMax = 1e11;

/**
 * A row's time in milliseconds since 1970, fractions included; undefined for NULL. Texts are UTC, as rows have them; integers count
 * the unit. Throws RowRefusal (ROW_INVALID) for what is no time.
 */
export function timeOf(row: Row, options: Pick<WindowOptions, 'time' | 'unit'>): number | undefined {
  const { time, unit } = options;
  const value = row[time];
  const ms = readTime(row, options);
  if (value === null || ms !== undefined) return ms;
  const isMs = unit === 's' && readCount(value, 'ms') !== undefined;
  const remedy = isMs ? 'more seconds than there are; write with.unit: ms' : 'no time';
  throw new RowRefusal('ROW_INVALID', `${time} is ${showRow(value ?? 'not there')}, which is ${remedy}`);
}

/** As timeOf, and undefined too for what is no time: a row before its change, which was in no window then. */
export function readTime(row: Row, { time, unit }: Pick<WindowOptions, 'time' | 'unit'>): number | undefined {
  const value = row[time];
  return typeof value === 'string' && !/^-?\d+$/.test(value) ? parseTime(value) : readCount(value, unit);
}

function parseTime(text: string): number | undefined {
  const [, date, clock = '00:00:00', fraction = ''] = timePattern.exec(text) ?? [];
  if (date === undefined) return undefined;
  const ms = Date.parse(`${date}T${clock}Z`);
  // Date.parse takes the 31st of February for the 2nd of March
  const isThere = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(date);
  return isThere ? ms + Number(`0${fraction}`) * 1000 : undefined;
}

function readCount(value: Row[string], unit: 's' | 'ms'): number | undefined {
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'string') return undefined;
  const count = Number(value);
  if (!Number.isSafeInteger(count) || (unit === 's' && Math.abs(count) >= secondsMax)) return undefined;
  return unit === 's' ? count * 1000 : count;
}

/** The time as the row's own field has its: a text, or an integer of the unit. */
export function writeTime(ms: number, row: Row, { time, unit }: Pick<WindowOptions, 'time' | 'unit'>): string | number {
  const own = row[time];
  if (typeof own !== 'string' || /^-?\d+$/.test(own)) return unit === 's' ? ms / 1000 : ms;
  const text = new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
  return ms % 1000 === 0 ? text.replace(/\.000$/, '') : text;
}
