import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import { describeError } from '../lib/error.ts';
import type { StoreSession } from '../store/session.ts';
import type { DaemonFlow, FlowServiceOptions } from './daemon-flow.ts';
import type { LeasedRun } from './leased-run.ts';

export type FlowVersionsOptions = Pick<FlowServiceOptions, 'subject' | 'records' | 'logger' | 'onReplaced'>;

/**
 * The version of a flow that runs, and the one that is to take its place.
 *
 *     offer ──► while it runs: between two of its batches; where its tables are others, between two transactions (L2)
 *         └───► else: before its next run
 */
export class FlowVersions {
  readonly #options: FlowVersionsOptions;
  /** The version that runs, or that ran last. */
  #current: DaemonFlow;
  #next: DaemonFlow | undefined;

  constructor(options: FlowVersionsOptions) {
    this.#options = options;
    this.#current = options.subject;
  }

  get current(): DaemonFlow {
    return this.#current;
  }

  /** Those whose functions and connectors may be in use, or will be. */
  get all(): readonly DaemonFlow[] {
    return this.#next === undefined ? [this.#current] : [this.#current, this.#next];
  }

  /** Another version; `run`: the flow's, where it runs. */
  offer(next: DaemonFlow, run: LeasedRun | undefined): void {
    this.#next = next;
    if (run !== undefined) this.handOver(run);
  }

  /** Before a run: the next version takes its place, unless that would be in the middle of a transaction whose rows are counted. */
  async takeNext(session: StoreSession): Promise<void> {
    const next = this.#next;
    if (next === undefined) return;
    if (next.tablesHash !== this.#current.tablesHash) {
      const checkpoint = await readCheckpoint(session, this.#name);
      await session.rollback();
      if (checkpoint !== undefined && checkpoint.position.rows > 0) return;
    }
    this.#putInPlace(next);
  }

  /** Tells a run of the next version, if there is one. */
  handOver(run: LeasedRun): void {
    const next = this.#next;
    if (next === undefined) return;
    const { logger } = this.#options;
    if (next.tablesHash === this.#current.tablesHash) {
      run.replace(next, () => {
        this.#putInPlace(next);
        this.#noteFingerprint(next);
      });
      return;
    }
    if (run.feed.received.rows > 0) {
      logger.info({ flow: this.#name }, 'the change of its tables waits for the end of the transaction that it is in');
    }
    run.finishBetweenTransactions();
  }

  get #name(): string {
    return this.#current.flow.name;
  }

  #putInPlace(next: DaemonFlow): void {
    this.#current = next;
    if (this.#next === next) this.#next = undefined;
    this.#options.logger.info({ flow: this.#name, fingerprint: next.fingerprint }, 'flow runs its new version');
    this.#options.onReplaced();
  }

  #noteFingerprint({ flow, fingerprint }: DaemonFlow): void {
    this.#options.records.setFingerprint(flow.name, fingerprint).catch((error: unknown) => {
      this.#options.logger.warn({ flow: flow.name, error: describeError(error) }, 'fingerprint not noted in the store');
    });
  }
}
