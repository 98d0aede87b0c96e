import { sleep } from '../lib/abort.ts';
import { steadyNow } from '../lib/clock.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { parsePosition } from '../row/position.ts';
import type { Store } from '../store/open.ts';
import type { Headroom } from './binlog-distance.ts';
import { writeFigures, writeHeadroom } from './figure-record.ts';
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
/** Flows that do not run are looked at as often; while something of theirs is not known yet, as often as that. */
const restingEveryMs = { known: 60_000, unknown: 5000 } as const;

/**
 * Once a second: looks at how far each flow is, and writes it to the store. What a flow had done before a write that succeeds is
 * proven by it (see freshness.ts).
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #alarm: HeadroomAlarm;
  #restedAt = Number.NEGATIVE_INFINITY;
  /** Names of those that did not run at the last look, and whether something of theirs is still to be found out. */
  #resting = '';
  #isRestUnknown = false;
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
      await this.#beat(signal);
      await sleep(everyMs, signal);
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { store, sources, services } = this.#options;
    const held = services().filter((service) => service.isHolder && !isResting(service));
    const resting = services().filter(isResting);
    for (const { source, watch } of sources.all) {
      watch.want([...held, ...resting].filter((service) => service.source === source).flatMap(({ meter }) => meter.place ?? []));
    }
    this.#alarm.look(new Map([...held, ...resting].map((service) => [service.name, service.figures])));
    const at = steadyNow();
    const claims = new Map(held.map((service) => [service, service.meter.pass()]));
    const figures = held.map((service) => [service.name, service.meter.figuresWith(claims.get(service))] as const);
    try {
      await this.#lookAtResting(resting);
      await writeFigures(store, new Map(figures));
      for (const [{ meter }, claim] of claims) if (claim !== undefined) meter.prove(claim);
      if (this.#view.failure !== undefined) this.#options.logger.info({}, 'heartbeat written to the store again');
      this.#view = { failure: undefined };
    } catch (failure) {
      if (signal.aborted) return;
      const error =
        failure instanceof CodedError ? failure : new CodedError('INTERNAL', describeError(failure), { cause: failure });
      this.#noteFailure(error, at);
    }
  }

  /** What flows need that are paused or have failed may be purged too. */
  async #lookAtResting(services: readonly FlowService[]): Promise<void> {
    const { store } = this.#options;
    const names = services.map(({ name }) => name).join('\0');
    const everyRestMs = this.#isRestUnknown ? restingEveryMs.unknown : restingEveryMs.known;
    const isDue = steadyNow() - this.#restedAt > everyRestMs || names !== this.#resting;
    if (services.length === 0 || !isDue) return;
    this.#restedAt = steadyNow();
    this.#resting = names;
    const { rows } = await store.query('SELECT flow, position FROM kis_checkpoint');
    const places = new Map(rows.map((row) => [String(row.flow), parsePosition(String(row.position))]));
    const headrooms = new Map<string, Headroom>();
    this.#isRestUnknown = false;
    for (const { name, meter } of services) {
      const place = places.get(name);
      if (place === undefined) continue;
      meter.rest(place);
      const { headroom } = meter.figures;
      if (headroom === undefined) this.#isRestUnknown = true;
      else headrooms.set(name, headroom);
    }
    await writeHeadroom(store, headrooms);
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

function isResting({ report }: FlowService): boolean {
  return report.state === 'paused' || report.state === 'failed' || report.state === 'rebuilding';
}
