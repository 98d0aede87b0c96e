import { writeLiteral } from './mysql-literal.ts';
import type { TableColumn, TableDefinition } from './mysql-table.ts';

/**
 * The empty value of an ENUM, number 0, is what a lenient server keeps for a text that is none of the column's values. Under the
 * strict sql_mode of store connections no statement can write it. So such a row is written with the column's first value, and then an
 * UPDATE, for which alone the mode is lenient, writes the 0.
 */

export function isEmptyValue(value: unknown): boolean {
  return value === '' || (value instanceof Uint8Array && value.length === 0);
}

/** A value of an ENUM that has no empty text: the empty one as the first. */
export function writeStrictEnum(value: unknown): string | undefined {
  return isEmptyValue(value) ? '1' : writeLiteral(value);
}

/** The UPDATE's beginning. Columns with ON UPDATE CURRENT_TIMESTAMP are set to what they are, or they would change. */
export function emptyEnumHead(table: TableDefinition, column: TableColumn, dialect: 'alias' | 'values'): string {
  const mode = "sql_mode = 'ALLOW_INVALID_DATES'";
  const others = [...table.columns.values()].filter(({ kind, isGenerated }) => kind === 'datetime' && !isGenerated);
  const sets = [`${column.sql}=0`, ...others.map(({ sql }) => `${sql}=${sql}`)].join(',');
  return dialect === 'alias'
    ? `UPDATE /*+ SET_VAR(${mode}) */ ${table.sql} SET ${sets}`
    : `SET STATEMENT ${mode} FOR UPDATE ${table.sql} SET ${sets}`;
}
