import { deferred, type Deferred } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { StoreConnection } from './connection.ts';

/**
 * A few connections that many use, each for one piece of work at a time. A connection that broke, or lay idle so long that
 * the server may have dropped it, is not handed out again.
 */
export class ConnectionPool {
  readonly #connect: () => Promise<StoreConnection>;
  readonly #connectionsMax: number;
  readonly #idleMsMax: number;
  readonly #waitMsMax: number;
  readonly #idle: { readonly connection: StoreConnection; readonly since: number }[] = [];
  readonly #busy = new Set<StoreConnection>();
  readonly #waiters: Deferred<StoreConnection>[] = [];
  #opening = 0;
  #isClosed = false;

  constructor(options: {
    readonly connect: () => Promise<StoreConnection>;
    readonly connectionsMax: number;
    readonly idleMsMax: number;
    /** Longer than a statement may take, so that only a fault of a caller can make one wait for so long. */
    readonly waitMsMax: number;
  }) {
    this.#connect = options.connect;
    this.#connectionsMax = options.connectionsMax;
    this.#idleMsMax = options.idleMsMax;
    this.#waitMsMax = options.waitMsMax;
  }

  /** Runs `work` with a connection of its own, and takes it back whatever happens. */
  async use<T>(work: (connection: StoreConnection) => Promise<T>): Promise<T> {
    const connection = await this.#acquire();
    try {
      return await work(connection);
    } finally {
      this.#release(connection);
    }
  }

  /** Those at work. */
  get busy(): Iterable<StoreConnection> {
    return this.#busy;
  }

  /** Drops those that are not at work: nobody knows whether they are still connected. */
  dropIdle(): void {
    for (const { connection } of this.#idle.splice(0)) connection.destroy();
  }

  /** Refuses new work, ends idle connections and drops those still at work. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
    for (const connection of this.#busy) connection.destroy();
    await Promise.all(this.#idle.splice(0).map(({ connection }) => connection.close()));
  }

  async #acquire(): Promise<StoreConnection> {
    if (this.#isClosed) throw closedError();
    for (let entry = this.#idle.pop(); entry !== undefined; entry = this.#idle.pop()) {
      if (!entry.connection.isBroken && performance.now() - entry.since < this.#idleMsMax) return this.#take(entry.connection);
      entry.connection.destroy();
    }
    if (this.#busy.size + this.#opening < this.#connectionsMax) return this.#open();
    return this.#wait();
  }

  async #wait(): Promise<StoreConnection> {
    const turn = deferred<StoreConnection>();
    const timer = setTimeout(() => {
      const index = this.#waiters.indexOf(turn);
      if (index === -1) return; // its turn has come, and the connection is on its way
      this.#waiters.splice(index, 1);
      turn.reject(this.#allBusy());
    }, this.#waitMsMax);
    this.#waiters.push(turn);
    try {
      return await turn.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #allBusy(): CodedError {
    const message = `All ${this.#connectionsMax} connections to the store were in use for ${this.#waitMsMax} ms`;
    return new CodedError('STORE_TIMEOUT', message, { class: 'retry' });
  }

  async #open(): Promise<StoreConnection> {
    this.#opening += 1;
    try {
      const connection = await this.#connect();
      if (this.#isClosed) {
        connection.destroy();
        throw closedError();
      }
      return this.#take(connection);
    } finally {
      this.#opening -= 1;
      if (this.#busy.size === 0) this.#serveWaiters(); // the connect failed: the next in line tries for itself
    }
  }

  #take(connection: StoreConnection): StoreConnection {
    this.#busy.add(connection);
    return connection;
  }

  #release(connection: StoreConnection): void {
    this.#busy.delete(connection);
    if (this.#isClosed) return connection.destroy();
    if (!connection.isBroken) this.#idle.push({ connection, since: performance.now() });
    this.#serveWaiters();
  }

  #serveWaiters(): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) this.#acquire().then(waiter.resolve, waiter.reject);
  }
}

/** Of whatever is wanted of a store that was closed. */
export function closedError(): CodedError {
  return new CodedError('STORE_UNREACHABLE', 'The store was closed', { class: 'retry' });
}
