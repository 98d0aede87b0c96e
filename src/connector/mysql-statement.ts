import type { PartialUpdate } from './mysql-partial.ts';
import type { RowWrite } from './mysql-shape.ts';
import type { TableDefinition } from './mysql-table.ts';

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
