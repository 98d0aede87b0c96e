import { describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { setRunRate } from '../repair/run-record.ts';
import type { Store } from '../store/open.ts';
import type { BatchChunk } from './batch.ts';
import { RateMeter } from './rate-meter.ts';

/** How often the rate of a run is written. */
const writeMs = 1000;

/** Tells in the store how fast runs are, by what they have committed. */
export class RunRates {
  readonly #options: { readonly store: Pick<Store, 'query'>; readonly logger: Logger };
  readonly #rates = new Map<string, { readonly meter: RateMeter; writtenAt: number }>();

  constructor(options: { readonly store: Pick<Store, 'query'>; readonly logger: Logger }) {
    this.#options = options;
  }

  onCommit({ run, keys }: Pick<BatchChunk, 'run' | 'keys'>, now: number): void {
    const rate = this.#rates.get(run) ?? { meter: new RateMeter(2000), writtenAt: now };
    this.#rates.set(run, rate);
    rate.meter.add(keys.length, now);
    if (now - rate.writtenAt < writeMs) return;
    rate.writtenAt = now;
    const { store, logger } = this.#options;
    setRunRate(store, run, rate.meter.perSecond(now)).catch((error: unknown) => {
      logger.debug({ run, error: describeError(error) }, 'the rate of a run was not written');
    });
  }
}
