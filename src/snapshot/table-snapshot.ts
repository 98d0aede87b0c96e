import type { Logger } from '../lib/logger.ts';
import type { ChangeGroup } from '../row/change.ts';
import type { Position } from '../row/position.ts';
import { ChunkPump, type PumpedChunk } from './chunk-pump.ts';
import type { ChunkLimits } from './chunk-size.ts';
import type { SnapshotTable, TableReader } from './contract.ts';
import { orderInMemory } from './key-order.ts';
import { TableMerge, type MergedChunk, type ReadKeys, type SiftedGroup } from './table-merge.ts';

export interface TableSnapshotOptions {
  readonly reader: TableReader;
  readonly table: SnapshotTable;
  /** Asks again what the table is. */
  readonly describe: () => Promise<SnapshotTable>;
  /** See TableMergeOptions. */
  readonly mode: 'first' | 'again';
  readonly read: ReadKeys;
  readonly where: string | undefined;
  readonly limits: ChunkLimits;
  readonly parallel: number;
  /** More bytes of changes than this are not kept for chunks that are being read: they are read again, in smaller pieces. */
  readonly recordedBytesMax: number;
  /** Nothing is read before `resume`. */
  readonly isPaused: boolean;
  readonly onArrived: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A chunk whose rows are to go into the stream where it is now. */
export interface DueChunk extends MergedChunk {
  readonly table: SnapshotTable;
  readonly before: ReadKeys;
  /** When it was read: milliseconds since 1970. */
  readonly time: number;
  readonly bytes: number;
}

/** What is known about a chunk's end of the binlog: that the stream has passed it, or not yet; or never will, because it reads another server. */
export type HeadState = 'passed' | 'ahead' | 'foreign';

/** The reading of one table beside the stream: its chunks, ahead of the stream, and what the stream brings of it meanwhile. */
export class TableSnapshot {
  readonly #options: TableSnapshotOptions;
  readonly #merge: TableMerge;
  readonly #pump: ChunkPump;
  #recordedBytes = 0;

  constructor(options: TableSnapshotOptions) {
    const { table, reader, signal } = options;
    this.#options = options;
    const compare = orderInMemory(table.key);
    this.#merge = new TableMerge({
      ...options,
      areUpTo: (keys, bound) =>
        compare === undefined ? reader.areUpTo(table, keys, bound, signal) : keys.map((key) => compare(key, bound) <= 0),
    });
    this.#pump = new ChunkPump({ ...options, from: options.read.cursor, onBegin: () => this.#merge.stamp() }, table.rowBytes);
    if (options.isPaused) this.#pump.pause();
    else this.#pump.pump();
  }

  get isRead(): boolean {
    return this.#merge.isRead;
  }

  /** The next chunk, where it was read and waits for the stream. */
  get waiting(): PumpedChunk | undefined {
    return this.#pump.head;
  }

  /** Takes the changes of this table that the stream brings; `bytes`: how many they are in the binlog. */
  async sift(groups: readonly ChangeGroup[], bytes: number): Promise<readonly SiftedGroup[]> {
    const isReading = this.#pump.isBusy;
    const sifted = await this.#merge.sift(groups, { isReading });
    if (isReading) this.#recordedBytes += bytes;
    if (this.#recordedBytes > this.#options.recordedBytesMax) this.restart('too many changes came while chunks were read');
    return sifted;
  }

  /** The next chunk as its rows are where the stream stands; undefined while there is none to be had. Throws with what reading ended. */
  async due(stateOf: (head: Position) => HeadState): Promise<DueChunk | undefined> {
    if (this.#pump.failure !== undefined) throw this.#pump.failure;
    const chunk = this.#pump.head;
    if (chunk === undefined) return undefined;
    const state = stateOf(chunk.head);
    if (state === 'foreign') this.restart('the stream reads another server than the chunk came from');
    if (state !== 'passed') return undefined;
    const before = this.#merge.read;
    const merged = await this.#merge.merge(chunk, this.#pump.nextStamp);
    if (merged === undefined) {
      this.restart('rows of a chunk changed while it was read, and their changes do not hold them whole');
      return undefined;
    }
    this.#pump.shift(merged.after.cursor);
    if (this.#merge.recordedCount === 0) this.#recordedBytes = 0;
    return { ...merged, before, table: chunk.table, time: chunk.time, bytes: chunk.bytes };
  }

  /** What was read and not taken is read again. */
  restart(why: string): void {
    const { logger, table } = this.#options;
    logger.debug({ table: table.table.id, why }, 'chunks are read again');
    this.#merge.forget();
    this.#recordedBytes = 0;
    this.#pump.restart(this.#merge.read.cursor);
  }

  pause(): void {
    this.#pump.pause();
  }

  resume(): void {
    this.#pump.resume();
  }

  close(): void {
    this.#pump.close();
  }
}
