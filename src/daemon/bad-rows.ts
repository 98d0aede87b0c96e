/**
 * What becomes of a batch that fails because of its rows. Pure: it decides, the runner does.
 *
 * Where the error names the rows, they are marked as dead and the batch is run again without them; where it does not, the batch
 * is halved until one row is left, and that one is it. So one bad row among 5,000 costs one more run when it does not fit a
 * function, and a dozen when a function or the store refuses it; either way no row costs more than the logarithm of the batch.
 */
import { BadRowsError } from '../flow/bad-rows.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { groupSize } from '../row/change.ts';
import { absentOf } from '../row/partial-row.ts';
import type { DeadRow } from '../repair/dead-row.ts';
import { heldBack, imagesOf, placeOf, splitBatch, type Batch, type DeadMark } from './batch.ts';
import { keysOf } from './parked-key.ts';
import { atBatch } from './batch-error.ts';

/** What a flow does with a row that it cannot process. */
export interface BadRowsPolicy {
  /** dead-row: keep it as a dead row, and later changes of its key behind it; stop: stop at it; skip: keep it as skipped, and go on with its key too. */
  readonly onBadRow: 'dead-row' | 'stop' | 'skip';
  /** More dead or skipped rows than this within a minute stop the flow; 0: no limit. */
  readonly perMinuteMax: number;
  /** More rows than this that are dead, or behind a dead one, stop the flow. */
  readonly heldMax: number;
}

/** How often the rows that an error names are taken out of one batch before it is halved: a function may name one at a time. */
const roundsMax = 8;

/** A failure of a batch with the changes that caused it, where they are known. */
export class MarkedError extends CodedError {
  readonly marks: readonly DeadMark[];
  /** How long the batch may be tried again until they are bad for good. */
  readonly waitMs: number;

  constructor(
    error: CodedError,
    options: { readonly fname: string; readonly marks: readonly DeadMark[]; readonly waitMs: number },
  ) {
    const { fname, marks, waitMs } = options;
    super(error.code, error.message, { class: error.class, cause: error, details: { function: fname, ...error.details } });
    this.marks = marks;
    this.waitMs = waitMs;
  }
}

/** A run that failed: the rows that its flow was given, and the function that was under way. */
export interface FailedRun {
  readonly rows: readonly unknown[];
  /** Of each row, its place: what a mark names it by. */
  readonly places: readonly number[];
  readonly fname: string;
}

/** Finds out which changes of the batch a failure means. What is not about rows passes unchanged. */
export function markError(error: unknown, run: FailedRun): unknown {
  if (!(error instanceof CodedError)) return error;
  if (error instanceof BadRowsError) {
    const { fname } = run;
    return new MarkedError(error, { fname, marks: findMarks(error, run) ?? [], waitMs: error.waitMs });
  }
  return error.class === 'row' ? new MarkedError(error, { fname: run.fname, marks: [], waitMs: 0 }) : error;
}

/** The changes that a function's bad rows are; undefined where a function before it has made other rows of them. */
function findMarks(error: BadRowsError, { places, rows, fname }: FailedRun): readonly DeadMark[] | undefined {
  const placeOfRow = new Map(rows.map((row, at) => [row, places[at]]));
  const marks = new Map<number, DeadMark>();
  for (const { row, message } of error.rows) {
    const index = placeOfRow.get(row);
    if (index === undefined) return undefined;
    const kind = error.waitMs > 0 ? 'waiting' : 'dead';
    marks.set(index, { kind, index, fname, code: error.code, message, stack: undefined, waitMs: error.waitMs });
  }
  return [...marks.values()];
}

/**
 * The batches to run in place of one that failed because of its rows. Throws where the flow has to stop at it: by its policy, or
 * because no row is left that could be at fault.
 */
export function withoutBadRows(
  batch: Batch,
  error: CodedError,
  options: { readonly flow: string; readonly hasGtid: boolean; readonly policy: BadRowsPolicy },
): readonly Batch[] {
  const { policy, flow } = options;
  const isWait = error instanceof MarkedError && error.waitMs > 0;
  if (policy.onBadRow === 'stop' && !isWait) {
    if (batch.size <= 1) throw atBatch(error, flow, batch);
    return splitBatch(batch, options);
  }
  const marks = (error instanceof MarkedError ? error.marks : []).map((mark) => byPolicy(mark, policy));
  if (marks.length > 0 && batch.deadRounds < roundsMax) return [addDead(batch, marks)];
  const left = batch.size - heldBack(batch).size;
  if (left === 0) throw atBatch(error, flow, batch);
  return left === 1 ? [addDead(batch, [byPolicy(markOf(batch, error), policy)])] : splitBatch(batch, options);
}

