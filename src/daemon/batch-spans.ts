import {
  SpanStatusCode,
  trace,
  ROOT_CONTEXT,
  type Attributes,
  type Context,
  type HrTime,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { describeError } from '../lib/error.ts';
import { formatPosition } from '../row/position.ts';
import { codeOf, type BatchTrail, type StepTrail, type StoreTrail } from './batch-trail.ts';

/** A batch has one span for each function call, of which the first are shown: jumps may make very many. */
const stepsMax = 100;
/** So many tables and characters of a position are named: a GTID set may be long. */
const tablesMax = 50;
const positionMax = 500;

/** A try of a batch that has failed before. */
export interface FailedTry {
  readonly code: string;
  /** In milliseconds since 1970. */
  readonly at: number;
}

export interface BatchSpanOptions {
  /** What the try failed with; undefined: it is committed. */
  readonly error: unknown;
  /** Tries of the same batch before. */
  readonly failures: readonly FailedTry[];
}

/** How many spans a trail makes at most. */
export function spansOf({ steps }: BatchTrail): number {
  return 3 + Math.min(steps.length, stepsMax);
}

/** Makes the spans of one try of a batch, all of them ended: the batch, its functions, its statements in the store, its commit. Gives how many; 0: it is not sampled. */
export function addBatchSpans(tracer: Tracer, trail: BatchTrail, options: BatchSpanOptions): number {
  const { subject, store, steps } = trail;
  const at = (moment: number): HrTime => toHrTime(trail.wallAt + moment - trail.beganAt);
  const { error, failures } = options;
  const began = trail.isCommittedAfterAll ? trail.endedAt : trail.beganAt;
  const batch = tracer.startSpan(
    `batch ${subject.flow.name}`,
    { startTime: at(began), root: true, attributes: batchAttributes(trail) },
    ROOT_CONTEXT,
  );
  if (!batch.isRecording()) return 0;
  for (const failure of failures) batch.addEvent('retry', { 'error.type': failure.code }, toHrTime(failure.at));
  if (error !== undefined) fail(batch, error, at(trail.endedAt));
  batch.setAttribute('kisflow.outcome', error === undefined ? 'committed' : 'failed');
  const place = { inside: trace.setSpan(ROOT_CONTEXT, batch), at, endedAt: trail.endedAt, error };
  let count = 1;
  if (!trail.isCommittedAfterAll) {
    for (const step of steps.slice(0, stepsMax)) addStep(tracer, step, place);
    count += Math.min(steps.length, stepsMax) + addStore(tracer, store, place);
  }
  batch.end(at(trail.endedAt));
  return count;
}

interface Place {
  readonly inside: Context;
  readonly at: (moment: number) => HrTime;
  readonly endedAt: number;
  readonly error: unknown;
}

function addStep(tracer: Tracer, step: StepTrail, { inside, at, endedAt, error }: Place): void {
  const { fname, mode, beganAt, ms, rowsIn, rowsOut, retries } = step;
  const rows = ms === undefined ? {} : { 'kisflow.rows_in': rowsIn, 'kisflow.rows_out': rowsOut };
  const attributes = { 'kisflow.function': fname, 'kisflow.mode': mode, ...rows };
  const span = tracer.startSpan(`function ${fname}`, { startTime: at(beganAt), attributes }, inside);
  for (const code of retries) span.addEvent('retry', { 'error.type': code }, at(beganAt));
  const end = at(ms === undefined ? endedAt : beganAt + ms);
  if (ms === undefined) fail(span, error, end);
  span.end(end);
}

function addStore(tracer: Tracer, store: StoreTrail, { inside, at, endedAt, error }: Place): number {
  const { firstAt, lastAt, commitAt, commitMs } = store;
  if (firstAt === 0) return 0;
  const attributes = { 'kisflow.statements': store.statements, 'kisflow.busy_ms': round(store.statementMs) };
  const statements = tracer.startSpan('store statements', { startTime: at(firstAt), attributes }, inside);
  statements.end(at(lastAt === 0 ? endedAt : lastAt));
  if (commitAt === 0) return 1;
  const commit = tracer.startSpan('store commit', { startTime: at(commitAt) }, inside);
  if (commitMs === undefined && error !== undefined) fail(commit, error, at(endedAt));
  commit.end(at(commitMs === undefined ? endedAt : commitAt + commitMs));
  return 2;
}

function fail(span: Span, error: unknown, at: HrTime): void {
  const code = codeOf(error);
  const message = describeError(error);
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
  span.addEvent('exception', { 'exception.type': code, 'exception.message': message }, at);
}

function batchAttributes(trail: BatchTrail): Attributes {
  const { subject, store } = trail;
  const { flow, batch, size } = subject;
  const common = { 'kisflow.flow': flow.name, 'kisflow.batch_id': subject.batchId(), 'kisflow.wait_ms': round(store.waitMs) };
  const counts = { 'kisflow.changes': size, 'kisflow.rows_saved': trail.rowsSaved, 'kisflow.rows_filtered': trail.filtered };
  if (batch === undefined) return { ...common, ...counts, 'kisflow.waited': true };
  const tables = new Set(batch.parts.flatMap(({ groups }) => groups.map(({ table }) => table.id)));
  const dead = batch.dead.filter(({ kind }) => kind === 'dead').length;
  return {
    ...common,
    ...counts,
    'kisflow.rows_dead': dead,
    'kisflow.rows_parked': batch.dead.length - dead,
    'kisflow.bytes': batch.parts.reduce((sum, { bytes }) => sum + bytes, 0),
    'kisflow.tables': [...tables].slice(0, tablesMax),
    'kisflow.position.start': formatPosition(batch.start).slice(0, positionMax),
    'kisflow.position.end': formatPosition(batch.end).slice(0, positionMax),
  };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Numbers would be taken for times of performance.now() when they are small, and Dates know no microseconds. */
function toHrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
