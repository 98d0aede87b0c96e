import { describeError } from '../lib/error.ts';
import { readOpenRuns } from '../repair/run-record.ts';
import { flowsWithVerify } from '../repair/verify-record.ts';
import type { FlowService } from './flow-service.ts';
import { lookEachSecond } from './look-each-second.ts';
import type { RebuildsOptions } from './rebuilds.ts';
import { VerifyRun } from './verify-run.ts';

/** The runs of verify of the flows that this daemon holds. */
export class Verifies {
  readonly #options: RebuildsOptions;
  readonly #runs = new Map<FlowService, Promise<void>>();

  constructor(options: RebuildsOptions) {
    this.#options = options;
  }

  /** Takes up what operators ask for, until the signal aborts; then leaves what is under way, which the next daemon begins anew. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    await lookEachSecond(() => this.#look(signal), { signal, logger, failure: 'runs of verify not looked for' });
    await Promise.all(this.#runs.values());
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { services, store, logger } = this.#options;
    const wanted = await flowsWithVerify(store);
    for (const service of services()) {
      if (!wanted.has(service.name) || !service.isHolder || this.#runs.has(service)) continue;
      const run = (await readOpenRuns(store, service.name)).find(({ kind }) => kind === 'verify');
      if (run === undefined || signal.aborted) continue;
      const verify = new VerifyRun({ ...this.#options, service, run, signal });
      const ended = verify
        .run()
        .catch((error: unknown) => logger.error({ flow: service.name, error: describeError(error) }, 'verify was left'))
        .finally(() => this.#runs.delete(service));
      this.#runs.set(service, ended);
    }
  }
}
