import type { PartialUpdate } from './mysql-partial.ts';
import type { RowWrite } from './mysql-shape.ts';
import type { TableColumn, TableDefinition } from './mysql-table.ts';

/** One statement, and which rows it writes, so that an error can name one. */
export interface Statement {
  readonly sql: string;
  /** Empty for a delete. */
  readonly rows: readonly RowWrite[];
  /** Each of them must find its row. */
  readonly updates?: readonly PartialUpdate[];
}

/** A choice, not an optimum: between 128 KB and 4 MB no difference in rows/s stood out from the noise of a busy machine. */
export const statementCharsMax = 512 * 1024;

/** The key's columns as they are compared: one, or several in brackets. */
export function keyColumns(table: TableDefinition): string {
  const names = table.primaryKey.map(({ sql }) => sql);
  return names.length === 1 ? (names[0] ?? '') : `(${names.join(',')})`;
}

/**
 * Rows that have one of these values in these columns, each value as `writeKey` writes it. MariaDB (10.11) does not convert the texts of
 * a list of tuples to a column's character set and finds nothing by those that are not ASCII; it does in a comparison with each of them.
 */
export function whereIn(columns: readonly TableColumn[], values: readonly string[]): string {
  const sql = columns.map((column) => column.sql);
  const names = sql.length === 1 ? (sql[0] ?? '') : `(${sql.join(',')})`;
  const isConverted =
    columns.length > 1 && columns.some(({ kind, collation }) => kind === 'text' && !collation.startsWith('utf8mb4_'));
  return isConverted ? values.map((value) => `${names}=${value}`).join(' OR ') : `${names} IN (${values.join(',')})`;
}
