import type { Socket } from 'node:net';
import { createConnection, type Connection } from 'mysql2';
import { deferred } from '../lib/abort.ts';
import type { MysqlAddress } from '../lib/mysql-address.ts';
import type { ServerIdentity } from './contract.ts';
import { toCodedError, unreachable } from './server-error.ts';
import { openSourceLogin, parseSourceUrl, type Query } from './server-link.ts';
import { readIdentity } from './server-settings.ts';

export interface KeptLinkOptions {
  readonly url: string;
  /** From the beginning of a use, connecting included, to its end. */
  readonly deadlineMs: number;
}

interface Open {
  readonly driver: Connection;
  readonly socket: Socket;
}

/** A connection for small questions that are asked again and again; one that was lost, or did not answer in time, is made anew by the next. */
export class KeptLink {
  readonly #options: KeptLinkOptions;
  readonly #address: MysqlAddress;
  #open: Open | undefined;
  #identity: ServerIdentity | undefined;

  constructor(options: KeptLinkOptions) {
    this.#options = options;
    this.#address = parseSourceUrl(options.url);
  }

  /** Asks. One use at a time. Throws SOURCE_… errors, at the deadline too; rejects with the signal's reason when it aborts. */
  async use<T>(signal: AbortSignal, ask: (query: Query, identity: ServerIdentity) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const { deadlineMs } = this.#options;
    const late = deferred<never>();
    const timer = setTimeout(() => late.reject(unreachable(`it has not answered within ${deadlineMs} ms`)), deadlineMs);
    const onAbort = (): void => late.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([this.#ask(ask), late.promise]);
    } catch (error) {
      this.close();
      if (signal.aborted) throw signal.reason;
      throw toCodedError(error, this.#address);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    const open = this.#open;
    this.#open = undefined;
    this.#identity = undefined;
    if (open === undefined) return;
    open.driver.destroy();
    open.socket.destroy(); // the driver only half-closes, which a server that does not answer never notices
  }

  async #ask<T>(ask: (query: Query, identity: ServerIdentity) => Promise<T>): Promise<T> {
    const open = (this.#open ??= this.#connect());
    const query: Query = (sql) => runQuery(open.driver, sql);
    return ask(query, (this.#identity ??= await readIdentity(query)));
  }

  #connect(): Open {
    const { options, socket } = openSourceLogin(this.#address, this.#options.deadlineMs);
    const driver = createConnection(options);
    const open = { driver, socket };
    // a statement that is under way is told by itself
    driver.on('error', () => this.#open === open && this.close());
    return open;
  }
}

function runQuery(driver: Connection, sql: string): ReturnType<Query> {
  return new Promise((resolve, reject) => {
    driver.query(sql, (error, rows) => {
      if (error !== null) reject(error);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- mysql2 gives an array of plain objects where there is a result set
      else resolve(rows as Awaited<ReturnType<Query>>);
    });
  });
}
