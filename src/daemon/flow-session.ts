import { BatchTransaction, type BatchTransactionOptions } from '../checkpoint/batch-transaction.ts';
import { lockCheckpoint, readCheckpoint, type Checkpoint, type CheckpointStep } from '../checkpoint/checkpoint.ts';
import { sleep } from '../lib/abort.ts';
import { steadyNow } from '../lib/clock.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { Lease, LeaseKeeper } from '../store/lease.ts';
import { endLeftBehind, type LeftBehind } from '../store/left-behind.ts';
import { lockWaitErrno, readLockHolders } from '../store/lock-holders.ts';
import type { Store } from '../store/open.ts';
import type { StoreSession } from '../store/session.ts';
import { toCoded } from './batch-error.ts';
import type { Failure } from './failure.ts';

export interface FlowSessionOptions {
  readonly store: Store;
  /** The session whose connection the lease names. */
  readonly session: StoreSession;
  readonly leases: LeaseKeeper;
  readonly lease: Lease;
  readonly logger: Logger;
  /** Give up when the store has not answered for this long; Infinity for a daemon. */
  readonly retryLimitMs: number;
  readonly signal: AbortSignal;
  readonly onRetry: (error: CodedError) => void;
}

/** What a batch's transaction writes to the checkpoint, and when it may. */
export interface SessionTransaction extends Pick<BatchTransactionOptions, 'gate' | 'onSent' | 'clock'> {
  readonly sequence: number;
  readonly step: Pick<CheckpointStep, 'position' | 'time' | 'rows'>;
}

/** The store session of one flow under one lease: another connection takes its place when it breaks. */
export class FlowSession {
  readonly #options: FlowSessionOptions;
  #session: StoreSession;
  #hasRetried = false;
  /** By steadyNow(). */
  #openedAt = steadyNow();
  /** Lost connections that the server may not know to be lost, by number. */
  readonly #leftBehind = new Map<number, LeftBehind>();

  constructor(options: FlowSessionOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  get current(): StoreSession {
    return this.#session;
  }

  /** Begins a batch's transaction, which continues this sequence number of the flow's checkpoint. */
  begin(options: SessionTransaction): BatchTransaction {
    const { lease } = this.#options;
    const { sequence, step, ...rest } = options;
    return new BatchTransaction({
      session: this.#session,
      step: { flow: lease.flow, epoch: lease.epoch, sequence, ...step },
      ...rest,
    });
  }

  /** Ends it: at once when nothing is in flight, else by cutting the connection. */
  async close(): Promise<void> {
    await this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  /** After a wait for a lock: the error with who may hold it, where the store shows that to this account. */
  async nameHolders(error: CodedError): Promise<CodedError> {
    if (error.details['errno'] !== lockWaitErrno) return error;
    const holders = await readLockHolders(this.#options.store, this.#session.threadId).catch(() => ''); // it is for the message only
    if (holders === '') return error;
    const { code, details, cause } = error;
    return new CodedError(code, `${error.message}; open transactions that may hold the lock: ${holders}`, {
      class: error.class,
      details,
      cause,
    });
  }

  /** Nothing is held in the store while a batch waits; what a function that ran out of time has sent is ended there. */
  async letGo(error: CodedError): Promise<void> {
    if (this.#session.isBroken) return;
    if (error.code !== 'FUNCTION_TIMEOUT') return this.#session.rollback().catch(() => {}); // the session is restored later, and says it again
    const { threadId } = this.#session;
    this.#session.destroy();
    await this.#options.store.query(`KILL ${threadId}`).catch(() => {}); // it has ended by itself, or ends with the server
  }

  /**
   * Rolls back, on a new connection where the old one is broken; gives the checkpoint's sequence number in the store. That is certain: a
   * commit whose answer was lost may still be under way there, and what is run next would take it for its own.
   */
  async restore({ retry, since }: Failure): Promise<number> {
    const { lease, leases, signal, retryLimitMs } = this.#options;
    for (;;) {
      try {
        if (this.#session.isBroken) {
          await this.#openAnew();
          await leases.reconnect(lease, this.#session.threadId);
        } else await this.#session.rollback();
        // another daemon that moves it may hold it for long
        requireLease(await readCheckpoint(this.#session, lease.flow), lease);
        const { sequence } = requireLease(await lockCheckpoint(this.#session, lease.flow), lease);
        await this.#session.rollback();
        return sequence;
      } catch (failure) {
        const error = toCoded(failure, lease.flow);
        if (signal.aborted || error.class !== 'retry' || performance.now() - since > retryLimitMs) throw error;
        this.noteRetry(error, retry.tries);
        this.#session.destroy();
        await sleep(retry.nextMs(), signal);
      }
    }
  }

  async #openAnew(): Promise<void> {
    const { store } = this.#options;
    const { threadId } = this.#session;
    this.#leftBehind.set(threadId, { threadId, openedAt: this.#openedAt });
    this.#session.destroy();
    this.#session = await store.openSession();
    this.#openedAt = steadyNow();
    for (const lost of this.#leftBehind.values()) await endLeftBehind(this.#session, { ...lost, server: store.serverIdentity });
    this.#leftBehind.clear();
  }

  /** What had to be tried again is committed. */
  noteRecovery(): void {
    const { lease, logger } = this.#options;
    if (this.#hasRetried) logger.info({ flow: lease.flow }, 'flow goes on');
    this.#hasRetried = false;
  }

  noteRetry(error: CodedError, tries: number): void {
    const { lease, logger, onRetry } = this.#options;
    this.#hasRetried = true;
    const fields = { flow: lease.flow, code: error.code, tries: tries + 1, error: describeError(error) };
    if (tries < 3) logger.info(fields, 'batch will be tried again');
    else if (tries < 8) logger.warn(fields, 'batch will be tried again');
    else logger.error(fields, 'batch still fails');
    onRetry(error);
  }
}

function requireLease(checkpoint: Checkpoint | undefined, { flow, epoch }: Lease): Checkpoint {
  if (checkpoint?.epoch === epoch) return checkpoint;
  throw new CodedError('LEASE_LOST', `Flow ${flow} was taken over by another daemon.`);
}
