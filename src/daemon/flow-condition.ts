import type { CodedError } from '../lib/error.ts';
import type { FlowRecords, FlowState, FlowWish } from './flow-record.ts';

/** What a flow is doing, in memory and in its row of kis_flow, and what operators want of it. */
export class FlowCondition {
  readonly #flow: string;
  readonly #records: Pick<FlowRecords, 'setState'>;
  #state: FlowState = 'starting';
  #error: CodedError | undefined;
  #wish: FlowWish | undefined;
  /** When the state was last written to the store, by performance.now(). */
  #recordedAt = 0;

  constructor(flow: string, records: Pick<FlowRecords, 'setState'>) {
    this.#flow = flow;
    this.#records = records;
  }

  get state(): FlowState {
    return this.#state;
  }

  get error(): CodedError | undefined {
    return this.#error;
  }

  get isPaused(): boolean {
    return this.#wish?.isPaused === true;
  }

  /** An operator has cleared the failure. */
  get isResumed(): boolean {
    return this.#wish?.hasError === false;
  }

  /** Another look, begun at `askedAt`, at what operators want. */
  observe(wish: FlowWish | undefined, askedAt: number): void {
    // what was read before the flow last wrote its state may still show the state before
    if (askedAt >= this.#recordedAt) this.#wish = wish;
  }

  /** Sets it, and writes it to the store; rejects where that fails, and it is set all the same. */
  async set(state: FlowState, error?: CodedError): Promise<void> {
    this.#state = state;
    this.#error = error;
    if (this.#wish !== undefined) this.#wish = { ...this.#wish, hasError: error !== undefined };
    this.#recordedAt = Number.POSITIVE_INFINITY;
    try {
      await this.#records.setState(this.#flow, state, error);
    } finally {
      this.#recordedAt = performance.now();
    }
  }

  /** Sets it in this process only: the row of the store is another daemon's, or could not be written. */
  assume(state: FlowState): void {
    this.#state = state;
  }
}
