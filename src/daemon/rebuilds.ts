import { forgetCache } from '../flow/cache.ts';
import { describeError } from '../lib/error.ts';
import { flowsWithRebuild, readRebuild } from '../repair/rebuild-record.ts';
import type { Lease } from '../store/lease.ts';
import type { FlowService } from './flow-service.ts';
import { lookEachSecond } from './look-each-second.ts';
import { RebuildRun, type RebuildRunOptions } from './rebuild-run.ts';
import { settleSwap } from './rebuild-swap.ts';

export interface RebuildsOptions extends Omit<RebuildRunOptions, 'service' | 'signal'> {
  /** The flows of this daemon. */
  readonly services: () => readonly FlowService[];
}

/** The rebuilds of the flows that this daemon holds. */
export class Rebuilds {
  readonly #options: RebuildsOptions;
  readonly #runs = new Map<FlowService, { readonly run: RebuildRun; readonly ended: Promise<void> }>();

  constructor(options: RebuildsOptions) {
    this.#options = options;
  }

  /** Takes up what operators ask for, until the signal aborts; then ends what it has under way, which goes on with the next daemon. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    await lookEachSecond(() => this.#look(signal), { signal, logger, failure: 'rebuilds not looked for' });
    await Promise.all([...this.#runs.values()].map(({ ended }) => ended));
  }

  /**
   * Under the flow's lease, before it runs: ends a swap that was begun, or swaps where a rebuild waits for that. True: the flow has new
   * tables.
   */
  async settle(lease: Lease): Promise<boolean> {
    const isNew = await this.#settle(lease);
    const services = this.#options.services().filter(({ name }) => isNew && name === lease.flow);
    for (const { subjects } of services) for (const { flow } of subjects) forgetCache(flow);
    return isNew;
  }

  async #settle(lease: Lease): Promise<boolean> {
    const { store, logger } = this.#options;
    const rebuild = await readRebuild(store, lease.flow);
    if (rebuild === undefined) return false;
    if (rebuild.phase === 'swapping') return settleSwap({ store, lease, logger }, rebuild);
    const here = [...this.#runs].find(([service]) => service.name === lease.flow);
    return here === undefined ? false : here[1].run.settle(lease);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { services, store, logger } = this.#options;
    const wanted = await flowsWithRebuild(store);
    for (const service of services()) {
      if (!wanted.has(service.name) || !service.isHolder || this.#runs.has(service) || signal.aborted) continue;
      const run = new RebuildRun({ ...this.#options, service, signal });
      const ended = run
        .run()
        .catch((error: unknown) => logger.error({ flow: service.name, error: describeError(error) }, 'rebuild was left'))
        .finally(() => this.#runs.delete(service));
      this.#runs.set(service, { run, ended });
    }
  }
}
