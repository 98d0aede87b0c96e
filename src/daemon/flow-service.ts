import { followSignal, sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Position } from '../row/position.ts';
import type { Source } from '../source/contract.ts';
import type { Lease } from '../store/lease.ts';
import type { StoreSession } from '../store/session.ts';
import type { Batch } from './batch.ts';
import type { DaemonFlow, FlowServiceOptions } from './daemon-flow.ts';
import { FlowCondition } from './flow-condition.ts';
import { FlowLease } from './flow-lease.ts';
import type { FlowWish } from './flow-record.ts';
import { openLeasedRun, type LeasedRun } from './leased-run.ts';
import { FlowMending } from './flow-mending.ts';
import type { FlowFigures } from './flow-figures.ts';
import { FlowVersions } from './flow-versions.ts';
import { FlowMeter } from './flow-meter.ts';
import type { FlowReport } from './flow-report.ts';
import { Settling } from './settling.ts';
import { Tries } from './tries.ts';

/**
 * Keeps one flow running for as long as the daemon does: waits for its lease, runs it from its checkpoint, and decides what
 * an end means (see FlowState for the states). It shares nothing with other flows but the readers and the store's pool.
 */
export class FlowService {
  readonly #options: FlowServiceOptions;
  readonly meter: FlowMeter;
  /** Those of the daemon, and those of this flow when it is retired. */
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  #isRetired = false;
  readonly #versions: FlowVersions;
  /** The flow was replaced after it had failed: it is tried again. */
  #isMended = false;
  readonly #settling: Settling;
  readonly #condition: FlowCondition;
  /** Runs that fail, and looks at a lease that another daemon holds. */
  readonly #failing: Tries;
  readonly #held: Tries;
  readonly #lease: FlowLease;
  readonly #mending: FlowMending;
  #run: LeasedRun | undefined;

