/**
 * Tables of the local store (`addrs: store`: inside the batch's transaction, exactly once) or of another MySQL, MariaDB or
 * TiDB server (`addrs: mysql://…`: a transaction of its own for each save, at least once).
 */
import type { ErrorCode } from '../lib/error-codes.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { Row } from '../row/change.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { openStore, type Store } from '../store/open.ts';
import type { BatchScope, Connector, ConnectorOptions, ConnectorSession } from './contract.ts';
import { CachedTable } from './mysql-cached-table.ts';
import { buildSelects, shortenFloats } from './mysql-load.ts';
import type { PartialUpdate } from './mysql-partial.ts';
import { planWrites, type ShapeCache } from './mysql-plan.ts';
import { writeKey, type SaveMode } from './mysql-shape.ts';
import type { Statement } from './mysql-statement.ts';
import { traceSave } from './mysql-trace.ts';
import { buildStatements, dialectOf, isGuardError } from './mysql-statements.ts';
import { parseTableName, type TableDefinition } from './mysql-table.ts';

export interface MysqlConnectorDeps {
  readonly logger?: Logger;
  /** Of a connector with a server of its own; a minute when absent. */
  readonly statementTimeoutMs?: number;
}

/** Makes a connector of type `mysql` or `tidb`. Throws CONFIG_INVALID for a mode or an address that is none. */
export function createMysqlConnector(options: ConnectorOptions, deps: MysqlConnectorDeps = {}): Connector {
  return new MysqlConnector(options, deps);
}

class MysqlConnector implements Connector {
  readonly name: string;
  readonly type: string;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly takesPartial = true;
  readonly #options: ConnectorOptions;
  readonly #deps: MysqlConnectorDeps;
  readonly #table: CachedTable;
  readonly #mode: SaveMode;
  /** The server of its own; being connected to from the first use until it fails. */
  #own: Promise<Store> | undefined;

  constructor(options: ConnectorOptions, deps: MysqlConnectorDeps) {
    this.name = options.name;
    this.type = options.type;
    this.guarantee = options.addrs === 'store' ? 'exactly-once' : 'at-least-once';
    this.#options = options;
    this.#deps = deps;
    this.#mode = readMode(options);
    this.#table = new CachedTable(options);
  }

  async open(): Promise<void> {
    if (this.guarantee !== 'exactly-once') await this.#connected();
  }

  session(batch: BatchScope): ConnectorSession {
    if (this.guarantee === 'exactly-once') {
      const { store } = batch;
      if (store === null)
        throw new CodedError('CONFIG_INVALID', `Connector ${this.name}: addrs is store, and this program has no store`);
      return this.#sessionOn(store, batch);
    }
    const on = <T>(work: (own: Store) => Promise<T>): Promise<T> => this.#wrapped(async () => work(await this.#connected()));
    const { flow } = batch;
    return {
      save: (rows) => on((own) => own.transaction((transaction) => this.#sessionOn(transaction, { flow }).save(rows))),
      load: (keys) => on((own) => this.#sessionOn(own, { flow }).load(keys)),
      query: (statement, params) => on((own) => this.#sessionOn(own, { flow }).query(statement, params)),
    };
  }

  async close(): Promise<void> {
    const own = this.#own;
    this.#own = undefined;
    await (await own?.catch(() => undefined))?.close();
  }

  /** Connects where that has not been done; a failed try is forgotten, so that the next one begins anew. */
  #connected(): Promise<Store> {
    const { logger, statementTimeoutMs } = this.#deps;
    const own = (this.#own ??= this.#wrapped(() =>
      openStore({
        url: this.#options.addrs,
        ...(logger === undefined ? {} : { logger }),
        ...(statementTimeoutMs === undefined ? {} : { statementTimeoutMs }),
      }),
    ));
    own.catch(() => {
      if (this.#own === own) this.#own = undefined;
    });
    return own;
  }

  #sessionOn(store: StoreTransaction, batch: Pick<BatchScope, 'flow' | 'trace'>): ConnectorSession {
    return {
      save: (rows) => this.#save(store, rows, batch),
      load: async (keys) => {
        const { table, statements } = await this.#table.use(store, (shapes) => ({
          table: shapes.table,
          statements: buildSelects(shapes.table, keys),
        }));
        const found: Row[] = [];
        for (const sql of statements) found.push(...shortenFloats(table, (await this.#table.watch(store.query(sql))).rows));
        return found;
      },
      query: async (statement, params) => {
        if (batch.trace !== undefined && !isQuestion.test(statement)) batch.trace.wroteUnseen(this.#tableId(store));
        return (await store.query(statement, params)).rows;
      },
    };
  }

  /** With the table known, every statement's text is made before the first question to the store: beside the commit of the batch before. */
  async #save(
    store: StoreTransaction,
    rows: readonly unknown[],
    { flow, trace }: Pick<BatchScope, 'flow' | 'trace'>,
  ): Promise<void> {
    if (rows.length === 0) return;
    const build = async (
      shapes: ShapeCache,
    ): Promise<{ readonly table: TableDefinition; readonly statements: readonly Statement[] }> => ({
      table: shapes.table,
      statements: buildStatements(shapes.table, await planWrites(shapes, rows, this.#mode), {
        mode: this.#mode,
        dialect: dialectOf(store.flavour, this.type),
        maxPacketBytes: store.maxPacketBytes,
      }),
    });
    const { table, statements } = await this.#table.use(store, build);
    await this.#table.requireKey(store, { table, flow }).catch((error: unknown) => {
      throw atTable(error, table);
    });
    for (const statement of statements) {
      try {
        const { affectedRows } = await this.#table.watch(store.query(statement.sql));
        if (statement.updates !== undefined) requireFound(affectedRows, statement.updates, table);
      } catch (error) {
        await this.#table.requireUnaltered(store, error);
        throw explain(error, statement, table);
      }
    }
    if (trace !== undefined) traceSave(trace, table, { rows, mode: this.#mode });
  }

  #tableId({ database }: StoreTransaction): string {
    const { table, ...name } = parseTableName(this.#options.key, database);
    return `${name.database}.${table}`;
  }

  /** Another server's trouble must not be taken for the store's; what concerns the table or a row keeps its code. */
  async #wrapped<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CodedError) || !serverCodes.has(error.code)) throw error;
      throw new CodedError('CONNECTOR_FAILED', `Connector ${this.name}: ${error.message}`, {
        class: error.class,
        cause: error,
        details: { ...error.details, connector: this.name },
      });
    }
  }
}

const serverCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'STORE_UNREACHABLE',
  'STORE_TIMEOUT',
  'STORE_CONFLICT',
  'STORE_FULL',
  'STORE_ACCESS_DENIED',
  'STORE_TLS',
  'STORE_READ_ONLY',
  'STORE_STATEMENT',
]);

/** What cannot write; a statement that begins otherwise may. */
const isQuestion = /^\s*SELECT\b/i;

function readMode(options: ConnectorOptions): SaveMode {
  const mode = options.params['mode'] ?? 'upsert';
  if (mode === 'upsert' || mode === 'insert' || mode === 'update') return mode;
  throw new CodedError('CONFIG_INVALID', `Connector ${options.name}: params.mode is ${mode}; write upsert, insert or update.`);
}

/** Adds the table and, where the server or the statement tells it, the row's key to a refusal. */
function explain(error: unknown, statement: Statement, table: TableDefinition): unknown {
  if (!(error instanceof CodedError) || error.class !== 'row') return atTable(error, table);
  const text = isGuardError(error.message) ? 'another row has the same value of a unique key' : error.message;
  const number = statement.rows.length === 1 ? 1 : Number(/at row (\d+)/.exec(text)?.[1] ?? 0);
  const write = statement.rows[number - 1];
  const key = write === undefined || table.primaryKey.length === 0 ? undefined : safeKey(table, write.row);
  const place = key === undefined ? table.id : `${table.id}, row ${key}`;
  return new CodedError(error.code, `${place}: ${text}`, {
    class: 'row',
    cause: error,
    details: { ...error.details, table: table.id, ...(key === undefined ? {} : { key }) },
  });
}

/** Names the table that a statement was stopped at. */
function atTable(error: unknown, table: TableDefinition): unknown {
  if (!(error instanceof CodedError) || error.class !== 'stop' || error.details.table === table.id) return error;
  const details = { ...error.details, table: table.id };
  return new CodedError(error.code, `${table.id}: ${error.message}`, { class: 'stop', cause: error.cause, details });
}

function safeKey(table: TableDefinition, row: Row): string | undefined {
  const hasKey = table.primaryKey.every(({ name }) => row[name] !== undefined && row[name] !== null);
  return hasKey ? writeKey(table, row) : undefined; // an inserted row may leave its key to the server
}

/** Connections are told how many rows an UPDATE finds, not how many it changes. */
function requireFound(found: number, updates: readonly PartialUpdate[], table: TableDefinition): void {
  const [first] = updates;
  if (found >= updates.length || first === undefined) return;
  const { note, at } = first;
  const who = updates.length === 1 ? `row ${writeKey(table, at)}` : `${updates.length - found} of ${updates.length} rows`;
  const message =
    `${table.id}: ${who} is not there to be updated by the ${note.op} of ${note.table} at ${note.position}, which does not have all columns: ` +
    'give the flow a new start before the row was inserted, or SET GLOBAL binlog_row_image = FULL on the source and reconnect the writers';
  const key = updates.length === 1 ? { key: writeKey(table, at) } : {};
  throw new CodedError('STORE_ROW_MISSING', message, {
    class: 'row',
    details: { table: table.id, position: note.position, ...key },
  });
}
