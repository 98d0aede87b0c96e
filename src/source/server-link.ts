import { createConnection, type Connection } from 'mysql2/promise';
import type { ConnectionOptions } from 'mysql2';
import { deferred } from '../lib/abort.ts';
import { openLogin, parseMysqlAddress, type MysqlAddress, type MysqlLogin } from '../lib/mysql-address.ts';
import { toCodedError } from './server-error.ts';

/** Runs one statement and gives its rows; column names as the server prints them. */
export type Query = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;

export interface LinkOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** Reads a source's url; throws CONFIG_INVALID. */
export function parseSourceUrl(url: string): MysqlAddress {
  return parseMysqlAddress(url, 'The source url');
}

/** How every connection to a source is made: values exact and as text, times in UTC (L8). Throws SOURCE_TLS. */
export function openSourceLogin(address: MysqlAddress, connectTimeoutMs: number): MysqlLogin {
  try {
    const { options, socket } = openLogin(address);
    const exact = { timezone: 'Z', dateStrings: true, jsonStrings: true, supportBigNumbers: true, bigNumberStrings: false };
    return { options: { ...options, ...exact, connectTimeout: connectTimeoutMs }, socket };
  } catch (error) {
    throw toCodedError(error, address);
  }
}

/**
 * Opens a connection for questions to the server, lets `use` ask them, and closes it. Throws SOURCE_… errors; rejects with the
 * signal's reason when it aborts.
 */
export async function withServer<T>(options: LinkOptions, use: (query: Query) => Promise<T>): Promise<T> {
  const { signal, connectTimeoutMs } = options;
  signal.throwIfAborted();
  const address = parseSourceUrl(options.url);
  const { options: login, socket } = openSourceLogin(address, connectTimeoutMs);
  try {
    const connection = await connect(login, signal);
    // An answer that never comes must not hold the caller for ever: a half-open socket gives no error by itself.
    const timeout = connectTimeoutMs * 3;
    const cut = deferred<never>();
    const abort = () => {
      connection.destroy();
      // mysql2 lets a query of a connection that was destroyed wait on
      cut.reject(signal.reason);
    };
    signal.addEventListener('abort', abort);
    try {
      const query: Query = async (sql) => {
        signal.throwIfAborted();
        const [rows] = await connection.query({ sql, timeout });
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- mysql2 gives an array of plain objects where there is a result set
        return rows as readonly Readonly<Record<string, unknown>>[];
      };
      return await Promise.race([use(query), cut.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
      connection.destroy();
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw toCodedError(error, address);
  } finally {
    socket.destroy();
  }
}

/** An aborted wait ends at once, and not with the connection's own time limit. */
async function connect(login: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
  const connecting = createConnection(login);
  const cut = deferred<never>();
  const abort = () => {
    connecting.then(
      (connection) => connection.destroy(),
      () => undefined,
    );
    cut.reject(signal.reason);
  };
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([connecting, cut.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** A field of an answer as text; '' for NULL and for a column that is not there. */
export function textOf(row: Readonly<Record<string, unknown>> | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : '';
}
