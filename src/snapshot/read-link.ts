import type { Socket } from 'node:net';
import { createConnection, type Connection } from 'mysql2';
import type { MysqlAddress } from '../lib/mysql-address.ts';
import type { ServerIdentity } from '../source/contract.ts';
import { openSourceLogin, type Query } from '../source/server-link.ts';
import { readIdentity } from '../source/server-settings.ts';
import { keySession } from './key-sql.ts';
import { selectRows, type SelectedColumn, type SelectedRows } from './select-rows.ts';

export interface ReadLinkOptions {
  readonly address: MysqlAddress;
  readonly connectTimeoutMs: number;
  /** After how long the server itself ends a statement, or gives up to wait for a lock. */
  readonly statementTimeoutMs: number;
}

/** A COM_QUERY is sent as its text alone; nothing is ever loaded from a file of ours. */
const flags = ['-CLIENT_QUERY_ATTRIBUTES', '-LOCAL_FILES'];

/** One connection that tables are read through: read-only, in UTC, texts as the bytes that the columns hold. */
export class ReadLink {
  readonly #driver: Connection;
  readonly #socket: Socket;
  readonly #options: ReadLinkOptions;
  #identity: ServerIdentity | undefined;
  #isOpen = true;

  /** Throws SOURCE_TLS; whether the server answers shows in the first use. */
  constructor(options: ReadLinkOptions) {
    this.#options = options;
    const { options: login, socket } = openSourceLogin(options.address, options.connectTimeoutMs);
    this.#socket = socket;
    this.#driver = createConnection({ ...login, flags });
    // a statement that is under way is told by itself
    this.#driver.on('error', () => this.close());
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What the server is; the first time, the session is set too. */
  async identity(): Promise<ServerIdentity> {
    if (this.#identity !== undefined) return this.#identity;
    const identity = await readIdentity(this.query);
    for (const statement of sessionOf(identity, this.#options.statementTimeoutMs)) await this.query(statement);
    this.#identity = identity;
    return identity;
  }

  readonly query: Query = (sql) =>
    new Promise((resolve, reject) => {
      this.#driver.query(sql, (error, rows) => {
        if (error !== null) reject(error);
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- mysql2 gives an array of plain objects where there is a result set
        else resolve(rows as Awaited<ReturnType<Query>>);
      });
    });

  async select(sql: string, columns: readonly SelectedColumn[]): Promise<SelectedRows> {
    const { flavour } = await this.identity();
    return selectRows(this.#driver, { sql, columns }, flavour);
  }

  close(): void {
    this.#isOpen = false;
    this.#driver.destroy();
    this.#socket.destroy(); // the driver only half-closes, which a server that does not answer never notices
  }
}

/**
 * What a session sets before it reads. Read-only: each statement is a read-only transaction, in which no function of the source writes either.
 * REPEATABLE READ: under SERIALIZABLE a read would lock.
 */
function sessionOf({ flavour }: ServerIdentity, statementTimeoutMs: number): readonly string[] {
  const seconds = Math.max(1, Math.ceil(statementTimeoutMs / 1000));
  const limits =
    flavour === 'mariadb'
      ? [`max_statement_time = ${statementTimeoutMs / 1000}`]
      : [`max_execution_time = ${Math.max(1, Math.ceil(statementTimeoutMs))}`];
  const variables = [
    'character_set_results = NULL',
    'autocommit = 1',
    `lock_wait_timeout = ${seconds}`,
    `innodb_lock_wait_timeout = ${seconds}`,
    'sql_select_limit = DEFAULT',
    'sql_big_selects = 1',
    ...limits,
  ];
  return [
    `SET ${[...keySession, ...variables].join(', ')}`,
    'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
    'SET SESSION TRANSACTION READ ONLY',
  ];
}
