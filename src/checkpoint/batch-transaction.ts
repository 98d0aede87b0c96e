import { CodedError } from '../lib/error.ts';
import type { Flavour, StoreResult, StoreTransaction } from '../store/contract.ts';
import type { StoreSession } from '../store/session.ts';
import { stepCheckpoint, type CheckpointStep } from './checkpoint.ts';

/** Is told what a transaction waits for, to measure it. It neither waits nor throws. */
export interface TransactionClock {
  /** Work has come that waits for the batch before. */
  gate(opened: Promise<void>): void;
  /** A statement was sent; its answer is awaited elsewhere too. */
  statement(answer: Promise<unknown>): void;
  commit(answer: Promise<unknown>): void;
}

export interface BatchTransactionOptions {
  readonly session: StoreSession;
  readonly step: CheckpointStep;
  /** Resolves when the batch before has committed; rejects when it has failed, and then nothing of this batch is sent. */
  readonly gate: Promise<void>;
  /** Called when a statement behind the checkpoint update was sent that writes: the server is busy with this batch. */
  readonly onSent: () => void;
  /** Absent: nothing is measured. */
  readonly clock?: TransactionClock | undefined;
}

/** The server answers soon, and what comes behind it is to be sent without delay. */
const isQuestion = /^\s*SELECT\b/i;

/**
 * The one store transaction of a batch (L1): its rows, its state and its checkpoint.
 *
 *     idle ── first query or commit ──► open ── commit ──► committed
 *                                        └──── rollback ─► rolled back
 *
 * It opens with the checkpoint update, so a daemon that has lost the flow is stopped before it writes a row. Until the batch
 * before has committed every statement waits at the gate; what is computed meanwhile costs nothing if that batch fails.
 */
export class BatchTransaction implements StoreTransaction {
  readonly flavour: Flavour;
  readonly database: string;
  readonly maxPacketBytes: number;
  readonly #session: StoreSession;
  readonly #step: CheckpointStep;
  readonly #gate: Promise<void>;
  readonly #onSent: () => void;
  readonly #clock: TransactionClock | undefined;
  #opened: Promise<void> | undefined;
  /** With what the transaction was lost; a function may have caught it. */
  #lost: CodedError | undefined;

  constructor(options: BatchTransactionOptions) {
    this.flavour = options.session.flavour;
    this.database = options.session.database;
    this.maxPacketBytes = options.session.maxPacketBytes;
    this.#session = options.session;
    this.#step = options.step;
    this.#gate = options.gate;
    this.#onSent = options.onSent;
    this.#clock = options.clock;
  }

  async query(sql: string, params?: readonly unknown[]): Promise<StoreResult> {
    await this.#open();
    const answer = this.#session.query(sql, params);
    this.#clock?.statement(answer);
    if (!isQuestion.test(sql)) this.#onSent();
    answer.catch((error: unknown) => {
      if (error instanceof CodedError && error.class === 'retry') this.#lost ??= error;
    });
    return answer;
  }

  async commit(): Promise<void> {
    await this.#open();
    // a deadlock has rolled everything back, the checkpoint too: what was written since must not be committed without it
    if (this.#lost !== undefined) throw this.#lost;
    const answer = this.#session.commit();
    this.#clock?.commit(answer);
    this.#onSent();
    await answer;
  }

  #open(): Promise<void> {
    this.#opened ??= this.#begin();
    return this.#opened;
  }

  async #begin(): Promise<void> {
    this.#clock?.gate(this.#gate);
    await this.#gate;
    const stepped = stepCheckpoint(this.#session, this.#step);
    this.#clock?.statement(stepped);
    await stepped;
  }
}
