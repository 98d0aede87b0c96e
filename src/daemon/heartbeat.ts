import { sleep } from '../lib/abort.ts';
import { steadyNow } from '../lib/clock.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { Store } from '../store/open.ts';
import { writeFigures } from './figure-record.ts';
import type { FlowService } from './flow-service.ts';
import { HeadroomAlarm } from './headroom-alarm.ts';
import type { SourceSet } from './source-set.ts';

export interface HeartbeatOptions {
  readonly store: Store;
  readonly sources: Pick<SourceSet, 'all'>;
  readonly services: () => readonly FlowService[];
  readonly logger: Logger;
}

/** Whether the store takes the heartbeat's writes. Times are steadyNow(). */
export interface WriteView {
  /** Why it does not, and since when. */
  readonly failure: { readonly error: CodedError; readonly since: number } | undefined;
}

const everyMs = 1000;

/**
 * Once a second: looks at how far each flow is, and writes it to the store. What a flow had done before a write that succeeds is
 * proven by it (see freshness.ts).
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #alarm: HeadroomAlarm;
  #view: WriteView = { failure: undefined };

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#alarm = new HeadroomAlarm(options.logger);
  }

  get view(): WriteView {
    return this.#view;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#beat();
      await sleep(everyMs, signal);
    }
  }

  async #beat(): Promise<void> {
    const { store, sources, services } = this.#options;
    const held = services().filter((service) => service.isHolder);
    for (const { source, watch } of sources.all) {
      watch.want(held.filter((service) => service.source === source).flatMap(({ meter }) => meter.place ?? []));
    }
    this.#alarm.look(new Map(held.map((service) => [service.name, service.figures])));
    const at = steadyNow();
    const claims = new Map(held.map((service) => [service, service.meter.pass()]));
    const figures = held.map((service) => [service.name, service.meter.figuresWith(claims.get(service))] as const);
    try {
      await writeFigures(store, new Map(figures));
      for (const [{ meter }, claim] of claims) if (claim !== undefined) meter.prove(claim);
      this.#view = { failure: undefined };
    } catch (failure) {
      const error =
        failure instanceof CodedError ? failure : new CodedError('INTERNAL', describeError(failure), { cause: failure });
      this.#noteFailure(error, at);
    }
  }

  #noteFailure(error: CodedError, at: number): void {
    const before = this.#view.failure;
    if (before === undefined) {
      const fields = { code: error.code, error: describeError(error) };
      this.#options.logger.warn(fields, 'heartbeat not written to the store, freshness is not proven meanwhile');
    }
    this.#view = { failure: { error, since: before?.since ?? at } };
  }
}
