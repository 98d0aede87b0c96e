import { CodedError } from '../lib/error.ts';
import { textOf, type Query } from '../source/server-link.ts';
import { quoteText, readTableDefinition } from '../source/table-definition.ts';
import { quoteName } from '../store/name.ts';
import { chooseKey, type ColumnOfKey, type IndexPart, type UniqueIndex } from './choose-key.ts';
import type { SnapshotTable } from './contract.ts';
import { selectForm, type SelectForm } from './text-value.ts';

export interface TableWish {
  readonly schema: string;
  readonly name: string;
  readonly columns?: ReadonlySet<string> | undefined;
}

/** A table as this reader knows it: what the contract says of it, and how it is selected. */
export interface DescribedTable extends SnapshotTable {
  /** How each column is selected. */
  readonly forms: ReadonlyMap<string, SelectForm>;
  /** The key's name. */
  readonly index: string;
}

/** The table with what `describeTable` put to it. */
export function asDescribed(table: SnapshotTable): DescribedTable {
  if (isDescribed(table)) return table;
  throw new CodedError('INTERNAL', `${table.table.id} is not as describe gave it`);
}

function isDescribed(table: SnapshotTable): table is DescribedTable {
  return 'forms' in table && 'index' in table;
}

/** Asks the server what a table is. Throws SNAPSHOT_NO_TABLE, SNAPSHOT_GRANT_MISSING, SNAPSHOT_NO_KEY. */
export async function describeTable(query: Query, wish: TableWish): Promise<DescribedTable> {
  const { schema, name, columns: wanted } = wish;
  const id = `${schema}.${name}`;
  const where = `WHERE table_schema = ${quoteText(schema)} AND table_name = ${quoteText(name)}`;
  const [about] = await query(
    `SELECT table_type AS type, table_rows AS guess, avg_row_length AS size FROM information_schema.tables ${where}`,
  );
  const definition = about === undefined ? undefined : await readTableDefinition(query, schema, name);
  const selectNone = `SELECT 1 AS one FROM (SELECT * FROM ${quoteName(schema)}.${quoteName(name)} LIMIT 0) AS kis_none`;
  if (definition === undefined) {
    await query(selectNone); // the server tells a table that is hidden from one that is not there
    throw noTable(wish, 'it is not there');
  }
  if (!baseTypes.has(textOf(about, 'type'))) throw noTable(wish, `it is a ${textOf(about, 'type')}: name the tables behind it`);
  // all columns must be there to be read: of those that the account may not see, information_schema says nothing
  await query(selectNone);
  const { versions } = definition;
  const hidden = versions?.isHidden === true ? [versions.start, versions.end] : [];
  const all = definition.columns.filter((column) => !hidden.includes(column.name));
  const key = chooseKey(id, await readUniqueIndexes(query, where, versions?.end), await readKeyColumns(query, where));
  const primaryKey = definition.primaryKey.filter((column) => column !== versions?.end);
  const kept = new Set([...primaryKey, ...key.columns.map((column) => column.name)]);
  const columns = all.filter((column) => wanted === undefined || wanted.has(column.name) || kept.has(column.name));
  return {
    table: { schema, name, id, columns: columns.map((column) => ({ name: column.name })), primaryKey },
    key: key.columns,
    rowsEstimate: Number(textOf(about, 'guess') || 0),
    rowBytes: Number(textOf(about, 'size') || 0),
    forms: new Map(columns.map((column) => [column.name, selectForm(column.type)])),
    index: key.index,
  };
}

/** What information_schema calls tables that have rows of their own. */
export const baseTypes: ReadonlySet<string> = new Set(['BASE TABLE', 'SYSTEM VERSIONED']);

function noTable(wish: TableWish, why: string): CodedError {
  const { schema, name } = wish;
  return new CodedError('SNAPSHOT_NO_TABLE', `the table ${schema}.${name} cannot be read: ${why}`, {
    details: { table: `${schema}.${name}` },
  });
}

async function readKeyColumns(query: Query, where: string): Promise<readonly ColumnOfKey[]> {
  const rows = await query(
    'SELECT column_name AS name, column_type AS type, character_set_name AS charset, collation_name AS collation ' +
      `FROM information_schema.columns ${where} ORDER BY ordinal_position`,
  );
  return rows.map((row) => ({
    name: textOf(row, 'name'),
    type: textOf(row, 'type'),
    charset: textOf(row, 'charset'),
    collation: textOf(row, 'collation'),
  }));
}

/** `versionEnd`: the server puts it behind the keys of a table that keeps its rows' history; it tells none of the rows that hold apart. */
async function readUniqueIndexes(query: Query, where: string, versionEnd: string | undefined): Promise<readonly UniqueIndex[]> {
  // all columns, by their own names: each kind of server has one that the other has not
  const rows = await query(
    `SELECT * FROM information_schema.statistics ${where} AND non_unique = 0 ORDER BY index_name, seq_in_index`,
  );
  const parts = new Map<string, IndexPart[]>();
  for (const row of rows) {
    const column = textOf(row, 'COLUMN_NAME');
    if (column !== '' && column === versionEnd) continue;
    const name = textOf(row, 'INDEX_NAME');
    const part = {
      column,
      isDescending: textOf(row, 'COLLATION') === 'D',
      isPrefix: textOf(row, 'SUB_PART') !== '',
      mayBeNull: textOf(row, 'NULLABLE') === 'YES',
      isHash: textOf(row, 'INDEX_TYPE') === 'HASH',
      isHidden: textOf(row, 'IS_VISIBLE') === 'NO' || textOf(row, 'IGNORED') === 'YES',
    };
    parts.set(name, [...(parts.get(name) ?? []), part]);
  }
  return [...parts].map(([name, some]) => ({ name, parts: some }));
}
