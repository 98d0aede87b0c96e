import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import type { BatchScope, ConnectorSession, Guarantee } from '../connector/contract.ts';
import type { ConnectorHandle, FunctionConnector } from './contract.ts';

const savepoint = 'kisflow_step';

/** A promise that knows whether anybody asked for its outcome. */
class WatchedPromise<T> extends Promise<T> {
  isWatched = false;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- a promise it is; asking for its outcome is what is noted
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isWatched = true;
    return super.then(onFulfilled, onRejected);
  }
}

/**
 * A function's hold on its connector, for one try of one step.
 *
 * It keeps what a function could break by accident: a step ends only when its connector calls have ended, though the function
 * did not wait for them; a failed call that nobody looked at fails the step; a lost transaction is never taken for a finished
 * step, though the function caught the error; and nothing is written after the step has ended, though the function still runs
 * (it timed out, or left work floating).
 */
export class StepSession implements FunctionConnector {
  readonly #session: ConnectorSession;
  readonly #scope: BatchScope;
  readonly #handle: ConnectorHandle;
  readonly #call: (handle: ConnectorHandle, args: unknown) => unknown;
  readonly #hasUndo: boolean;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #failed: { readonly promise: WatchedPromise<unknown>; readonly error: unknown }[] = [];
  #begun: Promise<unknown> | undefined;
  #isClosed = false;

  constructor(options: {
    readonly session: ConnectorSession;
    readonly handle: ConnectorHandle;
    readonly guarantee: Guarantee;
    /** What `call` runs. */
    readonly call: (handle: ConnectorHandle, args: unknown) => unknown;
    readonly scope: BatchScope;
    /** Whether the step may be tried again: its writes in the store's transaction are then undone to a savepoint. */
    readonly isRetried: boolean;
  }) {
    this.#session = options.session;
    this.#scope = options.scope;
    this.#handle = options.handle;
    this.#call = options.call;
    this.#hasUndo = options.isRetried && options.scope.store !== null && options.guarantee === 'exactly-once';
  }

  get name(): string {
    return this.#handle.name;
  }

  get type(): string {
    return this.#handle.type;
  }

  get addrs(): string {
    return this.#handle.addrs;
  }

  get key(): string {
    return this.#handle.key;
  }

  get params(): Readonly<Record<string, string>> {
    return this.#handle.params;
  }

  get metadata(): Map<string, unknown> {
    return this.#handle.metadata;
  }

  call(args?: unknown): Promise<unknown> {
    return this.#track(async () => this.#call(this.#handle, args));
  }

  save(rows: readonly unknown[]): Promise<void> {
    return this.#track(() => this.#session.save(rows));
  }

  load(keys: readonly Row[]): Promise<Row[]> {
    return this.#track(() => this.#session.load(keys));
  }

  query(statement: string, params?: readonly unknown[]): Promise<readonly Row[]> {
    return this.#track(() => this.#session.query(statement, params));
  }

  /** Whether the step need not wait for this session. */
  get isSettled(): boolean {
    return this.#pending.size === 0 && this.#failed.length === 0;
  }

  /** The error with which the store's transaction was lost, whatever the function made of it. */
  get lost(): CodedError | undefined {
    return this.#failed.map((failure) => failure.error).find(isLoss);
  }

  /** Waits for calls that the function left running. Rejects when the transaction is lost, or a call failed unseen. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#pending);
    if (this.lost !== undefined) throw this.lost;
    const unseen = this.#failed.find((failure) => !failure.promise.isWatched);
    if (unseen !== undefined) await unseen.promise;
  }

  /** Undoes what this try wrote into the store's transaction, so that the next try starts from the same state. */
  async undo(): Promise<void> {
    this.close();
    await Promise.allSettled(this.#pending);
    if (this.lost !== undefined) throw this.lost;
    if (this.#begun === undefined) return;
    await this.#scope.store?.query(`ROLLBACK TO SAVEPOINT ${savepoint}`);
    this.#scope.trace?.undo();
  }

  close(): void {
    this.#isClosed = true;
  }

  #track<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error('The connector was used after its function had ended.'));
    const work = this.#hasUndo ? this.#begin().then(call) : call();
    const watched = new WatchedPromise<T>((resolve, reject) => void work.then(resolve, reject));
    // Not through `watched`, which would count as having been looked at; this also keeps the rejection from being unhandled.
    const ended = Promise.prototype.then.call(
      watched,
      () => {},
      (error: unknown) => this.#failed.push({ promise: watched, error }),
    );
    this.#pending.add(ended);
    void Promise.prototype.then.call(ended, () => this.#pending.delete(ended));
    return watched;
  }

  #begin(): Promise<unknown> {
    if (this.#begun === undefined) {
      this.#scope.trace?.mark();
      this.#begun = this.#scope.store?.query(`SAVEPOINT ${savepoint}`) ?? Promise.resolve();
    }
    return this.#begun;
  }
}

/** Whether the store's transaction is gone with this error (deadlock, lost connection): only the whole batch can be tried again. */
function isLoss(error: unknown): error is CodedError {
  return error instanceof CodedError && error.class === 'retry' && error.code !== 'CONNECTOR_FAILED';
}
