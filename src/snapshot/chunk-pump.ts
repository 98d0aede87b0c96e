import { sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { ChunkSize, type ChunkLimits } from './chunk-size.ts';
import type { Chunk, Key, KeyRange, SnapshotTable, TableReader } from './contract.ts';
import { keyOf } from './key-text.ts';

export interface ChunkPumpOptions {
  readonly reader: TableReader;
  readonly table: SnapshotTable;
  /** Asks again what the table is. */
  readonly describe: () => Promise<SnapshotTable>;
  /** Where to begin; undefined: at the beginning. */
  readonly from: Key | undefined;
  readonly where: string | undefined;
  readonly limits: ChunkLimits;
  /** How many chunks are read at once, at most. */
  readonly parallel: number;
  /** A read begins: gives its moment. */
  readonly onBegin: () => number;
  /** Something has come: a chunk, or the failure. */
  readonly onArrived: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A chunk that was read, its range, and when its read began. */
export interface PumpedChunk extends Chunk, KeyRange {
  readonly stamp: number;
  /** What the table was when it was read. */
  readonly table: SnapshotTable;
}

/** A range that is being read, or was. */
interface Slot {
  readonly range: KeyRange;
  readonly stamp: number;
  chunk: PumpedChunk | undefined;
}

/**
 * How many chunks are read or wait, at most, however small they are. A stream that lags reaches the ends of many at once: with few of them
 * a table would be read no faster than two chunks a lag.
 */
const slotsMax = 32;

/**
 * Reads a table chunk by chunk, ahead of who takes them, and gives them in the table's order.
 *
 * One at a time a chunk begins where the one before ended. Several at once need to know where: the end of each is asked for first, which
 * reads keys only.
 */
export class ChunkPump {
  readonly #options: ChunkPumpOptions;
  readonly #size: ChunkSize;
  #table: SnapshotTable;
  /** In order; the last may not be planned yet. */
  #slots: Slot[] = [];
  /** Where the next range begins. */
  #from: Key | undefined;
  /** No range is left behind those of the slots. */
  #isPlanned = false;
  #isPlanning = false;
  #failure: Error | undefined;
  /** Aborts the reads that are under way. */
  #reading = new AbortController();
  #isPaused = false;

  constructor(options: ChunkPumpOptions, rowBytes: number) {
    this.#options = options;
    this.#table = options.table;
    this.#size = new ChunkSize(options.limits, rowBytes);
    this.#from = options.from;
    options.signal.addEventListener('abort', () => this.#reading.abort(), { once: true });
  }

  /** The next chunk in order, where it was read. */
  get head(): PumpedChunk | undefined {
    return this.#slots[0]?.chunk;
  }

  /** When the read of the chunk behind the next one began; undefined: none has. */
  get nextStamp(): number | undefined {
    return this.#slots[1]?.stamp;
  }

  get isBusy(): boolean {
    return this.#slots.length > 0;
  }

  /** With what reading has ended. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Lets go of the next chunk: it is merged up to `end`. */
  shift(end: Key | undefined): void {
    const [slot, ...rest] = this.#slots;
    this.#slots = rest;
    const upTo = slot?.range.upTo;
    // there were more rows in its range than it had when it was planned
    if (slot?.chunk?.isLast === false && upTo !== undefined) this.#slots.unshift(this.#begin({ after: end, upTo }));
    this.pump();
  }

  /** What was read, or is being read, is not to be used: begins anew behind this key, in smaller pieces. */
  restart(from: Key | undefined): void {
    this.#abandon();
    this.#size.shrink();
    this.#from = from;
    this.#isPlanned = false;
    this.pump();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.pump();
  }

  close(): void {
    this.#abandon();
    this.#isPlanned = true;
  }

  #abandon(): void {
    this.#reading.abort();
    this.#reading = new AbortController();
    this.#slots = [];
    this.#isPlanning = false;
  }

  /** Begins what may be begun. */
  pump(): void {
    const { parallel, signal } = this.#options;
    if (this.#isPaused || signal.aborted || this.#failure !== undefined) return;
    while (!this.#isPlanned && !this.#isPlanning && this.#hasRoom()) {
      if (parallel > 1) return this.#planRange();
      this.#slots.push(this.#begin({ after: this.#from, upTo: undefined }));
    }
  }

  #hasRoom(): boolean {
    const { parallel, limits } = this.#options;
    const reading = this.#slots.filter(({ chunk }) => chunk === undefined).length;
    const bytes = this.#slots.reduce((sum, { chunk }) => sum + (chunk?.bytes ?? 0), 0);
    return reading < parallel && this.#slots.length < slotsMax && bytes < limits.bytesMax;
  }

  /** Where the next range ends is asked for, and then it is read. */
  #planRange(): void {
    const { reader } = this.#options;
    const { signal } = this.#reading;
    const after = this.#from;
    this.#isPlanning = true;
    void this.#persist(
      () => reader.bound({ table: this.#table, after, rowsMax: this.#size.rows }, signal),
      signal,
      (end) => {
        this.#isPlanning = false;
        this.#slots.push(this.#begin({ after, upTo: end }));
        this.#from = end;
        this.#isPlanned = end === undefined;
        this.pump();
      },
    );
  }

  #begin(range: KeyRange): Slot {
    const { reader, where, onBegin, onArrived } = this.#options;
    const { signal } = this.#reading;
    const slot: Slot = { range, stamp: onBegin(), chunk: undefined };
    let since = 0;
    const read = async (): Promise<Chunk & { readonly table: SnapshotTable }> => {
      since = performance.now();
      const table = this.#table;
      const rowsMax = range.upTo === undefined ? this.#size.rows : this.#size.rows * 2;
      return { ...(await reader.read({ ...range, table, where, rowsMax }, signal)), table };
    };
    void this.#persist(read, signal, (chunk) => {
      this.#size.learn({ rows: chunk.rows.length, bytes: chunk.bytes, ms: performance.now() - since });
      slot.chunk = { ...chunk, ...range, stamp: slot.stamp };
      if (range.upTo === undefined) this.#goOnBehind(chunk);
      onArrived();
      this.pump();
    });
    return slot;
  }

  #goOnBehind(chunk: Chunk): void {
    const last = chunk.rows.at(-1);
    this.#isPlanned = chunk.isLast;
    if (last !== undefined) this.#from = keyOf(last, this.#table.key);
  }

  /** Other columns are read from here on; by another key nobody could say what is read. */
  async #describe(): Promise<SnapshotTable> {
    const before = this.#table;
    const table = await this.#options.describe();
    requireSameKey(
      table,
      before.key.map(({ name }) => name),
    );
    return table;
  }

  /** Tries until it succeeds, or the error is not of the kind that passes. */
  async #persist<T>(read: () => Promise<T>, signal: AbortSignal, use: (result: T) => void): Promise<void> {
    const { logger, table, onArrived } = this.#options;
    let isAltered = false;
    for (let delayMs = 200; ; delayMs = Math.min(delayMs * 2, 10_000)) {
      try {
        if (isAltered) this.#table = await this.#describe();
        isAltered = false;
        const result = await read();
        if (!signal.aborted) use(result);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof CodedError) || error.class !== 'retry') {
          this.#failure = error instanceof Error ? error : new Error(describeError(error));
          return onArrived();
        }
        logger.warn({ table: table.table.id, code: error.code, error: describeError(error) }, 'a chunk will be read again');
        if (error.code === 'SNAPSHOT_TIMEOUT') this.#size.shrink();
        await sleep(delayMs, signal);
        isAltered ||= error.code === 'SNAPSHOT_TABLE_CHANGED';
      }
    }
  }
}

/** Throws SNAPSHOT_KEY_CHANGED (stop). */
export function requireSameKey({ table, key }: SnapshotTable, columns: readonly string[]): void {
  const names = key.map(({ name }) => name);
  if (JSON.stringify(names) === JSON.stringify(columns)) return;
  throw new CodedError(
    'SNAPSHOT_KEY_CHANGED',
    `${table.id} is read along its key (${columns.join(', ')}), and the key is (${names.join(', ')}) now: what is read cannot be told any more`,
    { details: { table: table.id } },
  );
}
