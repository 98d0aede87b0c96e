import { createHash } from 'node:crypto';
import { groupSize, sliceGroup, type ChangeGroup, type Row, type TransactionPart } from '../row/change.ts';
import type { IntendedMark } from '../checkpoint/intent.ts';
import { formatPosition, type Position } from '../row/position.ts';
import type { Key } from '../snapshot/contract.ts';
import type { ReadKeys } from '../snapshot/table-merge.ts';
import { Progress } from './progress.ts';

/** A transaction part with only one flow's changes in it. */
export interface RoutedPart extends Omit<TransactionPart, 'groups'> {
  readonly groups: readonly ChangeGroup[];
  /** How many changes the groups hold. */
  readonly size: number;
  /** The run that has read the rows from their table, where they are no changes of the stream. */
  readonly run?: string;
}

/** Why one change of a batch is not processed now; `index`: its place among all changes of the batch, from 0. */
export type DeadMark = IntendedMark;

/** The rows a flow processes together, and the checkpoints before and after them. Data only: a batch can be run again. */
export interface Batch {
  readonly start: Position;
  readonly end: Position;
  readonly parts: readonly RoutedPart[];
  /** Changes in the batch, those that its flow filters out included. */
  readonly size: number;
  /** Source commit time of the last transaction in milliseconds since 1970; 0 when the batch has none. */
  readonly time: number;
  /** Changes that the flow does not receive now, in order. They are kept in kis_dead_row. */
  readonly dead: readonly DeadMark[];
  /** How often changes were taken out of it. */
  readonly deadRounds: number;
  /** Its identity as it was kept before it ran for the first time (see batchOrigin); '' for a batch that was cut anew. */
  readonly origin: string;
  /**
   * Places of changes, in order, of rows that the flow's first snapshot has yet to read: it will read what these have made of them. They
   * are counted as filtered.
   */
  readonly unread: readonly number[];
  /** Set where the rows are not of the stream but were read from a table: they stand between two transactions, at its start. */
  readonly chunk?: BatchChunk;
}

/** What a batch with rows that were read from a table leaves of its run's progress. */
export interface BatchChunk {
  readonly run: string;
  /** `schema.name` of the source table; '' where they are of the tables that a replay has met. */
  readonly sourceTable: string;
  /** Of each row of the batch, its key. */
  readonly keys: readonly Key[];
  readonly before: ReadKeys;
  /** Once the batch is committed. */
  readonly after: ReadKeys;
  /** With this batch the table is read. */
  readonly isLast: boolean;
  /** How many rows the run will have read, by a better guess than before. */
  readonly rowsTotal?: number | undefined;
}

/** What a flow wants to receive: plain rows of inserts and updates, or whole changes. */
export type RowShape = 'after' | 'change';

/** Whether the batch has nothing to do or to keep. */
export function isEmpty({ size, parts, chunk }: Pick<Batch, 'size' | 'parts' | 'chunk'>): boolean {
  return size === 0 && chunk === undefined && parts.every(({ statements }) => statements === undefined);
}

/** The changes that the flow does not receive with this batch: those of rows that are not read yet, and those with a mark. */
export function heldBack({ dead, unread }: Pick<Batch, 'dead' | 'unread'>): ReadonlySet<number> {
  return new Set([...unread, ...dead.map(({ index }) => index)]);
}

/** Whether changes of the batch are kept that later ones of their keys wait behind. */
export function hasParked({ dead }: Pick<Batch, 'dead'>): boolean {
  return dead.some(({ kind }) => kind !== 'skipped');
}

export function countChanges(groups: readonly ChangeGroup[]): number {
  let size = 0;
  for (const group of groups) size += groupSize(group);
  return size;
}

/** The part without its first `count` changes. */
export function dropChanges(part: RoutedPart, count: number): RoutedPart {
  return cutPart(part, count, part.size, part.isFinal);
}

/** The part's first `count` changes, and the others. */
export function splitPart(part: RoutedPart, count: number): readonly [RoutedPart, RoutedPart] {
  return [cutPart(part, 0, count, false), cutPart(part, count, part.size, part.isFinal)];
}

function cutPart(part: RoutedPart, from: number, to: number, isFinal: boolean): RoutedPart {
  const groups: ChangeGroup[] = [];
  let at = 0;
  for (const group of part.groups) {
    const size = groupSize(group);
    const first = Math.max(from - at, 0);
    const last = Math.min(to - at, size);
    if (first < last) groups.push(first === 0 && last === size ? group : sliceGroup(group, first, last));
    at += size;
  }
  const { statements, ...rest } = part;
  // what happened to whole tables stands in front of the first change
  const front = from > 0 || statements === undefined ? {} : { statements };
  return {
    ...rest,
    ...front,
    groups,
    size: to - from,
    isFinal,
    bytes: Math.ceil((part.bytes * (to - from)) / Math.max(part.size, 1)),
  };
}

