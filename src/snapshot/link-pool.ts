import { deferred } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { MysqlAddress } from '../lib/mysql-address.ts';
import { parseSourceUrl } from '../source/server-link.ts';
import { toCodedError, unreachable } from '../source/server-error.ts';
import { ReadLink } from './read-link.ts';

export interface LinkPoolOptions {
  readonly url: string;
  readonly logger: Logger;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** How many connections are kept for later; more may be in use. */
const KEPT_MAX = 8;

/** Connections for reading tables: as many as are used at once, each for one use at a time, and kept for the next. */
export class LinkPool {
  readonly address: MysqlAddress;
  readonly #options: LinkPoolOptions;
  readonly #deadlineMs: number;
  readonly #kept: ReadLink[] = [];
  readonly #closing = new AbortController();

  constructor(options: LinkPoolOptions) {
    this.#options = options;
    this.address = parseSourceUrl(options.url);
    // the server ends a statement by itself; this is for one that says nothing any more
    this.#deadlineMs = options.statementTimeoutMs + options.connectTimeoutMs * 3;
  }

  /**
   * Lets `ask` use a connection, a kept one or a new one; a kept one that turns out to be lost is replaced once, so `ask` may run twice.
   * Throws SOURCE_… codes, where `ask` throws none of its own; rejects with the signal's reason when it aborts.
   */
  async use<T>(signal: AbortSignal, ask: (link: ReadLink) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const closing = this.#closing.signal;
    if (closing.aborted) throw closing.reason;
    const since = performance.now();
    const kept = this.#takeKept();
    if (kept !== undefined) {
      try {
        return await this.#run(kept, signal, ask);
      } catch (error) {
        const isLost = error instanceof CodedError && error.code === 'SOURCE_UNREACHABLE';
        const isLate = performance.now() - since >= this.#deadlineMs;
        if (!isLost || isLate || signal.aborted || closing.aborted) throw error;
        this.#options.logger.info({ error: describeError(error) }, 'a connection for reading tables was lost: it is made anew');
      }
    }
    return this.#run(new ReadLink({ ...this.#options, address: this.address }), signal, ask);
  }

  async #run<T>(link: ReadLink, signal: AbortSignal, ask: (link: ReadLink) => Promise<T>): Promise<T> {
    const cut = deferred<never>();
    const timer = setTimeout(() => {
      this.#dropKept(); // they go through the same network
      cut.reject(unreachable(`it has not answered within ${this.#deadlineMs} ms`));
    }, this.#deadlineMs);
    const either = AbortSignal.any([signal, this.#closing.signal]);
    const onAbort = (): void => cut.reject(either.reason);
    either.addEventListener('abort', onAbort, { once: true });
    try {
      const result = await Promise.race([link.identity().then(() => ask(link)), cut.promise]);
      this.#keep(link);
      return result;
    } catch (error) {
      link.close();
      if (signal.aborted) throw signal.reason;
      throw toCodedError(error, this.address);
    } finally {
      clearTimeout(timer);
      either.removeEventListener('abort', onAbort);
    }
  }

  /** Cuts what is in use. */
  close(): void {
    this.#closing.abort(unreachable('the reader is closed'));
    this.#dropKept();
  }

  #takeKept(): ReadLink | undefined {
    for (let link = this.#kept.pop(); link !== undefined; link = this.#kept.pop()) if (link.isOpen) return link;
    return undefined;
  }

  #keep(link: ReadLink): void {
    if (this.#kept.length < KEPT_MAX && link.isOpen && !this.#closing.signal.aborted) this.#kept.push(link);
    else link.close();
  }

  #dropKept(): void {
    for (const link of this.#kept.splice(0)) link.close();
  }
}
