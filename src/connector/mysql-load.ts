import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import { shortestFloat } from '../row/float.ts';
import { writeKeyLiteral } from './mysql-key.ts';
import { keysMax } from './mysql-statements.ts';
import { whereIn } from './mysql-statement.ts';
import type { TableColumn, TableDefinition } from './mysql-table.ts';

/**
 * The SELECTs that read the rows which have these values in these columns. Keys with the same columns share statements; a key
 * given twice is asked once. Throws STORE_COLUMN_UNKNOWN.
 */
export function buildSelects(table: TableDefinition, keys: readonly Row[]): readonly string[] {
  const groups = new Map<string, { readonly columns: readonly TableColumn[]; readonly texts: Set<string> }>();
  for (const key of keys) {
    const fields = Object.keys(key).filter((field) => key[field] !== undefined);
    if (fields.length === 0) throw new CodedError('ROW_INVALID', `A key for ${table.id} has no fields`, { class: 'row' });
    const isWhole = fields.every((field) => key[field] !== null);
    const name = `${isWhole ? 'in' : 'null'}\0${fields.join('\0')}`;
    let group = groups.get(name);
    if (group === undefined) {
      group = { columns: fields.map((field) => findColumn(table, field)), texts: new Set() };
      groups.set(name, group);
    }
    const values = fields.map((field, at) => writeValue(group.columns[at], key[field]));
    group.texts.add(
      isWhole ? tuple(values) : `(${group.columns.map(({ sql }, at) => `${sql}<=>${values[at] ?? 'NULL'}`).join(' AND ')})`,
    );
  }
  const selected = selectList(table);
  return [...groups].flatMap(([name, { columns, texts }]) => {
    const list = [...texts];
    const isWhole = name.startsWith('in');
    const selects: string[] = [];
    for (let from = 0; from < list.length; from += keysMax) {
      const some = list.slice(from, from + keysMax);
      const where = isWhole ? whereIn(columns, some) : some.join(' OR ');
      selects.push(`SELECT ${selected} FROM ${table.sql} WHERE ${where}`);
    }
    return selects;
  });
}

/** A FLOAT by itself is printed with six digits: as a double it has all of them. */
function selectList(table: TableDefinition): string {
  const columns = [...table.columns.values()];
  if (!columns.some(({ kind }) => kind === 'float')) return '*';
  const shown = columns.filter(({ isInvisible }) => !isInvisible);
  return shown.map(({ kind, sql }) => (kind === 'float' ? `${sql}*1e0 AS ${sql}` : sql)).join(',');
}

/** Makes the FLOATs of selected rows the numbers that the binlog's rows have. */
export function shortenFloats(table: TableDefinition, rows: readonly Row[]): readonly Row[] {
  const names = [...table.columns.values()].filter(({ kind }) => kind === 'float').map(({ name }) => name);
  for (const row of rows) {
    for (const name of names) {
      const value = row[name];
      if (typeof value === 'number') row[name] = shortestFloat(value);
    }
  }
  return rows;
}

function writeValue(column: TableColumn | undefined, value: unknown): string {
  return column === undefined ? 'NULL' : writeKeyLiteral(column, value);
}

function tuple(texts: readonly string[]): string {
  return texts.length === 1 ? (texts[0] ?? '') : `(${texts.join(',')})`;
}

function findColumn(table: TableDefinition, field: string): TableColumn {
  const column = table.columns.get(field.toLowerCase());
  if (column !== undefined) return column;
  throw new CodedError('STORE_COLUMN_UNKNOWN', `The table ${table.id} has no column for the field ${field}`, {
    details: { table: table.id, fields: field },
  });
}
