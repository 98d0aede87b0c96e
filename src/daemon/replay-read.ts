import { sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { keysOfChanges, mergeReplayed, metKeys, type KeyedGroups, type MetKey, type ReplayedKey } from '../repair/replay-keys.ts';
import type { Stretch } from '../repair/replay-reader.ts';
import type { ChangeGroup, Row } from '../row/change.ts';
import type { Position } from '../row/position.ts';
import { requireSameKey } from '../snapshot/chunk-pump.ts';
import type { SnapshotTable, TableReader } from '../snapshot/contract.ts';
import { orderInMemory } from '../snapshot/key-order.ts';

export interface ReplayReadOptions {
  readonly reader: TableReader;
  /** What tables are, as far as it is known; `null`: there is no such table any more. */
  readonly tables: Map<string, SnapshotTable | null>;
  readonly describe: (sourceTable: string) => Promise<SnapshotTable | null>;
  readonly stretch: Stretch;
  readonly bytesMax: number;
  /** More bytes of changes than this are not kept: the rows are read again. */
  readonly recordedBytesMax: number;
  /** The rows are read, or it has failed. */
  readonly onArrived: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Rows of a stretch, or of a part of it, as they are where the stream stands. */
export interface MergedStretch extends KeyedGroups {
  readonly time: number;
  readonly bytes: number;
  /** No row of the stretch is left. */
  readonly isWhole: boolean;
}

/** What was read last: the rows of each table. */
interface Answer {
  readonly asked: readonly ReplayedKey[];
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  readonly head: Position | undefined;
  readonly time: number;
  readonly bytes: number;
}

/** So many keys are asked for with one statement. */
const keysMax = 500;

/** The reading of the rows that one stretch of replayed changes is about, in parts of so many bytes, and what the stream brings of them meanwhile. */
export class ReplayRead {
  readonly #options: ReplayReadOptions;
  /** Rows that are still to be read; undefined: it is not known yet which those are. */
  #left: readonly ReplayedKey[] | undefined;
  #answer: Answer | undefined;
  #failure: CodedError | undefined;
  /** What the stream has brought since the read began, by table. */
  #met = new Map<string, Map<string, MetKey>>();
  #recordedBytes = 0;
  #reading = new AbortController();

  constructor(options: ReplayReadOptions) {
    this.#options = options;
    this.#begin();
  }

  get failure(): CodedError | undefined {
    return this.#failure;
  }

  /** The end of the binlog that the stream has to pass, and when the read began; undefined: it is not done. */
  get waiting(): { readonly head: Position | undefined; readonly time: number } | undefined {
    return this.#answer;
  }

  /** A group of changes of the stream. */
  note(group: ChangeGroup, bytes: number): void {
    const table = this.#options.tables.get(group.table.id);
    if (this.#left === undefined || table === undefined || table === null) return;
    const met = this.#met.get(group.table.id) ?? new Map<string, MetKey>();
    for (const [id, key] of metKeys(group, table.key)) met.set(id, key);
    this.#met.set(group.table.id, met);
    this.#recordedBytes += bytes;
    if (this.#recordedBytes > this.#options.recordedBytesMax) this.restart('too many changes came while rows were read');
  }

  /** What was read is from before something that has come since. */
  restart(why: string): void {
    const { logger, stretch } = this.#options;
    logger.debug({ position: `${stretch.end.file}:${stretch.end.offset}`, why }, 'rows are read again');
    this.#left = this.#answer === undefined ? this.#left : [...this.#answer.asked, ...(this.#left ?? [])];
    this.#begin();
  }

  /** The rows that were read, where the stream has passed their head; then those behind them are read. undefined: they are read again. */
  merge(): MergedStretch | undefined {
    const answer = this.#answer;
    if (answer === undefined) return undefined;
    const merged: KeyedGroups[] = [];
    for (const [id, rows] of answer.rows) {
      const table = this.#options.tables.get(id) ?? undefined;
      const asked = answer.asked.filter((one) => one.table === id);
      const met = this.#met.get(id) ?? new Map<string, MetKey>();
      const one = table && mergeReplayed({ table, hasExactKeys: orderInMemory(table.key) !== undefined, asked, rows, met });
      if (one === undefined) {
        this.restart('rows changed while they were read, and their changes do not hold them whole');
        return undefined;
      }
      merged.push(one);
    }
    const isWhole = this.#left?.length === 0;
    if (!isWhole) this.#begin();
    return {
      groups: merged.flatMap(({ groups }) => groups),
      keys: merged.flatMap(({ keys }) => keys),
      time: answer.time,
      bytes: answer.bytes,
      isWhole,
    };
  }

  close(): void {
    this.#reading.abort();
  }

  #begin(): void {
    this.#reading.abort();
    this.#reading = new AbortController();
    this.#answer = undefined;
    this.#met = new Map();
    this.#recordedBytes = 0;
    void this.#persist(AbortSignal.any([this.#reading.signal, this.#options.signal]));
  }

  /** Tries until it succeeds, or the error is not of the kind that passes. */
  async #persist(signal: AbortSignal): Promise<void> {
    const { logger, onArrived } = this.#options;
    for (let delayMs = 200; ; delayMs = Math.min(delayMs * 2, 10_000)) {
      try {
        const left = this.#left ?? (await this.#findKeys());
        if (signal.aborted) return;
        this.#left ??= left; // from here on what the stream brings is kept
        const { answer, rest } = await this.#readSome(left, signal);
        if (signal.aborted) return;
        this.#answer = answer;
        this.#left = rest;
        return onArrived();
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof CodedError) || error.class !== 'retry') {
          this.#failure = error instanceof CodedError ? error : new CodedError('INTERNAL', describeError(error), { cause: error });
          return onArrived();
        }
        logger.warn({ code: error.code, error: describeError(error) }, 'rows of a replay will be read again');
        await sleep(delayMs, signal);
      }
    }
  }

  async #findKeys(): Promise<readonly ReplayedKey[]> {
    const { stretch, tables, describe } = this.#options;
    for (const id of new Set(stretch.groups.map(({ table }) => table.id))) {
      if (!tables.has(id)) tables.set(id, await describe(id));
    }
    return keysOfChanges(stretch.groups, (id) => tables.get(id)?.key);
  }

  /** As many rows as fit, table by table. */
  async #readSome(
    left: readonly ReplayedKey[],
    signal: AbortSignal,
  ): Promise<{ readonly answer: Answer; readonly rest: readonly ReplayedKey[] }> {
    const { bytesMax, tables } = this.#options;
    const rows = new Map<string, Row[]>();
    const sorted = left
      .filter((one) => tables.get(one.table) !== null)
      .toSorted((a, b) => (a.table < b.table ? -1 : Number(a.table > b.table)));
    const time = Date.now();
    let head: Position | undefined;
    let bytes = 0;
    let at = 0;
    while (at < sorted.length && bytes < bytesMax) {
      const first = sorted[at];
      const table = first === undefined ? undefined : tables.get(first.table);
      if (first === undefined || table === undefined || table === null) break;
      const max = Math.min(keysMax, Math.max(1, Math.floor(bytesMax / Math.max(table.rowBytes, 1))));
      const some = sorted.slice(at, at + max).filter((one) => one.table === first.table);
      const found = await this.#readKeys(table, some, signal);
      const known = rows.get(first.table) ?? [];
      for (const row of found.rows) known.push(row);
      rows.set(first.table, known);
      ({ head } = found);
      bytes += found.bytes;
      at += some.length;
    }
    return { answer: { asked: sorted.slice(0, at), rows, head, time, bytes }, rest: sorted.slice(at) };
  }

  async #readKeys(table: SnapshotTable, some: readonly ReplayedKey[], signal: AbortSignal): ReturnType<TableReader['readKeys']> {
    const { reader, tables, describe } = this.#options;
    const keys = some.map(({ key }) => key);
    try {
      return await reader.readKeys(table, keys, signal);
    } catch (error) {
      const isOther =
        error instanceof CodedError && (error.code === 'SNAPSHOT_TABLE_CHANGED' || error.code === 'SNAPSHOT_NO_TABLE');
      if (!isOther) throw error;
      const { id } = table.table;
      const now = await describe(id);
      if (now !== null) requireSameKey(now, namesOf(table));
      tables.set(id, now);
      throw new CodedError('SNAPSHOT_TABLE_CHANGED', error.message, { class: 'retry', cause: error });
    }
  }
}

function namesOf({ key }: SnapshotTable): readonly string[] {
  return key.map(({ name }) => name);
}
