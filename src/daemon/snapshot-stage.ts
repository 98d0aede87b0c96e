import { deferred, sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { groupSize, type ChangeGroup } from '../row/change.ts';
import { comparePositions, formatPosition, type Position } from '../row/position.ts';
import { readOpenRuns, setRunState } from '../repair/run-record.ts';
import type { TableReader } from '../snapshot/contract.ts';
import type { Source } from '../source/contract.ts';
import type { DueChunk, HeadState } from '../snapshot/table-snapshot.ts';
import { originOf, type Batch, type RoutedPart } from './batch.ts';
import type { BatchSource } from './flow-worker.ts';
import { hasPassed } from './freshness.ts';
import { SnapshotRun, type SnapshotRunOptions } from './snapshot-run.ts';

export interface SnapshotStageOptions extends Omit<SnapshotRunOptions, 'run' | 'onArrived' | 'reader'> {
  readonly feed: BatchSource;
  /** Where the feed begins. */
  readonly start: Position;
  readonly tables: TableReader;
  readonly source: Pick<Source, 'head'>;
}

/** A chunk that the stream has not reached after this long may lie at a place that it will never name: the source is idle. */
const confirmMs = 1000;

/**
 * Stands between a flow's feed and its worker, and puts rows that were read from tables into the stream of changes: as batches of their own,
 * between two transactions. While no run is open it does nothing.
 *
 *     feed ──► batch ──► sift: changes of rows that are not read yet are left out ──► worker
 *     tables ──► chunk ──► the stream has passed its head: merge ──► batch ─────────────┘
 */
export class SnapshotStage implements BatchSource {
  readonly #options: SnapshotStageOptions;
  #run: SnapshotRun | undefined;
  /** Where the stream is: the end of the batch that was handed on last. */
  #place: Position;
  #next: Promise<Batch | undefined> | undefined;
  #isLoading = false;
  #woken = deferred<void>();
  /** The runs in the store are to be looked at. */
  #isStale = true;
  /** What the end of the binlog was found to be while a chunk waited for the stream. */
  #confirmed: { readonly at: number; readonly head: Position } | undefined;

  constructor(options: SnapshotStageOptions) {
    this.#options = options;
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
    if (chunk?.isLast === true && this.#run === undefined) this.#isLoading = false;
  }

  /** Reads which runs are open; before the first batch, so that no change passes that has to wait. */
  async load(): Promise<void> {
    this.#isStale = false;
    const { store, flow } = this.#options;
    const runs = await readOpenRuns(store, flow);
    const run = runs.find(({ kind }) => kind === 'snapshot');
    if (run === undefined) {
      this.#run?.close();
      this.#run = undefined;
      this.#isLoading = false;
      return;
    }
    if (this.#run?.id !== run.id) {
      this.#run?.close();
      const { tables: reader } = this.#options;
      this.#run = new SnapshotRun({ ...this.#options, reader, run, onArrived: () => this.#wake() });
      this.#isLoading = run.isStart;
    }
    const open = this.#run;
    await this.#unlessBeside(open, () => open.obey(run));
    if (!open.isDone) return;
    this.#run = undefined;
    this.#isLoading = false;
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
      const chunk = await this.#takeChunk(signal);
      if (chunk !== undefined) return chunk;
      this.#next ??= this.#options.feed.take(signal);
      this.#next.catch(() => {}); // it is awaited below, or when it is asked for again
      const over = new AbortController();
      const waits = [this.#next.then(() => true), woken.then(() => false), this.#confirmLater(over.signal)];
      const hasBatch = await Promise.race(waits).finally(() => over.abort());
      if (!hasBatch) continue;
      const batch = await this.#next;
      this.#next = undefined;
      if (batch === undefined) return undefined;
      const sifted = this.#run === undefined ? batch : await this.#run.sift(batch);
      this.#place = batch.end;
      return sifted;
    }
  }

  close(): void {
    this.#run?.close();
  }

  #wake(): void {
    this.#woken.resolve();
    this.#woken = deferred();
  }

  /** The next chunk that the stream has reached, as a batch; not within a transaction, nor before batches that are to be cut again. */
  async #takeChunk(signal: AbortSignal): Promise<Batch | undefined> {
    const run = this.#run;
    if (run === undefined || signal.aborted || this.#place.rows > 0 || this.isCuttingAgain) return undefined;
    const due = await this.#unlessBeside(run, () => run.due((head, readAt) => this.#stateOf(head, readAt)));
    if (due === undefined) return undefined;
    const batch = this.#batchOf(run, due.name, due.chunk);
    if (run.isDone) this.#run = undefined;
    return batch;
  }

  /** A run that was asked for beside the stream fails by itself, and the flow goes on; without its first snapshot a flow cannot. */
  async #unlessBeside<T>(run: SnapshotRun, work: (run: SnapshotRun) => Promise<T>): Promise<T | undefined> {
    try {
      return await work(run);
    } catch (error) {
      if (run.isFirst || !(error instanceof CodedError) || error.class === 'retry') throw error;
      const { store, logger, flow } = this.#options;
      logger.error({ flow, run: run.id, code: error.code, error: describeError(error) }, 'snapshot failed');
      run.close();
      this.#run = undefined;
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

  /** Asks for the end of the binlog when a chunk has waited for long; resolves with false when it is known. */
  async #confirmLater(signal: AbortSignal): Promise<boolean> {
    const { source } = this.#options;
    if (this.#run === undefined) return new Promise(() => {});
    await sleep(confirmMs, signal);
    if (signal.aborted || !this.#run.isWaiting) return new Promise(() => {});
    const at = Date.now();
    try {
      this.#confirmed = { at, head: await source.head(signal) };
    } catch {
      return new Promise(() => {}); // the reader meets the same, and says it
    }
    return false;
  }

  #batchOf(run: SnapshotRun, name: string, chunk: DueChunk): Batch {
    const { rows, keys, before, after, isLast, time, bytes } = chunk;
    const { flow } = this.#options;
    const { server, file, offset } = this.#place;
    const { table } = chunk.table;
    const group: ChangeGroup = run.isFirst
      ? { op: 'insert', table, after: rows }
      : { op: 'update', table, before: rows, after: rows };
    const part: RoutedPart = {
      groups: rows.length === 0 ? [] : [group],
      size: rows.length,
      server,
      file,
      offset,
      gtid: '',
      time,
      bytes,
      isFinal: true,
    };
    const origin = originOf(`${flow}|run ${run.id}|${name}|${formatPosition(this.#place)}|${run.nextNumber()}`);
    return {
      start: this.#place,
      end: this.#place,
      parts: [part],
      size: rows.length === 0 ? 0 : groupSize(group),
      time: 0,
      dead: [],
      deadRounds: 0,
      unread: [],
      origin,
      chunk: { run: run.id, sourceTable: name, keys, before, after, isLast },
    };
  }
}
