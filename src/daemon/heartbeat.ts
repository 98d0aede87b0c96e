import { sleep } from '../lib/abort.ts';
import { describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { Position } from '../row/position.ts';
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
  readonly signal: AbortSignal;
}

const everyMs = 1000;

/**
 * Once a second: looks at how far each flow is, and writes it to the store. What a flow had done before a write that succeeds is
 * proven by it (see freshness.ts).
 */
export async function beat(options: HeartbeatOptions): Promise<void> {
  const { store, sources, services, logger, signal } = options;
  const alarm = new HeadroomAlarm(logger);
  while (!signal.aborted) {
    const held = services().filter((service) => service.isHolder);
    for (const { source, watch } of sources.all) {
      watch.want(held.filter((service) => service.source === source).flatMap(({ meter }) => meter.place ?? ([] as Position[])));
    }
    const claims = new Map(held.map((service) => [service, service.meter.pass()]));
    alarm.look(new Map(held.map((service) => [service.name, service.figures])));
    try {
      await writeFigures(store, new Map(held.map((service) => [service.name, service.meter.figuresWith(claims.get(service))])));
      for (const [{ meter }, at] of claims) if (at !== undefined) meter.prove(at);
    } catch (error) {
      logger.debug({ error: describeError(error) }, 'figures not written');
    }
    await sleep(everyMs, signal);
  }
}
