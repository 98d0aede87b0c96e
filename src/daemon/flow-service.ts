import { sleep } from '../lib/abort.ts';
import { Backoff } from '../lib/backoff.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { formatPosition, type Position, type StartPoint } from '../row/position.ts';
import { createCheckpoint, readCheckpoint, type Checkpoint } from '../checkpoint/checkpoint.ts';
import type { Flow, RunFlow } from '../flow/contract.ts';
import type { Source } from '../source/contract.ts';
import type { Lease, LeaseKeeper } from '../store/lease.ts';
import type { Store } from '../store/open.ts';
import type { StoreSession } from '../store/session.ts';
import type { Batch, RowShape } from './batch.ts';
import { BatchRunner } from './batch-runner.ts';
import { FlowFeed } from './feed.ts';
import type { FlowRecords, FlowState, FlowWish } from './flow-record.ts';
import { runFlowWorker } from './flow-worker.ts';
import { RateMeter } from './rate-meter.ts';
import type { ReaderPool } from './reader-pool.ts';

/** One flow as the daemon runs it: the flow, and where its rows come from. */
export interface DaemonFlow {
  readonly flow: Flow;
  readonly shape: RowShape;
  readonly start: StartPoint;
  readonly wants: (schema: string, table: string) => boolean;
  /** Changes when the flow's tables do: a position inside a transaction counts rows of these tables only. */
  readonly tablesHash: string;
  readonly batch: { readonly rows: number; readonly bytes: number };
}

export interface FlowServiceOptions {
  readonly subject: DaemonFlow;
  readonly source: Source;
  readonly hasGtid: boolean;
  readonly pool: ReaderPool;
  readonly store: Store;
  readonly leases: LeaseKeeper;
  readonly records: FlowRecords;
  readonly runFlow: RunFlow;
  readonly logger: Logger;
  readonly queueBytesMax: number;
  readonly retryLimitMs: number;
  readonly pollMs: number;
  /** Take no more, commit what is queued, end. */
  readonly stop: AbortSignal;
  /** End at once. */
  readonly abort: AbortSignal;
}

export interface FlowReport {
  readonly name: string;
  readonly state: FlowState;
  readonly error: CodedError | undefined;
  /** Changes committed by this process, and those of them that the flow's shape leaves out. */
  readonly committed: number;
  readonly filtered: number;
}

/**
 * Keeps one flow running for as long as the daemon does: waits for its lease, runs it from its checkpoint, and decides what
 * an end means (see FlowState for the states). It shares nothing with other flows but the readers and the store's pool.
 */
export class FlowService {
  readonly #options: FlowServiceOptions;
  readonly #rate = new RateMeter();
  #state: FlowState = 'starting';
  #error: CodedError | undefined;
  #wish: FlowWish | undefined;
  #lease: Lease | undefined;
  #feed: FlowFeed | undefined;
  #committed = 0;
  #filtered = 0;
  /** Ends the present run softly (pause) or hard (lease lost). */
  #drain: AbortController | undefined;
  #lose: ((error: CodedError) => void) | undefined;

  constructor(options: FlowServiceOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.subject.flow.name;
  }

  get source(): Source {
    return this.#options.source;
  }