  constructor(options: FlowServiceOptions) {
    this.#options = { ...options, stop: this.#stop.signal, abort: this.#abort.signal };
    this.#versions = new FlowVersions(options);
    this.#settling = new Settling(options.settle);
    this.#condition = new FlowCondition(options.subject.flow.name, options.records);
    this.meter = new FlowMeter(options);
    const flow = options.subject.flow.name;
    this.#lease = new FlowLease({ ...options, flow });
    this.#mending = new FlowMending({ ...this.#options, flow, condition: this.#condition, lease: this.#lease });
    const { retryLimitMs: limitMs, pollMs } = options;
    this.#failing = new Tries({ firstMs: 200, maxMs: 5000, limitMs });
    this.#held = new Tries({ firstMs: pollMs, maxMs: pollMs, limitMs });
    followSignal(options.stop, this.#stop);
    followSignal(options.abort, this.#abort);
  }

  get name(): string {
    return this.#versions.current.flow.name;
  }

  /** Versions of the flow whose functions and connectors may be in use, or will be. */
  get subjects(): readonly DaemonFlow[] {
    return this.#versions.all;
  }

  get source(): Source {
    return this.#options.source;
  }

  get report(): FlowReport {
    const { state, error } = this.#condition;
    return { name: this.name, state, error, kept: this.#run?.kept, ...this.meter.counts };
  }

  /** Rows are still to be read that its tables had before its stream began. */
  get isLoading(): boolean {
    return this.#run?.isLoading === true;
  }

  /** What the flow has received, while it runs. */
  get received(): Position | undefined {
    return this.#run?.feed.received;
  }

  /** Its run, for what is done beside its batches. */
  get live(): Pick<LeasedRun, 'feed' | 'doAside'> | undefined {
    return this.#run;
  }

  get figures(): FlowFigures {
    return this.meter.figures;
  }

  /** Whether its figures are this daemon's to tell. */
  get isHolder(): boolean {
    return this.#lease.isHeld;
  }

  /** Ends the run once everything received so far is committed. */
  finish(): void {
    this.#run?.finish();
  }

  /**
   * Ends the run behind the transaction that it is in, once all of it is committed. A service that runs on settles what waits for it, and
   * begins its next run; one that is paused or has failed settles too.
   */
  endBetweenTransactions(): void {
    this.#settling.want();
    this.#run?.finishBetweenTransactions();
  }

  /**
   * Another version of the flow. Where it runs, it takes over between two batches; where its tables have changed, it begins anew from
   * the checkpoint, once the transaction that is being read has passed (L2); else with the next run. A failed flow tries again with it.
   */
  replace(next: DaemonFlow): void {
    this.#isMended = this.#condition.state === 'failed'; // one that is rebuilt is rebuilt by this version then
    this.#versions.offer(next, this.#run);
  }

  /**
   * Commits what was received, gives the lease up and ends: the flow is no longer this daemon's. What cannot be committed now, or
   * takes longer than this, is rolled back: its changes are behind the checkpoint.
   */
  retire(deadlineMs: number): void {
    this.#isRetired = true;
    this.#stop.abort();
    if (this.#condition.state === 'retrying') this.#abort.abort();
    else void sleep(deadlineMs, this.#abort.signal).then(() => this.#abort.abort());
  }

  /** Another look, begun at `askedAt`, at what operators want. */
  observe(wish: FlowWish | undefined, askedAt: number): void {
    this.#condition.observe(wish, askedAt);
    if (this.#condition.isPaused) this.finish();
    if (wish?.hasRowWishes === true) this.#run?.noteWishes();
    if (wish?.hasRunWishes === true) this.#run?.noteRuns();
  }

  /** Another look, begun at `askedAt`, at the leases that this daemon holds. */
  observeLeases(heldEpochs: ReadonlyMap<string, number>, askedAt: number): void {
    if (!this.#lease.isLost(heldEpochs, askedAt)) return;
    if (this.#run === undefined) this.#lease.forget();
    else this.#run.fail(new CodedError('LEASE_LOST', `Flow ${this.name} was taken over by another daemon.`));
  }

  async #pause(): Promise<void> {
    try {
      await this.#condition.set('paused');
      this.#options.logger.info({ flow: this.name }, 'flow is paused');
    } catch {
      this.#condition.assume('retrying'); // the store was not told: it is told again
    }
  }

  /** Runs until the stop signal; never rejects: a failure is the flow's state. With `once`, until the first run ends. */
  async run(options: { readonly once: boolean }): Promise<void> {
    const { stop, pollMs } = this.#options;
    while (!stop.aborted) {
      if (this.#condition.state === 'failed' || this.#condition.state === 'rebuilding') {
        if (options.once) break;
        await this.#stand();
        continue;
      }
      if (this.#condition.isPaused) {
        if (this.#condition.state !== 'paused') await this.#pause();
        if (options.once) break;
        await this.#settleStanding();
        await sleep(pollMs, stop);
        continue;
      }
      try {
        const hasRun = await this.#underLease((lease, session) => this.#runLeased(lease, session));
        this.#failing.forget();
        if (hasRun && options.once) break;
        if (hasRun) continue;
        const delayMs = this.#held.fail();
        if (delayMs === undefined) {
          throw new CodedError('FLOW_HELD', `Flow ${this.name} is run by another daemon, which holds its lease.`);
        }
        await sleep(delayMs, stop);
      } catch (failure) {
        await this.#noteEnd(failure);
      }
    }
    await this.#leave();
    this.#abort.abort(); // nothing waits for it any more
  }

  /** It cannot go on: until somebody, or something, has mended that. */
  async #stand(): Promise<void> {
    const { stop, pollMs } = this.#options;
    if (await this.#settleStanding()) this.#isMended = true;
    if (!this.#isMended) await sleep(pollMs, stop);
    if (!this.#isMended && !stop.aborted && (await this.#mending.look())) this.#isMended = true;
    if (this.#isMended || this.#condition.isResumed) await this.#condition.set('starting').catch(() => sleep(pollMs, stop));
    this.#isMended = false;
  }

  /** As before a run, of a flow that does not run; true: what it failed with is gone. */
  async #settleStanding(): Promise<boolean> {
    const settling = this.#settling.standing((work) => this.#underLease(work));
    return (await settling.catch(this.#warn('what waits for the flow is not settled'))) === true;
  }

  /** False, and nothing is done, when another daemon holds the lease. */
  async #underLease(work: (lease: Lease, session: StoreSession) => Promise<void>): Promise<boolean> {
    if (await this.#options.leases.isHeldByOther(this.name)) {
      if (this.#condition.state !== 'standby')
        this.#options.logger.info({ flow: this.name }, 'another daemon runs this flow, standing by');
      this.#standBy();
      return false;
    }
    return this.#lease.use(work);
  }

  async #runLeased(lease: Lease, session: StoreSession): Promise<void> {
    // a flow that was waited for, or paused, counts as ready: one that begins does not
    if (this.#condition.state === 'standby' || this.#condition.state === 'paused') this.#condition.assume('starting');
    this.#held.forget();
    await this.#settling.beforeRun(lease);
    await this.#versions.takeNext(session);
    const run = await openLeasedRun({
      ...this.#options,
      subject: this.#versions.current,
      lease,
      session,
      onCommit: (batch, filtered) => this.#onCommit(batch, filtered),
      onRetry: (error) => this.#onRetry(error),
    });
    this.#run = run;
    this.meter.begin(run.feed, () => run.isLoading);
    try {
      await this.#condition.set('running');
      this.#versions.handOver(run);
      if (this.#settling.isWanted) run.finishBetweenTransactions();
      await run.work();
    } finally {
      this.meter.end();
      this.#run = undefined;
      await run.close();
    }
  }

  #onCommit(batch: Batch, filtered: number): void {
    this.meter.onCommit(batch, filtered);
    this.#failing.forget();
    if (this.#condition.state === 'retrying') void this.#condition.set('running').catch(() => {});
  }

  #onRetry(error: CodedError): void {
    if (this.#isRetired) this.#abort.abort();
    this.#options.observer?.flowRetries(this.name, error);
    if (this.#condition.state === 'retrying' && this.#condition.error?.code === error.code) return;
    void this.#condition.set('retrying', error).catch(() => {}); // the store may be what fails; the log has the error
  }

  /** What the end of a run means: wait and run again, or fail until somebody has mended the cause. */
  async #noteEnd(failure: unknown): Promise<void> {
    const { logger, observer, stop, abort } = this.#options;
    if (abort.aborted) return;
    const error = failure instanceof CodedError ? failure : new CodedError('INTERNAL', describeError(failure), { cause: failure });
    if (error.code === 'LEASE_LOST') {
      observer?.flowEnded(this.name, error);
      logger.warn({ flow: this.name }, 'another daemon took the flow over, standing by');
      return this.#standBy();
    }
    const delayMs = error.class === 'retry' ? this.#failing.fail() : undefined;
    if (delayMs !== undefined) {
      logger.warn({ flow: this.name, code: error.code, error: describeError(error) }, 'flow will be started again');
      this.#onRetry(error);
      await sleep(delayMs, stop);
    } else {
      this.#failing.forget();
      await this.#mending.stop(error, this.subjects).catch((other: unknown) => this.#noteEnd(other)); // the store fails
    }
  }

  #standBy(): void {
    this.#lease.forget();
    this.#condition.assume('standby');
  }

  async #leave(): Promise<void> {
    if (this.#options.abort.aborted && !this.#isRetired) return;
    const { state } = this.#condition;
    // a standby says nothing about a flow that another daemon runs
    if (this.#lease.isHeld && state !== 'failed' && state !== 'paused')
      await this.#condition.set('stopped').catch(this.#warn('the end of the flow was not noted in the store'));
    await this.#lease.giveUp().catch(this.#warn('lease not released, it will expire'));
  }

  #warn(message: string): (error: unknown) => void {
    return (error) => this.#options.logger.warn({ flow: this.name, error: describeError(error) }, message);
  }
}
