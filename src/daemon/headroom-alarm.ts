import type { Logger } from '../lib/logger.ts';
import { isShort } from './binlog-distance.ts';
import type { FlowFigures } from './flow-figures.ts';

/** Says once that the source may soon purge what a flow needs, and that it is over. */
export class HeadroomAlarm {
  readonly #logger: Logger;
  readonly #short = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  look(flows: ReadonlyMap<string, Pick<FlowFigures, 'headroom'>>): void {
    for (const [flow, { headroom }] of flows) {
      if (headroom === undefined) continue;
      if (!isShort(headroom)) {
        if (this.#short.delete(flow)) this.#logger.info({ flow }, 'the binlog that the flow needs is no longer about to be purged');
        continue;
      }
      if (this.#short.has(flow) || headroom.kind === 'never') continue;
      this.#short.add(flow);
      const fields = { flow, hoursLeft: hours(headroom.ms), hoursKept: hours(headroom.expireMs) };
      this.#logger.warn(
        fields,
        'the source may soon purge the binlog that the flow needs next: let the flow catch up, or raise binlog_expire_logs_seconds at the source until it has',
      );
    }
  }
}

function hours(ms: number): number {
  return Math.round(ms / 36_000) / 100;
}
