import type { Socket } from 'node:net';
import { createConnection, format, type Connection, type ConnectionOptions, type TypeCast } from 'mysql2';
import { CodedError } from '../lib/error.ts';
import { openLogin, type MysqlLogin } from '../lib/mysql-address.ts';
import type { Row } from '../row/change.ts';
import type { StoreResult } from './contract.ts';
import { headOf, toStoreError } from './errors.ts';
import type { StoreAddress } from './url.ts';

/**
 * How every connection to a store is set: values go in and come out unchanged (L8) whatever the server's defaults are. Zero
 * dates and 0 in AUTO_INCREMENT columns are values like others; a value that does not fit is refused, never cut.
 */
const sessionSettings = [
  'NAMES utf8mb4',
  "time_zone = '+00:00'",
  "sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
  'innodb_lock_wait_timeout = 10',
  'lock_wait_timeout = 10',
];

export interface ConnectionSettings {
  readonly address: StoreAddress;
  readonly connectTimeoutMs: number;
  /** 0: no deadline. */
  readonly statementTimeoutMs: number;
  readonly hasAutocommit: boolean;
  /** False: connect to the server alone, because the database may not be there. */
  readonly usesDatabase?: boolean;
  /** Gives up connecting. */
  readonly signal?: AbortSignal | undefined;
}

/** Of the first statements on a connection, where its own have no deadline. */
const settingTimeoutMs = 10_000;

interface Pending {
  readonly reject: (error: CodedError) => void;
  readonly timer: NodeJS.Timeout | undefined;
  readonly since: number;
  readonly length: number;
}

/** A link that carries less than this in a millisecond is too slow for a store. */
const lengthPerMs = 256;

/**
 * One connection, set as every store connection is, whose statements each have a deadline.
 *
 *     open ──error of the socket, deadline, destroy()──► broken        open ──close()──► closed
 *
 * A broken connection has dropped its socket and refuses every further statement with the error that broke it: what its
 * server had not committed is rolled back there.
 */
export class StoreConnection {
  readonly #driver: Connection;
  readonly #socket: Socket;
  readonly #where: string;
  readonly #statementTimeoutMs: number;
  #maxPacketBytes = 0;
  readonly #pending = new Set<Pending>();
  #broken: CodedError | undefined;
  /** Bytes read and bytes still to be sent, when they last changed. */
  #moved = { read: 0, unsent: 0, at: 0 };

  constructor(driver: Connection, socket: Socket, settings: ConnectionSettings) {
    this.#driver = driver;
    this.#socket = socket;
    this.#where = `${settings.address.host}:${settings.address.port}`;
    this.#statementTimeoutMs = settings.statementTimeoutMs;
    const onLost = (error?: unknown): void =>
      this.#break(toStoreError(error ?? lost(), { doing: `The connection to the store at ${this.#where} was lost` }));
    driver.on('error', onLost);
    driver.on('end', onLost);
    socket.on('close', () => onLost());
  }

  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /** The server's number of this connection: what KILL takes. */
  get threadId(): number {
    return this.#driver.threadId;
  }

