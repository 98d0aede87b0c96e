import { describeError } from '../lib/error.ts';
import { readOpenRuns } from '../repair/run-record.ts';
import { flowsWithVerify } from '../repair/verify-record.ts';
import { beginDueVerify, forgetOldVerifies, readVerifyStatus, type VerifyStatus } from '../repair/verify-schedule.ts';
import type { FlowService } from './flow-service.ts';
import { lookEachSecond } from './look-each-second.ts';
import type { RebuildsOptions } from './rebuilds.ts';
import { VerifyRun } from './verify-run.ts';

/** The runs of verify of the flows that this daemon holds: those that operators ask for, and those that are due by a schedule. */
export class Verifies {
  readonly #options: RebuildsOptions;
  readonly #runs = new Map<FlowService, Promise<void>>();
  #status: ReadonlyMap<string, VerifyStatus> = new Map();

  constructor(options: RebuildsOptions) {
    this.#options = options;
  }

  /** Of all flows of the store, as of the last look, at most seconds ago. */
  get status(): ReadonlyMap<string, VerifyStatus> {
    return this.#status;
  }

  /** Takes up what operators ask for and what is due, until the signal aborts; then leaves what is under way, which the next daemon begins anew. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    await lookEachSecond(() => this.#look(signal), { signal, logger, failure: 'runs of verify not looked for' });
    await Promise.all(this.#runs.values());
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { services, store, logger } = this.#options;
    this.#status = await readVerifyStatus(store);
    for (const service of services()) if (this.#isDue(service) && !signal.aborted) await this.#begin(service);
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

  /** A flow that does not run, or has yet to read its tables, is left alone: the run stays due. */
  #isDue({ name, isHolder, isLoading, report }: FlowService): boolean {
    const dueInMs = this.#status.get(name)?.schedule?.dueInMs ?? undefined;
    return dueInMs !== undefined && dueInMs <= 0 && isHolder && report.state === 'running' && !isLoading;
  }

  async #begin({ name: flow }: FlowService): Promise<void> {
    const { store, logger } = this.#options;
    const run = await beginDueVerify(store, flow);
    if (run === undefined) return;
    logger.info({ flow, run }, 'a verify is due');
    await forgetOldVerifies(store, flow);
  }
}
