import type { Row } from '../../row/change.ts';
import { showRow } from '../row-text.ts';
import { RowRefusal } from './operator.ts';
import type { WindowOptions } from './window-options.ts';

const timePattern = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(\.\d+)?)?$/;
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
  const parts = timePattern.exec(text);
  if (parts === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map((part) => Number(part ?? 0));
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const isThere = month > 0 && month < 13 && (day > 28 ? new Date(ms).getUTCDate() === day : day > 0);
  // servers have no years before 1000, and Date.UTC takes those below 100 for others
  if (!isThere || year < 100 || hour > 23 || minute > 59 || second > 59) return undefined;
  return parts[7] === undefined ? ms : ms + Number(`0${parts[7]}`) * 1000;
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
  return textOf(ms);
}

/** Starts as texts: there are few of them, and each is written for many rows. */
const texts = new Map<number, string>();
const textsMax = 1000;

function textOf(ms: number): string {
  const known = texts.get(ms);
  if (known !== undefined) return known;
  const iso = new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
  const text = ms % 1000 === 0 ? iso.replace(/\.000$/, '') : iso;
  if (texts.size >= textsMax) texts.clear();
  texts.set(ms, text);
  return text;
}
