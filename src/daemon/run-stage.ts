import { deferred, sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { comparePositions, type Position } from '../row/position.ts';
import { readOpenRuns, setRunState } from '../repair/run-record.ts';
import type { Run } from '../repair/run.ts';
import type { TableReader } from '../snapshot/contract.ts';
import type { HeadState } from '../snapshot/table-snapshot.ts';
import type { Source } from '../source/contract.ts';
import type { Batch } from './batch.ts';
import type { BatchSource } from './flow-worker.ts';
import { hasPassed } from './freshness.ts';
import { ReplayRun, type ReplayRunOptions } from './replay-run.ts';
import { RunRates } from './run-rates.ts';
import { SnapshotRun, type SnapshotRunOptions } from './snapshot-run.ts';
import { batchOfRows } from './stage-batch.ts';
import type { StageRun } from './stage-run.ts';

type RunOptions = Omit<SnapshotRunOptions & ReplayRunOptions, 'run' | 'onArrived' | 'reader' | 'source'>;

export interface RunStageOptions extends RunOptions {
  readonly feed: BatchSource;
  /** Where the feed begins. */
  readonly start: Position;
  readonly tables: TableReader;
  readonly source: Source;
}

/** Rows that the stream has not reached after this long may lie at a place that it will never name: the source is idle. */
const confirmMs = 1000;

/**
 * Stands between a flow's feed and its worker, and puts rows that were read from tables into the stream of changes: as batches of their own,
 * between two transactions. While no run is open it does nothing.
 *
 *     feed ──► batch ──► sift: each run sees it; changes of rows that are not read yet are left out ──► worker
 *     runs ──► rows  ──► the stream has passed the binlog's end behind them: merge ──► batch ────────────┘
 */
export class RunStage implements BatchSource {
  readonly #options: RunStageOptions;
  readonly #rates: RunRates;
  /** In the order in which they were made. */
  #runs: readonly StageRun[] = [];
  /** Runs whose last rows were taken: the store shows them as open until these are committed. */
  readonly #given = new Map<string, Run['kind']>();
  /** Where the stream is: the end of the batch that was handed on last. */
  #place: Position;
  #next: Promise<Batch | undefined> | undefined;
  #isLoading = false;
  #woken = deferred<void>();
  /** The runs in the store are to be looked at. */
  #isStale = true;
  /** What the end of the binlog was found to be while rows waited for the stream. */
  #confirmed: { readonly at: number; readonly head: Position } | undefined;
  /** Counts the batches that it has made. */
  #number = 0;

  constructor(options: RunStageOptions) {
    this.#options = options;
    this.#rates = new RunRates(options);
    this.#place = options.start;
  }

  get isCuttingAgain(): boolean {
    return this.#options.feed.isCuttingAgain;
  }

  get sizeCuttingAgain(): number {
    return this.#options.feed.sizeCuttingAgain;
  }

  /** Whether the flow has yet to receive rows that its tables have had from the beginning. */
  get isLoading(): boolean {
    return this.#isLoading;
  }

  /** A batch is committed. */
  onCommit({ chunk }: Batch): void {
    if (chunk === undefined) return;
    this.#rates.onCommit(chunk, performance.now());
    if (!chunk.isLast) return;
    if (!this.#hasFirst) this.#isLoading = false;
    const kind = this.#given.get(chunk.run);
    if (kind === undefined) return;
    this.#options.logger.info({ flow: this.#options.flow, run: chunk.run }, `${kind} is done`);
  }

  get #hasFirst(): boolean {
    return this.#runs.some(({ isFirst }) => isFirst);
  }

  /** Reads which runs are open; before the first batch, so that no change passes that has to wait. */
  async load(): Promise<void> {
    this.#isStale = false;
    const { store, flow } = this.#options;
    const open = await readOpenRuns(store, flow);
    const records = open.filter(({ id, kind }) => (kind === 'snapshot' || kind === 'replay') && !this.#given.has(id));
    for (const run of this.#runs) if (!records.some(({ id }) => id === run.id)) run.close();
    this.#runs = records.map((record) => this.#runs.find(({ id }) => id === record.id) ?? this.#open(record));
    this.#isLoading ||= this.#hasFirst;
    for (const record of records) {
      const run = this.#runs.find(({ id }) => id === record.id);
      if (run !== undefined) await this.#unlessBeside(run, () => run.obey(record));
    }
    this.#runs = this.#runs.filter(({ isDone }) => !isDone);
    if (!this.#hasFirst && this.#given.size === 0) this.#isLoading = false;
  }

  #open(run: Run): StageRun {
    const { tables: reader } = this.#options;
    const options = { ...this.#options, reader, run, onArrived: () => this.#wake() };
    return run.kind === 'replay' ? new ReplayRun(options) : new SnapshotRun(options);
  }

  /** There are other runs, or other wishes. */
  noteRuns(): void {
    this.#isStale = true;
    this.#wake();
  }

  /** As FlowFeed's. */
  async take(signal: AbortSignal): Promise<Batch | undefined> {
    for (;;) {
      if (this.#isStale) await this.load();
      const woken = this.#woken.promise;
      const rows = await this.#takeRows(signal);
      if (rows !== undefined) return rows;
      this.#next ??= this.#options.feed.take(signal);
      this.#next.catch(() => {}); // it is awaited below, or when it is asked for again
      const over = new AbortController();
      const waits = [this.#next.then(() => true), woken.then(() => false), this.#confirmLater(over.signal)];
      const hasBatch = await Promise.race(waits).finally(() => over.abort());
      if (!hasBatch) continue;
      const batch = await this.#next;
      this.#next = undefined;
      if (batch === undefined) return undefined;
      const sifted = await this.#sift(batch);
      this.#place = batch.end;
      return sifted;
    }
  }

  close(): void {
    for (const run of this.#runs) run.close();
  }

  #wake(): void {
    this.#woken.resolve();
    this.#woken = deferred();
  }

  async #sift(batch: Batch): Promise<Batch> {
    let sifted = batch;
    for (const run of this.#runs) sifted = (await this.#unlessBeside(run, () => run.sift(sifted))) ?? sifted;
    return sifted;
  }

  /** The next rows that the stream has reached, as a batch; not within a transaction, nor before batches that are to be cut again. */
  async #takeRows(signal: AbortSignal): Promise<Batch | undefined> {
    if (signal.aborted || this.#place.rows > 0 || this.isCuttingAgain) return undefined;
    for (const run of this.#runs) {
      const rows = await this.#unlessBeside(run, () => run.due((head, readAt) => this.#stateOf(head, readAt)));
      if (rows === undefined) continue;
      if (run.isDone) this.#letGo(run);
      this.#number += 1;
      return batchOfRows(rows, { flow: this.#options.flow, place: this.#place, number: this.#number });
    }
    return undefined;
  }

  #letGo(run: StageRun): void {
    this.#runs = this.#runs.filter((other) => other !== run);
    this.#given.set(run.id, run.kind);
  }

  /** A run that was asked for beside the stream fails by itself, and the flow goes on; without its first snapshot a flow cannot. */
  async #unlessBeside<T>(run: StageRun, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (run.isFirst || !(error instanceof CodedError) || error.class === 'retry') throw error;
      const { store, logger, flow } = this.#options;
      logger.error({ flow, run: run.id, code: error.code, error: describeError(error) }, `${run.kind} failed`);
      run.close();
      this.#runs = this.#runs.filter((other) => other !== run);
      await setRunState(store, run.id, 'failed', error);
      return undefined;
    }
  }

  #stateOf(head: Position, readAt: number): HeadState {
    const place = this.#place;
    if (place.server === head.server) {
      if (comparePositions({ ...place, rows: 0 }, head) >= 0) return 'passed';
    } else if (place.server !== '' && this.#confirmed?.head.server === place.server && this.#confirmed.at > readAt)
      return 'foreign';
    // what it shows had its GTID by then
    const confirmed = this.#confirmed;
    const isCertain = confirmed !== undefined && confirmed.at >= readAt + confirmMs && confirmed.head.server === head.server;
    return isCertain && hasPassed({ ...place, server: '' }, confirmed.head) ? 'passed' : 'ahead';
  }

  /** Asks for the end of the binlog when rows have waited for long; resolves with false when it is known. */
  async #confirmLater(signal: AbortSignal): Promise<boolean> {
    const { source } = this.#options;
    if (this.#runs.length === 0) return new Promise(() => {});
    await sleep(confirmMs, signal);
    if (signal.aborted || !this.#runs.some(({ isWaiting }) => isWaiting)) return new Promise(() => {});
    const at = Date.now();
    try {
      this.#confirmed = { at, head: await source.head(signal) };
    } catch {
      return new Promise(() => {}); // the reader meets the same, and says it
    }
    return false;
  }
}
