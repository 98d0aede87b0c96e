import { groupSize, sliceGroup, type ChangeGroup, type Row } from '../row/change.ts';
import type { Chunk, Key, KeyRange, SnapshotTable } from './contract.ts';
import { identityOf, keyOf } from './key-text.ts';

/**
 * What of a table is read: all rows up to the cursor, and those of some keys behind it.
 */
export interface ReadKeys {
  /** undefined: nothing yet. */
  readonly cursor: Key | undefined;
  readonly done: readonly Key[];
}

export interface TableMergeOptions {
  readonly table: SnapshotTable;
  /**
   * `first`: the flow has none of the rows yet, and receives each at its chunk and its changes from there on. `again`: it has them, and
   * receives every change; what a chunk has of a row that has changed since is left out.
   */
  readonly mode: 'first' | 'again';
  readonly read: ReadKeys;
  /** Which of these keys lie at or before the bound. */
  readonly areUpTo: (keys: readonly Key[], bound: Key) => readonly boolean[] | Promise<readonly boolean[]>;
}

/** A group of changes with those apart that the flow does not receive. */
export interface SiftedGroup {
  /** As many changes as there were, in their order. */
  readonly groups: readonly ChangeGroup[];
  /** Places among them of changes of rows that are not read yet. */
  readonly unread: readonly number[];
}

/** The rows of a chunk as they are where the stream is. */
export interface MergedChunk {
  readonly rows: readonly Row[];
  readonly keys: readonly Key[];
  readonly after: ReadKeys;
  /** The table is read. */
  readonly isLast: boolean;
}

/** What a row has become since a read began: null: it is gone; unknown: the change did not hold it whole. */
interface Recorded {
  readonly key: Key;
  readonly row: Row | null | 'unknown';
  readonly stamp: number;
}

/**
 * Joins the chunks of one table to the stream, so that the flow sees each row once, as it was at one place of the stream, and then its
 * changes from there on (the idea of watermarks of DBLog, arXiv 2010.12597, with places in the binlog in their stead, and with the cursor of
 * Vitess' VReplication, which lets no change of a row pass that is not copied yet).
 *
 *     stream  ──┬── change of a row up to the cursor ──► passes
 *               └── of a row behind it ──► unread; while a chunk is read it is recorded: what the row has become
 *     chunk     read at some moment; the stream passes the end that the binlog had after that ──► merge:
 *               a recorded row is as it was recorded, any other as it was read. The cursor moves to the chunk's end.
 *
 * Where the stream is then, that is the state of all rows of the chunk: who was not changed since the read began is as it was read.
 */
export class TableMerge {
  readonly #options: TableMergeOptions;
  #cursor: Key | undefined;
  #done: ReadonlyMap<string, Key>;
  #isRead = false;
  readonly #recorded = new Map<string, Recorded>();
  #stamp = 0;

  constructor(options: TableMergeOptions) {
    this.#options = options;
    this.#cursor = options.read.cursor;
    this.#done = new Map(options.read.done.map((key) => [identityOf(key), key]));
  }