/** Makes the batch that leads from `start` through these parts. */
export function makeBatch(start: Position, parts: readonly RoutedPart[], options: { readonly hasGtid: boolean }): Batch {
  const progress = new Progress(start, options);
  let size = 0;
  let time = 0;
  for (const part of parts) {
    progress.advance(part);
    size += part.size;
    time = part.time || time;
  }
  return { start, end: progress.toPosition(), parts, size, time, dead: [], deadRounds: 0, origin: '', unread: [] };
}

/** Halves a batch of two changes or more: what to do with a batch that fails because of one of its rows. */
export function splitBatch(batch: Batch, options: { readonly hasGtid: boolean }): readonly [Batch, Batch] {
  const half = Math.floor(batch.size / 2);
  const first: RoutedPart[] = [];
  const second: RoutedPart[] = [];
  let at = 0;
  for (const part of batch.parts) {
    if (at + part.size <= half && second.length === 0) first.push(part);
    else if (at >= half) second.push(part);
    else {
      const [head, tail] = splitPart(part, half - at);
      first.push(head);
      second.push(tail);
    }
    at += part.size;
  }
  const left = makeBatch(batch.start, first, options);
  const right = makeBatch(left.end, second, options);
  const { dead, unread, chunk } = batch;
  const [leftChunk, rightChunk] = chunk === undefined ? [] : splitChunk(chunk, half);
  return [
    {
      ...left,
      ...partOf(batch, 0, leftChunk),
      dead: dead.filter(({ index }) => index < half),
      unread: unread.filter((index) => index < half),
    },
    {
      ...right,
      ...partOf(batch, 1, rightChunk),
      dead: dead.filter(({ index }) => index >= half).map((mark) => ({ ...mark, index: mark.index - half })),
      unread: unread.filter((index) => index >= half).map((index) => index - half),
    },
  ];
}

/** Both halves of a chunk begin at one place: an identity of its own keeps them apart. */
function partOf({ origin }: Batch, half: 0 | 1, chunk: BatchChunk | undefined): Partial<Batch> {
  return chunk === undefined ? {} : { chunk, origin: hashOf(`${origin}|${half}`), time: 0 };
}

/** When the first half is committed, its keys are read and the cursor still stands before them. */
function splitChunk(chunk: BatchChunk, half: number): readonly [BatchChunk, BatchChunk] {
  const { keys, before } = chunk;
  const first = keys.slice(0, half);
  const between: ReadKeys = { cursor: before.cursor, done: [...before.done, ...first] };
  return [
    { ...chunk, keys: first, after: between, isLast: false },
    { ...chunk, keys: keys.slice(half), before: between },
  ];
}

/** All changes of a batch: change `i` of its group, and its place in the batch. */
export function* changesOf(batch: Batch): Generator<{ readonly group: ChangeGroup; readonly i: number; readonly index: number }> {
  let index = 0;
  for (const { groups } of batch.parts) {
    for (const group of groups) {
      for (let i = 0; i < groupSize(group); i += 1, index += 1) yield { group, i, index };
    }
  }
}

/** Where a change stands, as people read it and as `Change.position` has it. */
export function placeOf({ file, offset, gtid, run }: Pick<RoutedPart, 'file' | 'offset' | 'gtid' | 'run'>): string {
  const place = `${file}:${offset}`;
  if (run !== undefined) return `${place} run=${run}`;
  return gtid === '' ? place : `${place} gtid=${gtid}`;
}

/** A place without the run that has read the row there; the run is undefined where it is that of a change of the stream. */
export function parsePlace(text: string): { readonly place: string; readonly run: string | undefined } {
  const { place = text, run } = /^(?<place>\S+) run=(?<run>\d+)$/.exec(text)?.groups ?? {};
  return { place, run };
}

/** The row before and after change `i` of a group. */
export function imagesOf(group: ChangeGroup, i: number): { readonly before: Row | null; readonly after: Row | null } {
  return {
    before: group.op === 'insert' ? null : (group.before[i] ?? null),
    after: group.op === 'delete' ? null : (group.after[i] ?? null),
  };
}

/** The same flow, from the same position over the same changes, has the same batch id. Without its dead rows it is another batch. */
export function batchId(flow: string, batch: Batch): string {
  const origin = batchOrigin(flow, batch);
  return batch.dead.length === 0 ? origin : hashOf(`${origin}|without ${batch.dead.map(({ index }) => index).join(',')}`);
}

/** A batch's identity without regard to its dead rows: as it was kept, else by where it begins and how many changes it has. */
export function batchOrigin(flow: string, batch: Batch): string {
  return batch.origin === '' ? hashOf(`${flow}|${formatPosition(batch.start)}|${batch.size}`) : batch.origin;
}

/** An identity for a batch that is told by more than its place and its size. */
export function originOf(text: string): string {
  return hashOf(text);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
