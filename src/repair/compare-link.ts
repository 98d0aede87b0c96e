import { deferred } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { MysqlAddress } from '../lib/mysql-address.ts';
import type { Row } from '../row/change.ts';
import { ReadLink } from '../snapshot/read-link.ts';
import type { SelectedColumn } from '../snapshot/select-rows.ts';
import { textOf, type Query } from '../source/server-link.ts';
import type { Flavour } from '../store/contract.ts';
import { toStoreError } from '../store/errors.ts';

export interface CompareLinkOptions {
  readonly address: MysqlAddress;
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
  readonly signal: AbortSignal;
}

const savepoint = 'kis_chunk';

/**
 * A connection of its own to the store's server that reads one consistent snapshot, however long that takes:
 *
 *     open ──► begin: from here on it sees what was committed until now ──► query, select, release … ──► end │ close
 *
 * `release` gives back what keeps a table that was read from being altered; whoever alters one meanwhile is not kept waiting for longer than a
 * statement, and the next read of it rejects (STORE_CONFLICT). Everything rejects with STORE_… codes, or with the signal's reason.
 */
export class CompareLink {
  readonly #link: ReadLink;
  readonly #options: CompareLinkOptions;
  readonly #deadlineMs: number;
  #flavour: Flavour = 'mysql';
  #holdsTables = false;

  private constructor(options: CompareLinkOptions) {
    const { address, connectTimeoutMs = 10_000, statementTimeoutMs = 600_000 } = options;
    this.#options = options;
    // the server ends a statement by itself; this is for one that says nothing any more
    this.#deadlineMs = statementTimeoutMs + 3 * connectTimeoutMs;
    this.#link = new ReadLink({ address, connectTimeoutMs, statementTimeoutMs });
  }

  static async open(options: CompareLinkOptions): Promise<CompareLink> {
    const link = new CompareLink(options);
    link.#flavour = (await link.#run(() => link.#link.identity())).flavour;
    // a server without a hash gives NULL, and every sum of it would be that of every other
    const [row] = await link.query("SELECT SHA2('a', 256) AS hash");
    if (textOf(row, 'hash').startsWith('ca978112ca1bbdca')) {
      await link.#letTablesGo();
      return link;
    }
    link.close();
    throw new CodedError('VERIFY_NO_HASH', 'The store server gives no SHA2 of a text, by which rows are compared.');
  }

  get flavour(): Flavour {
    return this.#flavour;
  }

  /** MariaDB releases no table before the end of a transaction that may be logged. Nothing is ever written here, so nothing is lost of the log. */
  async #letTablesGo(): Promise<void> {
    if (this.#flavour === 'mysql') return;
    try {
      await this.query('SET SESSION sql_log_bin = 0');
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'STORE_ACCESS_DENIED') throw error;
      this.#holdsTables = true;
    }
  }

  /** Tables that were read cannot be altered before the end of the snapshot: a MariaDB store, whose account has no BINLOG ADMIN. */
  get holdsTables(): boolean {
    return this.#holdsTables;
  }

  readonly query: Query = (sql) => this.#run(() => this.#link.query(sql));

  async select(sql: string, columns: readonly SelectedColumn[]): Promise<readonly Row[]> {
    return (await this.#run(() => this.#link.select(sql, columns))).rows;
  }

  /** The snapshot; one that is open is left for it. What a table is has to be asked before: a snapshot may show an older definition. */
  async begin(): Promise<void> {
    await this.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    await this.query(`SAVEPOINT ${savepoint}`);
  }

  async release(): Promise<void> {
    await this.query(`ROLLBACK TO SAVEPOINT ${savepoint}`);
  }

  /** Leaves the snapshot: what it kept of old rows may go. */
  async end(): Promise<void> {
    await this.query('ROLLBACK');
  }

  close(): void {
    this.#link.close();
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    const cut = deferred<never>();
    const timer = setTimeout(
      () =>
        cut.reject(new CodedError('STORE_TIMEOUT', `The store has not answered within ${this.#deadlineMs} ms`, { class: 'retry' })),
      this.#deadlineMs,
    );
    const onAbort = (): void => cut.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([work(), cut.promise]);
    } catch (error) {
      if (signal.aborted) {
        this.close();
        throw signal.reason;
      }
      const coded = toStoreError(error, { doing: 'Comparing tables of the store' });
      if (coded.code === 'STORE_TIMEOUT') this.close(); // what it was asked may still be under way
      throw coded;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }
}