  get read(): ReadKeys {
    return { cursor: this.#cursor, done: [...this.#done.values()] };
  }

  get isRead(): boolean {
    return this.#isRead;
  }

  /** How many rows are recorded. */
  get recordedCount(): number {
    return this.#recorded.size;
  }

  /** The moment now, for a read that begins: what comes later is recorded for it. */
  stamp(): number {
    this.#stamp += 1;
    return this.#stamp;
  }

  /** No read is under way, and none is to be merged. */
  forget(): void {
    this.#recorded.clear();
  }

  /** Takes the changes of this table that the stream brings. `isReading`: they are recorded. */
  async sift(groups: readonly ChangeGroup[], options: { readonly isReading: boolean }): Promise<readonly SiftedGroup[]> {
    if (this.#isRead) return groups.map((group) => ({ groups: [group], unread: [] }));
    const keyed = groups.map((group) => ({ group, keys: this.#keysOf(group) }));
    if (this.#options.mode === 'again') {
      if (options.isReading) for (const { group, keys } of keyed) this.#recordAll(group, keys);
      return groups.map((group) => ({ groups: [group], unread: [] }));
    }
    const isDone = await this.#findDone(keyed.flatMap(({ keys }) => keys));
    return keyed.map(({ group, keys }) => {
      if (options.isReading) this.#recordUndone(group, keys, isDone);
      return siftGroup(group, keys, isDone);
    });
  }

  /**
   * The chunk as its rows are at the stream's place, which lies at or behind the chunk's head. undefined: that cannot be told, it is to be
   * read again. `nextStamp`: when the read of the chunk behind it began; undefined: none has.
   */
  async merge(chunk: Chunk & KeyRange, nextStamp: number | undefined): Promise<MergedChunk | undefined> {
    const { key } = this.#options.table;
    const keys = chunk.rows.map((row) => keyOf(row, key));
    const ids = keys.map(identityOf);
    const end = chunk.isLast ? chunk.upTo : keys.at(-1);
    const inChunk = new Set(ids);
    const others = [...this.#recorded].filter(([id]) => !inChunk.has(id));
    const areWithin = await this.#areWithin(
      others.map(([, { key: other }]) => other),
      end,
    );
    const within = others.filter((_, index) => areWithin[index] === true);
    const met = [...within.map(([id]) => id), ...ids];
    if (this.#options.mode === 'first' && met.some((id) => this.#recorded.get(id)?.row === 'unknown')) return undefined;
    const merged = this.#mergeRows(chunk.rows, ids, keys, within);
    for (const id of met) this.#recorded.delete(id);
    for (const [id, { stamp }] of this.#recorded) if (nextStamp === undefined || stamp < nextStamp) this.#recorded.delete(id);
    this.#isRead = end === undefined;
    await this.#moveTo(end);
    return { ...merged, after: this.read, isLast: this.#isRead };
  }

  /** Those that came since in front: they have no place in the chunk's order that is known. */
  #mergeRows(
    rows: readonly Row[],
    ids: readonly string[],
    keys: readonly Key[],
    within: readonly (readonly [string, Recorded])[],
  ): Pick<MergedChunk, 'rows' | 'keys'> {
    const all: { readonly key: Key; readonly row: Row }[] = [];
    const isFirst = this.#options.mode === 'first';
    for (const [, { key, row }] of isFirst ? within : []) if (row !== null && row !== 'unknown') all.push({ key, row });
    for (const [index, row] of rows.entries()) {
      const id = ids[index] ?? '';
      const key = keys[index] ?? [];
      const recorded = this.#recorded.get(id);
      if (this.#done.has(id)) continue;
      if (recorded === undefined) all.push({ key, row });
      else if (isFirst && recorded.row !== null && recorded.row !== 'unknown') all.push({ key, row: recorded.row });
    }
    return { rows: all.map(({ row }) => row), keys: all.map(({ key }) => key) };
  }

  async #moveTo(end: Key | undefined): Promise<void> {
    const done = [...this.#done];
    const passed = await this.#areWithin(
      done.map(([, key]) => key),
      end,
    );
    this.#done = new Map(done.filter((_, index) => passed[index] !== true));
    if (end !== undefined) this.#cursor = end;
  }

  async #areWithin(keys: readonly Key[], end: Key | undefined): Promise<readonly boolean[]> {
    if (end === undefined) return keys.map(() => true);
    return keys.length === 0 ? [] : this.#options.areUpTo(keys, end);
  }

  #keysOf(group: ChangeGroup): readonly ChangeKeys[] {
    const { key } = this.#options.table;
    const all: ChangeKeys[] = [];
    for (let i = 0; i < groupSize(group); i += 1) {
      const before = group.op === 'insert' ? undefined : group.before[i];
      const after = group.op === 'delete' ? undefined : group.after[i];
      all.push({ before: before && withId(keyOf(before, key)), after: after && withId(keyOf(after, key)) });
    }
    return all;
  }

  /** Identities of the keys whose rows are read. */
  async #findDone(all: readonly ChangeKeys[]): Promise<ReadonlySet<string>> {
    const isDone = new Set<string>();
    const doubtful = new Map<string, Key>();
    for (const one of all.flatMap(({ before, after }) => [before, after])) {
      if (one === undefined) continue;
      if (this.#done.has(one.id)) isDone.add(one.id);
      else doubtful.set(one.id, one.key);
    }
    if (this.#cursor === undefined || doubtful.size === 0) return isDone;
    const answers = await this.#options.areUpTo([...doubtful.values()], this.#cursor);
    for (const [index, id] of [...doubtful.keys()].entries()) if (answers[index] === true) isDone.add(id);
    return isDone;
  }

  #recordUndone(group: ChangeGroup, keys: readonly ChangeKeys[], isDone: ReadonlySet<string>): void {
    for (const [i, { before, after }] of keys.entries()) {
      if (before !== undefined && before.id !== after?.id && !isDone.has(before.id)) this.#record(before, null);
      if (after === undefined || isDone.has(after.id) || group.op === 'delete') continue;
      this.#record(after, group.isPartial === true ? 'unknown' : (group.after[i] ?? null));
    }
  }

  #recordAll(_group: ChangeGroup, keys: readonly ChangeKeys[]): void {
    for (const { before, after } of keys) {
      if (before !== undefined) this.#record(before, null);
      if (after !== undefined) this.#record(after, null);
    }
  }

  #record({ id, key }: KeyWithId, row: Recorded['row']): void {
    this.#recorded.set(id, { key, row, stamp: this.#stamp });
  }
}

interface KeyWithId {
  readonly id: string;
  readonly key: Key;
}

interface ChangeKeys {
  readonly before: KeyWithId | undefined;
  readonly after: KeyWithId | undefined;
}

function withId(key: Key): KeyWithId {
  return { key, id: identityOf(key) };
}

/** A change that gives a row a key on the other side of the cursor takes the row from the flow, or brings it. */
function siftGroup(group: ChangeGroup, keys: readonly ChangeKeys[], isDone: ReadonlySet<string>): SiftedGroup {
  const unread: number[] = [];
  const groups: ChangeGroup[] = [];
  let from = 0;
  for (const [i, { before, after }] of keys.entries()) {
    const hadRow = before !== undefined && isDone.has(before.id);
    const hasRow = after !== undefined && isDone.has(after.id);
    if (!hadRow && !hasRow) unread.push(i);
    if (group.op !== 'update' || hadRow === hasRow) continue;
    if (from < i) groups.push(sliceGroup(group, from, i));
    groups.push(crossing(sliceGroup(group, i, i + 1), hadRow));
    from = i + 1;
  }
  if (from === 0) return { groups: [group], unread };
  if (from < keys.length) groups.push(sliceGroup(group, from, keys.length));
  return { groups, unread };
}

function crossing(group: ChangeGroup, hadRow: boolean): ChangeGroup {
  if (group.op !== 'update') return group;
  const { table, before, after, isPartial } = group;
  const partial = isPartial === true ? { isPartial } : {};
  return hadRow ? { op: 'delete', table, before, ...partial } : { op: 'insert', table, after, ...partial };
}
