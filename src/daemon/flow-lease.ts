import type { Lease, LeaseKeeper } from '../store/lease.ts';
import type { Store } from '../store/open.ts';
import type { StoreSession } from '../store/session.ts';

export interface FlowLeaseOptions {
  readonly flow: string;
  readonly store: Store;
  readonly leases: LeaseKeeper;
}

/** A flow's lease as its service has it: taken anew for each run, and kept between runs. */
export class FlowLease {
  readonly #options: FlowLeaseOptions;
  #lease: Lease | undefined;
  /** When it had been taken, by performance.now(). */
  #takenAt = 0;

  constructor(options: FlowLeaseOptions) {
    this.#options = options;
  }

  /** As it was last taken. */
  get held(): Lease | undefined {
    return this.#lease;
  }

  get isHeld(): boolean {
    return this.#lease !== undefined;
  }

  /** Does the work under it, with a session of its own; false, and nothing is done, when another daemon holds it. */
  async use(work: (lease: Lease, session: StoreSession) => Promise<void>): Promise<boolean> {
    const { flow, store, leases } = this.#options;
    const session = await store.openSession();
    try {
      const lease = await leases.acquire(flow, session.threadId);
      if (lease === undefined) return false;
      this.#lease = lease;
      this.#takenAt = performance.now();
      await work(lease, session);
      return true;
    } finally {
      await session.close().catch(() => session.destroy());
    }
  }

  /** Whether a look, begun at `askedAt`, at the leases that this daemon holds shows that it is another's now. */
  isLost(heldEpochs: ReadonlyMap<string, number>, askedAt: number): boolean {
    const lease = this.#lease;
    return lease !== undefined && askedAt >= this.#takenAt && heldEpochs.get(lease.flow) !== lease.epoch;
  }

  /** Another daemon has it. */
  forget(): void {
    this.#lease = undefined;
  }

  async giveUp(): Promise<void> {
    const lease = this.#lease;
    if (lease !== undefined) await this.#options.leases.release(lease);
    this.#lease = undefined;
  }
}
