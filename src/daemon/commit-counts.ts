import type { Batch } from './batch.ts';
import { RateMeter } from './rate-meter.ts';

/** What one flow has committed in this process. */
export interface CommitFigures {
  /** Changes committed, and those of them that the flow's shape leaves out. */
  readonly committed: number;
  readonly filtered: number;
  /** Those of them that became dead rows. */
  readonly dead: number;
}

/** Counts the changes of committed batches. */
export class CommitCounts {
  readonly #rate = new RateMeter();
  #figures: CommitFigures = { committed: 0, filtered: 0, dead: 0 };

  get figures(): CommitFigures {
    return this.#figures;
  }

  add(batch: Batch, filteredNow: number): void {
    const { committed, filtered, dead } = this.#figures;
    const deadNow = batch.dead.filter(({ kind }) => kind === 'dead').length;
    this.#figures = { committed: committed + batch.size, filtered: filtered + filteredNow, dead: dead + deadNow };
    this.#rate.add(batch.size, performance.now());
  }

  /** Changes a second, lately. */
  perSecond(now: number): number {
    return this.#rate.perSecond(now);
  }
}
