import { isChange, makeChange, type Change, type Row } from '../../row/change.ts';
import type { FlowContext } from '../contract.ts';
import { traceOf } from '../trace-of.ts';
import type { Field, Fields } from './field.ts';
import { asRow, eachRowOf, refuse, type MadeOperator } from './operator.ts';
import { unknownName, type OperatorProblem } from './problem.ts';
import { Watermark } from './watermark.ts';
import type { WindowOptions } from './window-options.ts';
import { SessionBatch } from './session-batch.ts';
import { readTime, timeOf, writeTime } from './window-time.ts';

/**
 * Rows with the start of the window that their time is in, one for each window: so an aggregate with that field in its key keeps
 * figures by window. Before and after an update a row may be in different windows: it goes as the delete, the update or the insert
 * that this is for each of them. Windows that are closed get no more changes.
 */
export function makeWindow(options: WindowOptions, fields: Fields): MadeOperator {
  const { shape, latenessMs } = options;
  const run = (flow: FlowContext, rows: readonly unknown[]): void | Promise<void> => {
    if (shape === 'session') return new SessionBatch(flow, options).run(rows);
    if (latenessMs === undefined) windowRows(flow, rows, { options, watermark: undefined });
    else return windowOnTime(flow, rows, options);
  };
  const problems = findProblems(options, fields);
  const type = fields.known.get(options.time)?.type ?? 'any';
  const added = addedNames(options).map((name): [string, Field] => [
    name,
    { type, isNullable: false, scale: type === 'number' ? 0 : undefined },
  ]);
  const key = fields.key === undefined || fields.key.length === 0 ? fields.key : [...fields.key, options.as.start];
  return {
    run: problems.length > 0 ? undefined : run,
    fields: { ...fields, known: new Map([...fields.known, ...added]), key },
    problems,
  };
}

async function windowOnTime(flow: FlowContext, rows: readonly unknown[], options: WindowOptions): Promise<void> {
  const watermark = await Watermark.open(flow, options);
  windowRows(flow, rows, { options, watermark });
  watermark.save(flow);
}

interface Windows {
  readonly options: WindowOptions;
  readonly watermark: Watermark | undefined;
}

function windowRows(flow: FlowContext, rows: readonly unknown[], windows: Windows): void {
  const { options, watermark } = windows;
  eachRowOf(options.table, { flow, rows }, (row) => {
    const after = isChange(row) ? row.after : asRow(row);
    const time = after === null ? undefined : timeOf(after, options);
    if (isChange(row)) commitChange(flow, row, { ...windows, time });
    else commitPlain(flow, asRow(row), { ...windows, time });
    if (time !== undefined) watermark?.advance(time);
  });
}

interface Timed extends Windows {
  /** Of the row after its change. */
  readonly time: number | undefined;
}

function commitPlain(flow: FlowContext, row: Row, timed: Timed): void {
  const starts = entered(row, timed, false);
  const trace = traceOf(flow);
  for (const start of starts) {
    if (!isOpen(start, timed)) continue;
    const placed = placeIn(start, row, timed.options);
    trace?.derive(placed, row);
    flow.commitRow(placed);
  }
}

function commitChange(flow: FlowContext, change: Change, timed: Timed): void {
  const { options } = timed;
  const { before, after } = change;
  const timeBefore = before === null ? undefined : readTime(before, options);
  const left = timeBefore === undefined ? [] : startsOf(timeBefore, options);
  const isUnmoved = timed.time !== undefined && timeBefore !== undefined && isSame(left, startsOf(timed.time, options));
  const come = after === null ? [] : entered(after, timed, isUnmoved);
  const key = change.key.length === 0 ? change.key : [...change.key, options.as.start];
  const trace = traceOf(flow);
  const commit = (fields: Pick<Change, 'op' | 'before' | 'after'>): void => {
    const made = makeChange({ ...change, ...fields, key });
    trace?.derive(made, change);
    flow.commitRow(made);
  };
  for (const start of left) {
    if (before === null || come.includes(start) || !isOpen(start, timed)) continue;
    commit({ op: 'delete', before: placeIn(start, before, options), after: null });
  }
  for (const start of come) {
    if (after === null || !isOpen(start, timed)) continue;
    const placed = placeIn(start, after, options);
    if (before === null || !left.includes(start)) commit({ op: 'insert', before: null, after: placed });
    else commit({ op: 'update', before: placeIn(start, before, options), after: placed });
  }
}

