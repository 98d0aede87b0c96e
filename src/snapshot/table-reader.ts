import type { Logger } from '../lib/logger.ts';
import { readBound } from '../source/binlog-places.ts';
import type { TableFilter } from '../source/contract.ts';
import { textOf } from '../source/server-link.ts';
import { quoteName } from '../store/name.ts';
import type { Chunk, ChunkRequest, Key, KeyColumn, SnapshotTable, TableReader } from './contract.ts';
import { asDescribed, baseTypes, describeTable, type DescribedTable, type TableWish } from './describe-table.ts';
import { boundSql, orderByKey, readAreUpTo, selectAreUpTo, whereKey } from './key-sql.ts';
import { keyOf } from './key-text.ts';
import { LinkPool } from './link-pool.ts';
import { readError, type ReadOf } from './read-error.ts';
import type { ReadLink } from './read-link.ts';
import type { SelectedColumn } from './select-rows.ts';
import { selectExpression, selectForm } from './text-value.ts';
import { checkWhere } from './where.ts';

export interface TableReaderOptions {
  readonly url: string;
  readonly logger: Logger;
  readonly connectTimeoutMs?: number;
  /** How long one statement may take, and wait for a lock. */
  readonly statementTimeoutMs?: number;
}

/** Reads tables of a MySQL or MariaDB server (see contract.ts). */
export function createTableReader(options: TableReaderOptions): TableReader {
  const { url, logger, connectTimeoutMs = 10_000, statementTimeoutMs = 60_000 } = options;
  const pool = new LinkPool({ url, logger, connectTimeoutMs, statementTimeoutMs });
  const ask = <T>(signal: AbortSignal, of: ReadOf, use: (link: ReadLink) => Promise<T>): Promise<T> =>
    pool.use(signal, async (link) => {
      try {
        return await use(link);
      } catch (error) {
        throw readError(error, of, pool.address);
      }
    });

  return {
    listTables: (wants, signal) => pool.use(signal, (link) => listTables(link, wants)),
    describe: (wish: TableWish, signal) => ask(signal, wish, ({ query }) => describeTable(query, wish)),
    read: async (request, signal) => {
      if (request.where !== undefined) checkWhere(request.where);
      const { schema, name } = request.table.table;
      return ask(signal, { schema, name, where: request.where }, (link) => read(link, request));
    },
    bound: (request, signal) => ask(signal, request.table.table, (link) => bound(link, request)),
    areUpTo: (table, keys, key, signal) => ask(signal, table.table, (link) => areUpTo(link, table, keys, key)),
    close: async () => pool.close(),
  };
}

async function listTables({ query }: ReadLink, wants: TableFilter): ReturnType<TableReader['listTables']> {
  const rows = await query(
    'SELECT table_schema AS schema_name, table_name AS name, table_type AS type FROM information_schema.tables',
  );
  return rows
    .filter((row) => baseTypes.has(textOf(row, 'type')))
    .map((row) => ({ schema: textOf(row, 'schema_name'), name: textOf(row, 'name') }))
    .filter(({ schema, name }) => wants(schema, name))
    .map((table) => ({ ...table, id: `${table.schema}.${table.name}` }))
    .toSorted((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)))
    .map(({ schema, name }) => ({ schema, name }));
}

/** The binlog's end is asked for behind the rows: what they show was committed before. */
async function read(link: ReadLink, request: ChunkRequest): Promise<Chunk> {
  const table = asDescribed(request.table);
  const columns = table.table.columns.map(({ name }) => ({ name, form: table.forms.get(name) ?? 'plain' }));
  // tables that a condition names are those beside its own
  if (request.where !== undefined) await link.query(`USE ${quoteName(table.table.schema)}`);
  const time = Date.now();
  const { rows, bytes } = await link.select(selectChunk(table, columns, request), columns);
  const head = await readBound(link.query, await link.identity());
  return { rows, bytes, head, time, isLast: rows.length < request.rowsMax };
}

function selectChunk(table: DescribedTable, columns: readonly SelectedColumn[], request: ChunkRequest): string {
  const { where, rowsMax } = request;
  const expressions = columns.map(({ name, form }) => selectExpression(name, form));
  const range = whereKey(table.key, request);
  const conditions = [...(range === '' ? [] : [range]), ...(where === undefined ? [] : [`(${where}\n)`])];
  // some collations sort otherwise than their index is ordered
  const from = `${nameOf(table)} FORCE INDEX (${quoteName(table.index)})`;
  return [
    `SELECT ${expressions.join(', ')} FROM ${from}`,
    ...(conditions.length === 0 ? [] : [`WHERE ${conditions.join(' AND ')}`]),
    `ORDER BY ${orderByKey(table.key)} LIMIT ${rowsMax}`,
  ].join(' ');
}

async function bound(link: ReadLink, request: Omit<ChunkRequest, 'where'>): Promise<Key | undefined> {
  const { rowsMax, after, upTo } = request;
  const table = asDescribed(request.table);
  const { key, index } = table;
  const sql = boundSql({ table: nameOf(table), key, index, rowsMax, after, upTo });
  const { rows } = await link.select(sql, key.map(asSelected));
  return rows[0] === undefined ? undefined : keyOf(rows[0], key);
}

async function areUpTo(link: ReadLink, table: SnapshotTable, keys: readonly Key[], key: Key): Promise<readonly boolean[]> {
  if (keys.length === 0) return [];
  const { rows } = await link.select(selectAreUpTo(table.key, keys, key), [{ name: 'answer', form: 'address' }]);
  return readAreUpTo(rows[0]?.['answer'], keys.length);
}

function asSelected({ name, type }: KeyColumn): SelectedColumn {
  return { name, form: selectForm(type) };
}

function nameOf({ table }: SnapshotTable): string {
  return `${quoteName(table.schema)}.${quoteName(table.name)}`;
}