  get report(): FlowReport {
    return { name: this.name, state: this.#state, error: this.#error, committed: this.#committed, filtered: this.#filtered };
  }

  /** What the flow has received, while it runs. */
  get received(): Position | undefined {
    return this.#feed?.received;
  }

  get figures(): { readonly lagMs: number; readonly rate: number } {
    const oldest = this.#feed?.oldestTime ?? 0;
    return { lagMs: oldest === 0 ? 0 : Math.max(0, Date.now() - oldest), rate: this.#rate.perSecond(Date.now()) };
  }

  /** Ends the run once everything received so far is committed. */
  finish(): void {
    if (this.#feed !== undefined) this.#options.pool.remove(this.#feed);
    this.#drain?.abort();
  }

  /** Another look at what operators want and at the leases this daemon still holds. */
  observe(wish: FlowWish | undefined, heldEpochs: ReadonlyMap<string, number> | undefined): void {
    this.#wish = wish;
    if (wish?.isPaused === true) this.finish();
    const lease = this.#lease;
    if (lease === undefined || heldEpochs === undefined || heldEpochs.get(lease.flow) === lease.epoch) return;
    this.#lose?.(new CodedError('LEASE_LOST', `Flow ${lease.flow} was taken over by another daemon.`));
  }

  /** Runs until the stop signal; never rejects: a failure is the flow's state. With `once`, until the first run ends. */
  async run(options: { readonly once: boolean }): Promise<void> {
    const { stop, pollMs, retryLimitMs } = this.#options;
    const retry = new Backoff({ firstMs: 200, maxMs: 5000 });
    const since = Date.now();
    while (!stop.aborted) {
      if (this.#state === 'failed') {
        if (options.once) break;
        await sleep(pollMs, stop);
        if (this.#wish?.hasError === false) await this.#setState('starting');
        continue;
      }
      if (this.#wish?.isPaused === true) {
        if (this.#state !== 'paused') await this.#setState('paused');
        if (options.once) break;
        await sleep(pollMs, stop);
        continue;
      }
      try {
        const hasRun = await this.#runOnce();
        retry.reset();
        if (hasRun && options.once) break;
        if (hasRun) continue;
        if (Date.now() - since > retryLimitMs) {
          throw new CodedError('FLOW_HELD', `Flow ${this.name} is run by another daemon, which holds its lease.`);
        }
        await sleep(pollMs, stop);
      } catch (failure) {
        await this.#noteEnd(failure, { retry, since });
      }
    }
    await this.#giveUpLease();
    if (this.#state !== 'failed' && this.#state !== 'paused') await this.#setState('stopped');
  }

  /** One run under a lease; false when another daemon holds it. */
  async #runOnce(): Promise<boolean> {
    const { leases, store } = this.#options;
    if (await leases.isHeldByOther(this.name)) {
      if (this.#state !== 'standby') this.#options.logger.info({ flow: this.name }, 'another daemon runs this flow, standing by');
      this.#state = 'standby';
      return false;
    }
    const session = await store.openSession();
    try {
      const lease = await leases.acquire(this.name, session.threadId);
      if (lease === undefined) return false;
      this.#lease = lease;
      await this.#runLeased(lease, session);
      return true;
    } finally {
      await session.close().catch(() => session.destroy());
    }
  }

  async #runLeased(lease: Lease, session: StoreSession): Promise<void> {
    const { subject, pool, stop, abort, hasGtid } = this.#options;
    const checkpoint = await this.#loadCheckpoint(lease, session);
    const feed = new FlowFeed({
      flow: this.name,
      start: checkpoint.position,
      hasGtid,
      wants: subject.wants,
      queueBytesMax: this.#options.queueBytesMax,
      batch: subject.batch,
    });
    const runner = new BatchRunner({
      ...this.#options,
      flow: subject.flow,
      shape: subject.shape,
      session,
      lease,
      sequence: checkpoint.sequence,
      signal: abort,
      onCommit: (batch, filtered) => this.#onCommit(batch, filtered),
      onRetry: (error) => this.#onRetry(error),
    });
    const drain = new AbortController();
    const onStop = (): void => this.finish();
    const onAbort = (): void => {
      feed.fail(new CodedError('STOP_DEADLINE', `Flow ${this.name}: work in flight was rolled back.`));
      runner.destroy();
    };
    this.#feed = feed;
    this.#drain = drain;
    this.#lose = (error) => {
      feed.fail(error);
      runner.destroy();
    };
    stop.addEventListener('abort', onStop);
    abort.addEventListener('abort', onAbort);
    try {
      await this.#setState('running');
      this.#options.logger.info(
        { flow: this.name, position: formatPosition(checkpoint.position), epoch: lease.epoch },
        'flow runs',
      );
      pool.add(feed);
      if (stop.aborted) this.finish();
      await runFlowWorker({ feed, runner, drain: drain.signal, idleSaveMs: 5000 });
    } finally {
      stop.removeEventListener('abort', onStop);
      abort.removeEventListener('abort', onAbort);
      pool.remove(feed);
      this.#feed = undefined;
      this.#lose = undefined;
      await runner.close().catch(() => runner.destroy());
    }
  }

  /** The flow's checkpoint; a flow without one gets it at its start. */
  async #loadCheckpoint(lease: Lease, session: StoreSession): Promise<Checkpoint> {
    const { subject, source, store, records, abort } = this.#options;
    const known = await readCheckpoint(session, this.name);
    await session.rollback();
    if (known === undefined) {
      const position = await source.resolve(subject.start, abort);
      await createCheckpoint(store, { flow: this.name, position, epoch: lease.epoch });
    } else if (known.position.rows > 0) {
      const wish = (await records.wishes()).get(this.name);
      if (wish !== undefined && wish.tablesHash !== subject.tablesHash) {
        throw new CodedError(
          'FLOW_CHECKPOINT_MISMATCH',
          `Flow ${this.name} stands ${known.position.rows} rows inside a transaction (${formatPosition(known.position)}), and its ` +
            'source.tables has changed since, so these rows can no longer be counted. Restore it until the transaction has passed.',
        );
      }
    }
    await records.setTables(this.name, subject.tablesHash);
    const checkpoint = known ?? (await readCheckpoint(session, this.name));
    await session.rollback();
    if (checkpoint === undefined) throw new CodedError('INTERNAL', `Flow ${this.name} has no checkpoint after making one.`);
    return checkpoint;
  }

  #onCommit(batch: Batch, filtered: number): void {
    this.#committed += batch.size;
    this.#filtered += filtered;
    this.#rate.add(batch.size, Date.now());
    if (this.#state === 'retrying') void this.#setState('running').catch(() => {});
  }

  #onRetry(error: CodedError): void {
    if (this.#state === 'retrying' && this.#error?.code === error.code) return;
    void this.#setState('retrying', error).catch(() => {}); // the store may be what fails; the log has the error
  }

  /** What the end of a run means: wait and run again, or fail until somebody has mended the cause. */
  async #noteEnd(failure: unknown, tries: { readonly retry: Backoff; readonly since: number }): Promise<void> {
    const { logger, stop, abort, retryLimitMs } = this.#options;
    if (abort.aborted) return;
    const error = failure instanceof CodedError ? failure : new CodedError('INTERNAL', describeError(failure), { cause: failure });
    if (error.code === 'LEASE_LOST') {
      logger.warn({ flow: this.name }, 'another daemon took the flow over, standing by');
      this.#lease = undefined;
      this.#state = 'standby';
    } else if (error.class === 'retry' && Date.now() - tries.since <= retryLimitMs) {
      logger.warn({ flow: this.name, code: error.code, error: describeError(error) }, 'flow will be started again');
      this.#onRetry(error);
      await sleep(tries.retry.nextMs(), stop);
    } else {
      logger.error({ ...error.details, flow: this.name, code: error.code, error: describeError(error) }, 'flow stopped');
      await this.#setState('failed', error).catch(() => {});
    }
  }

  async #setState(state: FlowState, error?: CodedError): Promise<void> {
    this.#state = state;
    this.#error = error;
    if (this.#wish !== undefined) this.#wish = { ...this.#wish, hasError: error !== undefined };
    await this.#options.records.setState(this.name, state, error);
  }

  async #giveUpLease(): Promise<void> {
    if (this.#lease === undefined || this.#options.abort.aborted) return;
    await this.#options.leases.release(this.#lease).catch((error: unknown) => {
      this.#options.logger.warn({ flow: this.name, error: describeError(error) }, 'lease not released, it will expire');
    });
    this.#lease = undefined;
  }
}
