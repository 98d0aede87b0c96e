import { deferred, type Deferred } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { StoreTransaction } from '../store/contract.ts';
import type { KeptRunner } from './parked-tries.ts';

export type AsideWork = (transaction: StoreTransaction) => Promise<void>;

interface Offer {
  readonly work: AsideWork;
  readonly done: Deferred<void>;
}

/** Work on a flow's tables that is none of its batches: done between two of them, in a transaction of the flow that leaves its position. */
export class Aside {
  #offers: Offer[] = [];
  #offered: Deferred<void> | undefined;

  get isWaiting(): boolean {
    return this.#offers.length > 0;
  }

  /** Resolves when it is committed; rejects with what kept it from that, and then nothing of it is. */
  do(work: AsideWork): Promise<void> {
    const done = deferred<void>();
    this.#offers.push({ work, done });
    this.#offered?.resolve();
    return done.promise;
  }

  /** Resolves at the next offer; only the last promise that was asked for does. */
  offered(): Promise<void> {
    this.#offered = deferred();
    if (this.isWaiting) this.#offered.resolve();
    return this.#offered.promise;
  }

  /** No batch is under way. What is wrong with the work is told to whoever wants it; what is wrong with the flow or its store, to the flow too. */
  async run(runner: Pick<KeptRunner, 'runKept'>): Promise<void> {
    for (const { work, done } of this.#offers.splice(0)) {
      try {
        await runner.runKept([], { id: '', settle: work });
        done.resolve();
      } catch (error) {
        done.reject(error);
        if (!(error instanceof CodedError) || error.code === 'LEASE_LOST' || error.code === 'INTERNAL') throw error;
      }
    }
  }

  /** The run of the flow is over. */
  close(): void {
    for (const { done } of this.#offers.splice(0))
      done.reject(new CodedError('STORE_CONFLICT', 'The flow has ended.', { class: 'retry' }));
  }
}
