import type { Lease } from '../store/lease.ts';
import type { FlowServiceOptions } from './daemon-flow.ts';

/** What waits for a flow to stand between two transactions: done under its lease, before its next run, or while it does not run. */
export class Settling {
  readonly #settle: FlowServiceOptions['settle'];
  #isWanted = false;

  constructor(settle: FlowServiceOptions['settle']) {
    this.#settle = settle;
  }

  /** The flow's run is to end between two transactions. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  want(): void {
    this.#isWanted = true;
  }

  async beforeRun(lease: Lease): Promise<void> {
    if (this.#settle === undefined) return;
    this.#isWanted = false;
    await this.#settle(lease);
  }

  /** The same, of a flow that does not run; true: what it failed with is gone. */
  async standing(underLease: (work: (lease: Lease) => Promise<void>) => Promise<unknown>): Promise<boolean> {
    const settle = this.#settle;
    if (!this.#isWanted || settle === undefined) return false;
    this.#isWanted = false;
    let isMended = false;
    await underLease(async (lease) => void (isMended = await settle(lease)));
    return isMended;
  }
}