/** The windows that a row comes into. Throws RowRefusal for a row without a time, and for one whose windows are all closed. */
function entered(row: Row, timed: Timed, isUnmoved: boolean): readonly number[] {
  const { options, time } = timed;
  if (time === undefined) {
    refuse('ROW_INVALID', `${options.time} is NULL, so it is in no window`, options);
    return [];
  }
  const starts = startsOf(time, options);
  if (isUnmoved || starts.some((start) => isOpen(start, timed))) return starts;
  const end = writeTime((starts.at(-1) ?? 0) + options.sizeMs, row, options);
  refuse('ROW_LATE', `its window to ${end} is closed: ${options.time} is ${String(row[options.time])}`, options);
  return [];
}

function isOpen(start: number, { options, watermark }: Windows): boolean {
  return watermark === undefined || start + options.sizeMs > watermark.value;
}

/** The starts of all windows that hold the time, counted from 1970, the earliest first. */
export function startsOf(time: number, { sizeMs, everyMs }: Pick<WindowOptions, 'sizeMs' | 'everyMs'>): readonly number[] {
  const starts: number[] = [];
  for (let start = Math.floor(time / everyMs) * everyMs; start > time - sizeMs; start -= everyMs) starts.push(start);
  return starts.toReversed();
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a[0] === b[0];
}

function placeIn(start: number, row: Row, options: WindowOptions): Row {
  const { as, sizeMs } = options;
  return { ...row, [as.start]: writeTime(start, row, options), [as.end]: writeTime(start + sizeMs, row, options) };
}

function addedNames({ shape, as }: WindowOptions): readonly string[] {
  return shape === 'session' ? [as.start] : [as.start, as.end];
}

function findProblems(options: WindowOptions, fields: Fields): readonly OperatorProblem[] {
  const problems: OperatorProblem[] = [];
  const { time, shape, as } = options;
  const check = (path: string, name: string): void => {
    if (fields.isComplete && !fields.known.has(name)) problems.push({ path, ...unknownName('field', name, fields.known.keys()) });
  };
  check('with.time', time);
  const field = fields.known.get(time);
  const isTime =
    field === undefined || field.type === 'text' || field.type === 'any' || (field.type === 'number' && (field.scale ?? 0) === 0);
  if (!isTime)
    problems.push({
      path: 'with.time',
      message: `"${time}" is no time`,
      remedy: 'name a date and time, or an integer that counts seconds or milliseconds',
    });
  if (field?.type === 'number' && options.unit === 's' && (options.sizeMs % 1000 !== 0 || options.everyMs % 1000 !== 0)) {
    const message = `${time} counts seconds, and a window would begin between two`;
    problems.push({ path: 'with.size', message, remedy: 'write whole seconds, or unit: ms where it counts milliseconds' });
  }
  for (const [index, name] of options.key.entries()) check(`with.key[${index}]`, name);
  for (const name of addedNames(options)) {
    if (!fields.known.has(name)) continue;
    const side = name === as.start ? 'start' : 'end';
    problems.push({ path: `with.as.${side}`, message: `there is a field "${name}" already`, remedy: 'take another name' });
  }
  if (shape === 'session' && fields.key?.length === 0) {
    const message = 'rows have no primary key here, by which a session could know them again';
    problems.push({ path: 'with.kind', message, remedy: 'give the table one, and keep its fields in what stands before' });
  }
  return problems;
}
