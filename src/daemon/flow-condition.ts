import type { CodedError } from '../lib/error.ts';
import type { FlowRecords, FlowState, FlowWish } from './flow-record.ts';

/** A state for the flow's row. */
interface News {
  readonly state: FlowState;
  readonly error: CodedError | undefined;
}

/**
 * What a flow is doing, in memory and in its row of kis_flow, and what operators want of it. The row is written by one statement after
 * another, so that the last state stays in it; what could not be written is written once the store answers again.
 */
export class FlowCondition {
  readonly #flow: string;
  readonly #records: Pick<FlowRecords, 'setState'>;
  #state: FlowState = 'starting';
  #error: CodedError | undefined;
  #wish: FlowWish | undefined;
  /** What the row does not say yet. */
  #untold: News | undefined;
  /** The statements under way, or waiting for those before. */
  #telling = 0;
  #told: Promise<void> = Promise.resolve();
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
    if (askedAt < this.#recordedAt) return;
    const untold = this.#untold;
    // an error that the row does not have was cleared by nobody
    this.#wish = untold === undefined || wish === undefined ? wish : { ...wish, hasError: untold.error !== undefined };
    if (untold !== undefined) this.#tell(untold).catch(() => {}); // at the next look, then
  }

  /** Sets it, and writes it to the store; rejects where that fails, and it is set all the same. */
  async set(state: FlowState, error?: CodedError): Promise<void> {
    this.#state = state;
    this.#error = error;
    if (this.#wish !== undefined) this.#wish = { ...this.#wish, hasError: error !== undefined };
    await this.#tell({ state, error });
  }

  /** Sets it in this process only: the row of the store is another daemon's, or could not be written. */
  assume(state: FlowState): void {
    this.#state = state;
    this.#untold = undefined;
  }

  #tell(news: News): Promise<void> {
    this.#untold = news;
    this.#telling += 1;
    this.#recordedAt = Number.POSITIVE_INFINITY;
    const told = this.#told.then(() => this.#write(news));
    this.#told = told.catch(() => {}); // whoever set it gets the error
    return told;
  }

  async #write(news: News): Promise<void> {
    try {
      if (this.#untold !== news) return; // another one came meanwhile
      await this.#records.setState(this.#flow, news.state, news.error);
      if (this.#untold === news) this.#untold = undefined;
    } finally {
      this.#telling -= 1;
      if (this.#telling === 0) this.#recordedAt = performance.now();
    }
  }
}
