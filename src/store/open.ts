import { CodedError } from '../lib/error.ts';
import { silentLogger, type Logger } from '../lib/logger.ts';
import type { Row } from '../row/change.ts';
import { connectStore, type ConnectionSettings, type StoreConnection } from './connection.ts';
import type { Flavour, StoreResult, StoreTransaction } from './contract.ts';
import { errnoOf } from './errors.ts';
import { quoteName } from './name.ts';
import { closedError, ConnectionPool } from './pool.ts';
import { makeSession, type StoreFacts, type StoreSession } from './session.ts';
import { parseStoreUrl, type StoreAddress } from './url.ts';

/** The local store: a MySQL or MariaDB database that kisflow writes to. */
export interface Store extends StoreTransaction {
  readonly flavour: Flavour;
  /** Where it is, and as whom; for a connection of another kind. */
  readonly address: StoreAddress;
  /** As the server says it: `9.7.0`, `10.11.19-MariaDB`. */
  readonly version: string;
  readonly database: string;
  /** No statement may be longer: the server's max_allowed_packet. */
  readonly maxPacketBytes: number;
  /** MySQL: server_uuid. MariaDB: `server_id:<n>`. The same words as a source's ServerIdentity.server. */
  readonly serverIdentity: string;
  /** One statement by itself, committed at once, on a pooled connection. */
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
  /** Runs `work` in a transaction on a pooled connection: committed when it resolves, rolled back when it rejects. */
  transaction<T>(work: (transaction: StoreTransaction) => Promise<T>): Promise<T>;
  /** A dedicated connection for a flow's batches; the timeouts replace the store's own (0: none). */
  openSession(options?: SessionTimeouts): Promise<StoreSession>;
  /** Another database of the same server, with this account: made where it is not there. A store of its own, with its own connections. */
  openBeside(database: string): Promise<Store>;
  /** All connections on which a statement is under way, or a session that may have one. */
  links(): readonly StoreLink[];
  /** Connections that nobody uses now are not used again: the link may have gone dead. */
  dropIdle(): void;
  /** Drops every connection, sessions too. Never rejects. */
  close(): Promise<void>;
}

export interface SessionTimeouts {
  readonly statementTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
}

/** What can be told of a connection from this end (see StoreConnection). */
export type StoreLink = Pick<StoreConnection, 'threadId' | 'quietMs' | 'isBroken' | 'destroy'>;

export interface OpenStoreOptions {
  /** `mysql://user:password@host:port/database`, with `?ssl=verify` or `?ssl=encrypt` for TLS. */
  readonly url: string;
  readonly connectTimeoutMs?: number;
  /** A statement that takes longer breaks its connection (STORE_TIMEOUT, retry). 0: none. */
  readonly statementTimeoutMs?: number;
  readonly connectionsMax?: number;
  readonly logger?: Logger;
  /** Gives up opening; an open store does not look at it. */
  readonly signal?: AbortSignal;
}

const idleMsMax = 60_000;
const hourMs = 60 * 60_000;

