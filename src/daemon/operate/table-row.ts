import { writeKeyLiteral } from '../../connector/mysql-key.ts';
import { parseTableName, readTable, type TableColumn, type TableDefinition } from '../../connector/mysql-table.ts';
import { CodedError } from '../../lib/error.ts';
import type { Row } from '../../row/change.ts';
import type { Store } from '../../store/open.ts';
import type { ComputedTable } from './computed-table.ts';
import { readRowLineage, type RowLineage } from './row-lineage.ts';

/** A row of a computed table, and what wrote it. */
export interface TableRow {
  readonly definition: TableDefinition;
  readonly row: Row;
  /** SQL that finds the row. */
  readonly where: string;
  readonly lineage: RowLineage;
}

/** The row of a computed table that has this primary key. Rejects with NAME_UNKNOWN when none has, or the key does not fit the table. */
export async function readTableRow(store: Store, table: ComputedTable, key: string): Promise<TableRow> {
  const definition = await readTable(store, parseTableName(table.id, store.database));
  const where = whereOf(definition, key);
  return store.transaction(async (transaction) => {
    const { rows } = await transaction.query(`SELECT * FROM ${definition.sql} WHERE ${where} LIMIT 1`);
    const [row] = rows;
    if (row === undefined) throw new CodedError('NAME_UNKNOWN', `${table.id} has no row with the key ${key}.`);
    return { definition, row, where, lineage: await readRowLineage(transaction, { table, definition, row }) };
  });
}

/** The key's values, one for each column of the primary key: the text itself, `k1,k2`, or a JSON list where values hold commas. */
function whereOf(table: TableDefinition, key: string): string {
  const columns = table.primaryKey;
  const names = columns.map(({ name }) => name).join(', ');
  if (columns.length === 0) {
    throw new CodedError('STORE_KEY_MISSING', `The table ${table.id} has no primary key, so no row of it can be named.`);
  }
  const values = readKey(key, columns.length);
  if (values.length !== columns.length) {
    throw new CodedError(
      'NAME_UNKNOWN',
      `The primary key of ${table.id} is (${names}): a key is ${columns.length} values, not ${values.length}: k1,k2 or ["k1","k2"].`,
    );
  }
  return columns.map((column, index) => `${column.sql} = ${literalOf(table, column, values[index] ?? '')}`).join(' AND ');
}

function readKey(key: string, count: number): readonly string[] {
  if (key.startsWith('[')) {
    try {
      const list: unknown = JSON.parse(key);
      if (Array.isArray(list)) return list.map(String);
    } catch {
      return count === 1 ? [key] : key.split(','); // not JSON after all: a text that begins with a bracket
    }
  }
  return count === 1 ? [key] : key.split(',').map((part) => part.trim());
}

/** In the column's own type: the server takes a text beside a number for 0 when it is none, and would find the wrong row. */
function literalOf(table: TableDefinition, column: TableColumn, value: string): string {
  const isNumber = column.kind === 'integer' || column.kind === 'decimal' || column.kind === 'float';
  if (isNumber && !/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(value)) {
    throw new CodedError('NAME_UNKNOWN', `${table.id}.${column.name} is a number, and "${value}" is none.`);
  }
  if (column.kind === 'binary' && /^0x([0-9a-f]{2})+$/i.test(value)) return value;
  return writeKeyLiteral(column, value);
}

/** The row with values that JSON has: large whole numbers as texts, bytes as `0x…`. */
export function plainRow(row: Row): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainValue(value)]));
}

/** A value as JSON has it. */
export function plainValue(value: Row[string]): unknown {
  if (typeof value === 'bigint') return String(value);
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString('hex')}` : value;
}