function byPolicy(mark: DeadMark, { onBadRow }: BadRowsPolicy): DeadMark {
  return mark.kind === 'dead' && onBadRow === 'skip' ? { ...mark, kind: 'skipped' } : mark;
}

function addDead(batch: Batch, marks: readonly DeadMark[]): Batch {
  const all = new Map([...batch.dead, ...marks].map((mark) => [mark.index, mark]));
  const dead = [...all.values()].sort((a, b) => a.index - b.index);
  return { ...batch, dead, deadRounds: batch.deadRounds + 1 };
}

/** The one change that is left is the one at fault. */
function markOf(batch: Batch, error: CodedError): DeadMark {
  const held = heldBack(batch);
  let index = 0;
  while (held.has(index)) index += 1;
  return { index, ...markFields(error) };
}

/** Says once for many rows that they became dead or were skipped; they are in kis_dead_row. */
export function noteDead(logger: Pick<Logger, 'warn'>, flow: string, marks: readonly DeadMark[]): void {
  for (const kind of ['dead', 'skipped'] as const) {
    const all = marks.filter((mark) => mark.kind === kind);
    const [first] = all;
    const what = kind === 'dead' ? 'rows became dead rows' : 'rows were skipped';
    if (first !== undefined) logger.warn(markLog(flow, all.length, first), `${what}; the first of them is named`);
  }
}

/** Says that rows wait apart; nothing of those that are only behind others. */
export function noteWaiting(logger: Pick<Logger, 'info'>, flow: string, marks: readonly DeadMark[]): void {
  const waiting = marks.filter(({ kind }) => kind === 'waiting');
  const [first] = waiting;
  if (first === undefined) return;
  logger.info(markLog(flow, waiting.length, first), 'rows wait apart for what they miss; the first of them is named');
}

/** The first of so many marks, as the log has it. */
function markLog(flow: string, rows: number, { code, fname, message }: DeadMark) {
  return { flow, rows, code, function: fname, error: message };
}

/** What is kept of the error that a single change causes. */
export function markFields(error: CodedError): Omit<DeadMark, 'index'> {
  const stack = error.cause instanceof BadRowsError ? undefined : stackOf(error);
  const waitMs = error instanceof MarkedError ? error.waitMs : 0;
  const fname = String(error.details.function ?? '');
  return { kind: waitMs > 0 ? 'waiting' : 'dead', fname, code: error.code, message: error.message, stack, waitMs };
}

/** Where the function threw, or the connector refused the row: the innermost error tells. */
function stackOf(error: Error): string | undefined {
  let inner = error;
  // Bounded: causes may form a ring.
  for (let depth = 0; depth < 16 && inner.cause instanceof Error; depth += 1) inner = inner.cause;
  return inner.stack;
}

/** The batch's changes that are not processed now, as they are kept, in order. */
export function deadRowsOf(flow: string, batch: Batch): readonly DeadRow[] {
  const rows: DeadRow[] = [];
  let next = 0;
  let at = 0;
  for (const part of batch.parts) {
    for (const group of part.groups) {
      const size = groupSize(group);
      for (let mark = batch.dead[next]; mark !== undefined && mark.index < at + size; mark = batch.dead[next]) {
        const { before, after } = imagesOf(group, mark.index - at);
        const row = after ?? before ?? {};
        const key = Object.fromEntries(group.table.primaryKey.map((name) => [name, row[name]]));
        const { kind: state, fname, code, message, stack, waitMs } = mark;
        const place = { table: group.table.id, position: placeOf(part), time: part.time };
        const keys = state === 'skipped' ? [] : keysOf(group, mark.index - at);
        const absent = absentOf(group, { takesDefaults: false })?.columns ?? [];
        rows.push({ flow, state, fname, code, message, stack, waitMs, keys, ...place, key, op: group.op, before, after, absent });
        next += 1;
      }
      at += size;
    }
  }
  return rows;
}