/**
 * Connects to the store, and makes its database (utf8mb4) when it is not there and the user may.
 * Rejects with STORE_UNREACHABLE (retry), STORE_ACCESS_DENIED, or CONFIG_INVALID for a url that is none.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const settings: ConnectionSettings = {
    address: parseStoreUrl(options.url),
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    statementTimeoutMs: options.statementTimeoutMs ?? 60_000,
    hasAutocommit: true,
  };
  return open(settings, options, options.signal);
}

type OpenOptions = Pick<OpenStoreOptions, 'connectionsMax' | 'logger'>;

async function open(settings: ConnectionSettings, options: OpenOptions, signal?: AbortSignal): Promise<Store> {
  const opening = { ...settings, signal };
  await ensureDatabase(opening, options.logger ?? silentLogger);
  let isOpen = false;
  const pool = new ConnectionPool({
    connect: () => connectStore(isOpen ? settings : opening),
    connectionsMax: options.connectionsMax ?? 4,
    idleMsMax,
    waitMsMax: settings.connectTimeoutMs + 2 * (settings.statementTimeoutMs === 0 ? hourMs : settings.statementTimeoutMs),
  });
  const drop = (): void => void pool.close();
  signal?.addEventListener('abort', drop, { once: true });
  try {
    const facts = await pool.use((connection) => readFacts(connection, settings.address.database));
    isOpen = true;
    return makeStore({ settings, pool, facts, options });
  } catch (error) {
    await pool.close();
    throw error;
  } finally {
    signal?.removeEventListener('abort', drop);
  }
}

interface ServerFacts extends StoreFacts {
  readonly version: string;
  readonly serverIdentity: string;
}

interface StoreParts {
  readonly settings: ConnectionSettings;
  readonly pool: ConnectionPool;
  readonly facts: ServerFacts;
  readonly options: OpenOptions;
}

function makeStore({ settings, pool, facts, options }: StoreParts): Store {
  const { flavour, database } = facts;
  const sessions = new Map<StoreSession, StoreConnection>();
  let isClosed = false;
  return {
    ...facts,
    address: settings.address,
    query: (sql, params) => pool.use((connection) => connection.query(sql, params)),
    transaction: (work) => pool.use((connection) => runTransaction(connection, { flavour, database }, work)),
    async openSession(timeouts = {}) {
      if (isClosed) throw closedError();
      const connection = await connectStore({ ...settings, ...timeouts, hasAutocommit: false });
      if (isClosed) {
        connection.destroy();
        throw closedError();
      }
      const known = { flavour, database, maxPacketBytes: connection.maxPacketBytes };
      const session = makeSession(connection, known, (ended) => sessions.delete(ended));
      sessions.set(session, connection);
      return session;
    },
    openBeside: (beside) => open({ ...settings, address: { ...settings.address, database: beside } }, options),
    links: () => [...sessions.values(), ...pool.busy],
    dropIdle: () => pool.dropIdle(),
    async close() {
      isClosed = true;
      for (const session of sessions.keys()) session.destroy();
      await pool.close();
    },
  };
}

async function runTransaction<T>(
  connection: StoreConnection,
  facts: Pick<StoreFacts, 'flavour' | 'database'>,
  work: (transaction: StoreTransaction) => Promise<T>,
): Promise<T> {
  await connection.query('START TRANSACTION');
  try {
    const result = await work({
      ...facts,
      maxPacketBytes: connection.maxPacketBytes,
      query: (sql, params) => connection.query(sql, params),
    });
    await connection.query('COMMIT');
    return result;
  } catch (error) {
    // a connection that cannot even roll back is not used again: its server rolls back when the socket closes
    await connection.query('ROLLBACK').catch(() => connection.destroy());
    throw error;
  }
}

async function ensureDatabase(settings: ConnectionSettings, logger: Logger): Promise<void> {
  const { database } = settings.address;
  try {
    await (await connectStore(settings)).close();
    return;
  } catch (error) {
    if (errnoOf(error) !== 1049) throw error;
  }
  const connection = await connectStore({ ...settings, usesDatabase: false });
  try {
    await connection.query(`CREATE DATABASE IF NOT EXISTS ${quoteName(database)} CHARACTER SET utf8mb4`);
    logger.info({ database }, 'store database created');
  } finally {
    await connection.close();
  }
}

async function readFacts(connection: StoreConnection, database: string): Promise<ServerFacts> {
  const { rows } = await connection.query('SELECT VERSION() AS version, @@server_id AS server_id');
  const row: Row | undefined = rows[0];
  if (row === undefined) throw new CodedError('STORE_STATEMENT', 'The store does not tell its version');
  const version = String(row['version']);
  const flavour: Flavour = /mariadb/i.test(version) ? 'mariadb' : 'mysql';
  return {
    flavour,
    version,
    database,
    maxPacketBytes: connection.maxPacketBytes,
    serverIdentity: flavour === 'mysql' ? await readUuid(connection) : `server_id:${String(row['server_id'])}`,
  };
}

async function readUuid(connection: StoreConnection): Promise<string> {
  const { rows } = await connection.query('SELECT @@server_uuid AS uuid');
  return String(rows[0]?.['uuid']);
}
