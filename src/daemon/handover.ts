import { deferred, type Deferred } from '../lib/abort.ts';

/**
 * A changed version of a flow on its way to the worker: offered at any moment, taken when no batch is under way. Of several
 * that are offered before one is taken only the last one counts.
 */
export class Handover {
  #take: (() => void) | undefined;
  #offered: Deferred<void> | undefined;

  get isWaiting(): boolean {
    return this.#take !== undefined;
  }

  /** `take` is called between two batches. */
  offer(take: () => void): void {
    this.#take = take;
    this.#offered?.resolve();
  }

  /** Resolves at the next offer. Only the last promise that was asked for does: nothing piles up while none comes. */
  offered(): Promise<void> {
    this.#offered = deferred();
    if (this.isWaiting) this.#offered.resolve();
    return this.#offered.promise;
  }

  /** No batch is under way: what waits is taken. */
  take(): void {
    const take = this.#take;
    this.#take = undefined;
    take?.();
  }
}
