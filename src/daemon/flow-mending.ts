import { sleep } from '../lib/abort.ts';
import { describeError, type CodedError } from '../lib/error.ts';
import type { DaemonFlow, FlowServiceOptions } from './daemon-flow.ts';
import type { FlowCondition } from './flow-condition.ts';
import type { FlowLease } from './flow-lease.ts';
import type { Next } from './purge-mending.ts';

export interface FlowMendingOptions extends Pick<FlowServiceOptions, 'mending' | 'observer' | 'logger' | 'pollMs' | 'stop'> {
  readonly flow: string;
  readonly condition: FlowCondition;
  readonly lease: Pick<FlowLease, 'held' | 'isHeld'>;
}

/**
 * A flow that has ended with an error which does not pass by itself:
 *
 *     stop ──► rebuilding ──► (it is tried again, with its new tables)
 *       │           └───────► failed
 *       └───────────────────► failed (until somebody has mended the cause)
 */
export class FlowMending {
  readonly #options: FlowMendingOptions;

  constructor(options: FlowMendingOptions) {
    this.#options = options;
  }

  /** It has ended so. Rejects where the store does not answer. */
  async stop(error: CodedError, versions: readonly DaemonFlow[]): Promise<void> {
    const { flow, condition, lease, mending, observer, pollMs, stop } = this.#options;
    const held = lease.held;
    const subject = versions.at(-1);
    const isMended = mending !== undefined && held !== undefined && subject !== undefined;
    const next: Next = isMended ? await mending.begin(held, subject, error) : { kind: 'stop', error };
    if (next.kind === 'try') return sleep(pollMs, stop); // it is to be paused, and that is about to be seen
    observer?.flowEnded(flow, error);
    if (next.kind === 'stop') await this.#fail(next.error);
    else await condition.set('rebuilding', error).catch(() => {}); // the row is written once the store answers again
  }

  /** Another look at what it waits for; true: it is to be tried again. */
  async look(): Promise<boolean> {
    const { flow, condition, lease, mending, logger } = this.#options;
    const { state, error } = condition;
    if (state !== 'rebuilding' || mending === undefined || error === undefined) return false;
    if (!lease.isHeld) {
      condition.assume('starting'); // another daemon has it, and its rebuild
      return false;
    }
    try {
      const next = await mending.look(flow, error);
      if (next.kind === 'stop') await this.#fail(next.error);
      return next.kind === 'try';
    } catch (failure) {
      logger.debug({ flow, error: describeError(failure) }, 'the rebuild of the flow was not looked at'); // the leases say that the store is away
      return false;
    }
  }

  async #fail(error: CodedError): Promise<void> {
    const { flow, condition, logger } = this.#options;
    logger.error({ ...error.details, flow, code: error.code, error: describeError(error) }, 'flow stopped');
    await condition.set('failed', error).catch(() => {}); // likewise
  }
}