  /**
   * For how long nothing has come and nothing gone while an answer is waited for, less the time that its statement may take on its
   * way; undefined where none is waited for. By performance.now(); what moves is seen from one call to the next.
   */
  get quietMs(): number | undefined {
    const seen = this.#look();
    if (seen.read !== this.#moved.read || seen.unsent !== this.#moved.unsent) this.#moved = seen;
    const [first] = this.#pending;
    if (first === undefined) return undefined;
    return seen.at - Math.max(first.since, this.#moved.at) - first.length / lengthPerMs;
  }

  #look(): { readonly read: number; readonly unsent: number; readonly at: number } {
    return { read: this.#socket.bytesRead, unsent: this.#socket.writableLength, at: performance.now() };
  }

  /** The server's max_allowed_packet when the connection was made: it holds for as long as the connection does. */
  get maxPacketBytes(): number {
    return this.#maxPacketBytes;
  }

  /** Sets the session, in as little time as connecting may take. */
  async prepare(hasAutocommit: boolean): Promise<void> {
    const ms = this.#statementTimeoutMs === 0 ? settingTimeoutMs : this.#statementTimeoutMs;
    await this.query(`SET ${sessionSettings.join(', ')}, autocommit = ${hasAutocommit ? 1 : 0}`, undefined, ms);
    await this.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', undefined, ms);
    const { rows } = await this.query('SELECT @@max_allowed_packet AS packet', undefined, ms);
    this.#maxPacketBytes = Number(rows[0]?.['packet']);
  }

  /** Runs one statement. Rejects with a CodedError; after a lost socket or a missed deadline (`ms`, 0: none) the connection is broken. */
  query(sql: string, params?: readonly unknown[], ms = this.#statementTimeoutMs): Promise<StoreResult> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (this.#pending.size === 0) this.#moved = this.#look();
    return new Promise((resolve, reject) => {
      const timer = ms === 0 ? undefined : setTimeout(() => this.#break(this.#makeTimeout(sql, ms)), ms);
      const pending: Pending = { reject, timer, since: performance.now(), length: sql.length + sizeOf(params) };
      this.#pending.add(pending);
      const onResult = (error: Error | null, result: unknown, fields?: unknown): void => {
        clearTimeout(timer);
        this.#pending.delete(pending);
        if (error === null) resolve(toResult(result, fields));
        else reject(this.#onError(error, sql));
      };
      if (params === undefined) this.#driver.query(sql, onResult);
      else this.#driver.query(sql, [...params], onResult);
    });
  }

  /** Says good-bye to the server and drops the connection. Never rejects. */
  async close(): Promise<void> {
    if (this.#broken !== undefined) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 1000);
      this.#driver.end(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.destroy();
  }

  /** Drops the socket now; statements in flight are rejected, and the server rolls back what was not committed. */
  destroy(why = 'was closed'): void {
    this.#break(new CodedError('STORE_UNREACHABLE', `The connection to the store at ${this.#where} ${why}`, { class: 'retry' }));
  }

  #onError(error: Error, sql: string): CodedError {
    const coded = toStoreError(error, { sql });
    if (coded.code === 'STORE_UNREACHABLE') this.#break(coded);
    return coded;
  }

  #makeTimeout(sql: string, ms: number): CodedError {
    const message = `The store at ${this.#where} did not answer within ${ms} ms; statement: ${headOf(sql)}`;
    return new CodedError('STORE_TIMEOUT', message, { class: 'retry' });
  }

  #break(error: CodedError): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    // the driver's own destroy() only half-closes, which a server that does not answer never notices
    this.#driver.destroy();
    this.#socket.destroy();
    for (const { reject, timer } of this.#pending) {
      clearTimeout(timer);
      reject(error);
    }
    this.#pending.clear();
  }
}

/** About: texts and bytes are what makes a statement long. */
function sizeOf(params: readonly unknown[] = []): number {
  let size = 0;
  for (const value of params) if (typeof value === 'string' || value instanceof Uint8Array) size += value.length;
  return size;
}

function lost(): Error {
  return Object.assign(new Error('the server closed it'), { code: 'PROTOCOL_CONNECTION_LOST' });
}

/** The driver gives an array of rows, a header, or (after CALL) an array of those. */
function toResult(result: unknown, fields: unknown): StoreResult {
  if (isRows(result)) {
    if (result.length === 0) return { rows: result, affectedRows: 0, keyColumns: keyColumnsOf(fields) };
    return Array.isArray(result[0]) ? toResult(result[0], undefined) : { rows: result, affectedRows: 0 };
  }
  const answer = typeof result === 'object' && result !== null ? result : {};
  const affected: unknown = Reflect.get(answer, 'affectedRows');
  const id: unknown = Reflect.get(answer, 'insertId');
  const affectedRows = typeof affected === 'number' ? affected : 0;
  return id === undefined || id === 0 ? { rows: [], affectedRows } : { rows: [], affectedRows, insertId: String(id) };
}

/** PRI_KEY_FLAG of the protocol's column definitions. */
const primaryKeyFlag = 2;

function keyColumnsOf(fields: unknown): readonly string[] {
  if (!Array.isArray(fields)) return [];
  const columns: readonly { readonly name: string; readonly flags: unknown }[] = fields;
  return [...new Set(columns.filter(({ flags }) => (Number(flags) & primaryKeyFlag) > 0).map(({ name }) => name))];
}

/** The text protocol's rows are objects of column name to value; they are not looked at one by one. */
function isRows(result: unknown): result is readonly Row[] {
  return Array.isArray(result);
}

/**
 * What the driver does not give as it is: it makes objects of geometry, without their SRID, and arrays of vectors, and rounds some
 * DOUBLE of 16 digits. Costs nothing that can be measured (100,000 rows of nine columns: 0.3 s with and without).
 */
const readExact: TypeCast = (field, next) => {
  if (field.type === 'GEOMETRY' || field.type === 'VECTOR') return field.buffer();
  if (field.type !== 'DOUBLE') return next();
  const text = field.string();
  return text === null ? null : Number(text);
};

function driverOptions(settings: ConnectionSettings, login: ConnectionOptions): ConnectionOptions {
  return {
    ...login,
    connectTimeout: settings.connectTimeoutMs,
    charset: 'utf8mb4',
    timezone: 'Z',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: false,
    decimalNumbers: false,
    jsonStrings: true,
    multipleStatements: false,
    typeCast: readExact,
    // without values no placeholder is looked for: a batch's statement is long, and may hold question marks
    queryFormat: (sql: string, values: Parameters<typeof format>[1]) =>
      Array.isArray(values) && values.length > 0 ? format(sql, values, false, 'Z') : sql,
  };
}

function openStoreLogin({ address, usesDatabase }: ConnectionSettings, doing: string): MysqlLogin {
  try {
    return openLogin(usesDatabase === false ? { ...address, database: '' } : address);
  } catch (error) {
    throw toStoreError(error, { doing, wish: address });
  }
}

/** Connects and sets the session. Rejects with STORE_UNREACHABLE, STORE_TLS, STORE_ACCESS_DENIED, STORE_TABLE_MISSING (no such database). */
export async function connectStore(settings: ConnectionSettings): Promise<StoreConnection> {
  const { address } = settings;
  const doing = `Connecting to the store at ${address.host}:${address.port} as ${address.user || '(no user)'}`;
  const { options, socket } = openStoreLogin(settings, doing);
  const driver = createConnection(driverOptions(settings, options));
  const giveUp = (): void => void socket.destroy(new Error('it was told to stop'));
  try {
    await new Promise<void>((resolve, reject) => {
      settings.signal?.addEventListener('abort', giveUp, { once: true });
      if (settings.signal?.aborted === true) giveUp();
      driver.once('error', reject);
      driver.connect((error) => (error === null || error === undefined ? resolve() : reject(error)));
    });
  } catch (error) {
    driver.on('error', () => undefined); // what follows a failed connect says nothing new
    driver.destroy();
    socket.destroy();
    throw toStoreError(error, { doing, wish: address });
  } finally {
    settings.signal?.removeEventListener('abort', giveUp);
  }
  const connection = new StoreConnection(driver, socket, settings);
  const drop = (): void => connection.destroy();
  settings.signal?.addEventListener('abort', drop, { once: true });
  try {
    await connection.prepare(settings.hasAutocommit);
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    settings.signal?.removeEventListener('abort', drop);
  }
  return connection;
}
