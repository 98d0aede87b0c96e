import type { Position } from '../row/position.ts';
import type { RoutedPart } from './batch.ts';
import { Progress } from './progress.ts';

/** Up to where a flow takes what its feed has received: it stands there, between two transactions, while more may come. */
export class FeedBound {
  #limit: Progress | undefined;
  readonly #hasGtid: boolean;

  constructor({ hasGtid }: { readonly hasGtid: boolean }) {
    this.#hasGtid = hasGtid;
  }

  get isSet(): boolean {
    return this.#limit !== undefined;
  }

  /** Undefined: no bound. */
  set(limit: Position | undefined): void {
    this.#limit = limit === undefined ? undefined : new Progress({ ...limit, rows: 0 }, { hasGtid: this.#hasGtid });
  }

  /** The first parts, as many as lie at or before it; a transaction that was begun (`isWithin`) is taken to its end. */
  before(queue: RoutedPart[], isWithin: boolean): RoutedPart[] {
    const limit = this.#limit;
    if (limit === undefined) return queue;
    let within = isWithin;
    for (const [count, part] of queue.entries()) {
      if (!within && !limit.hasPassed(part)) return queue.slice(0, count);
      within = !part.isFinal;
    }
    return queue;
  }
}
