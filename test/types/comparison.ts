import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { Value } from '../../src/row/change.ts';
import type { ValueForm } from './column-case.ts';

/**
 * Values as texts that tell all of them apart: the type and every bit.
 *
 * Of most types mysql2, set as kisflow sets it, gives the value itself. It prints FLOAT with the server's six digits, makes objects of
 * geometry (without their SRID) and arrays of vectors, and rounds some DOUBLE of 16 digits: there SQL tells the value.
 */
export function describeValue(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return `number ${Object.is(value, -0) ? '-0' : String(value)}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  return `${typeof value} ${String(value)}`;
}

export interface SelectedRow {
  readonly id: number;
  /** What a function must receive. */
  readonly value: string;
  /** What the column holds, byte for byte: the same in a mirror. */
  readonly stored: string;
  /** The bytes of a text, which a function receives where they are no text. */
  readonly bytes: string;
}

const exact: Readonly<Record<ValueForm, string>> = {
  plain: 'v',
  zerofill: 'v + 0',
  year2: 'IF(v + 0 < 70, 2000, 1900) + v',
  float: 'v * 1e0',
  double: 'v',
  rounded: 'v * 1e0',
  text: 'v',
  retold: 'v',
  bytes: 'CAST(v AS BINARY)',
  enum: 'v',
  json: 'CAST(v AS CHAR)',
};

const stored: Readonly<Record<ValueForm, string>> = {
  plain: 'HEX(CAST(v AS BINARY))',
  zerofill: 'HEX(CAST(v AS BINARY))',
  year2: 'v',
  float: 'v * 1e0',
  double: 'v',
  rounded: 'v * 1e0',
  text: 'HEX(v)',
  retold: 'HEX(CONVERT(v USING utf8mb4))',
  bytes: 'HEX(v)',
  enum: "CONCAT(CAST(v AS UNSIGNED), '/', HEX(v))",
  json: 'HEX(CAST(v AS CHAR))',
};

/** SQL that tells all that a column of the form holds. */
export function storedExpression(form: ValueForm, column: string): string {
  return stored[form].replaceAll(/\bv\b/g, column);
}

/** All rows of a table of `id` and `v`, in order. */
export async function selectRows(connection: Connection, table: string, form: ValueForm): Promise<readonly SelectedRow[]> {
  const isFloating = form === 'float' || form === 'double' || form === 'rounded';
  const [rows] = await connection.query<RowDataPacket[]>({
    sql: `SELECT id, ${exact[form]} AS exact_value, ${stored[form]} AS stored_value, HEX(v) AS its_bytes FROM ${table} ORDER BY id`,
    typeCast: (field, next) => (isFloating && field.name !== 'id' ? field.string() : next()),
  });
  return rows.map((row) => ({
    id: row['id'],
    value: describeValue(exactValue(form, row['exact_value'])),
    stored: isFloating && row['stored_value'] !== null ? describeValue(Number(row['stored_value'])) : String(row['stored_value']),
    bytes: String(row['its_bytes']),
  }));
}

function exactValue(form: ValueForm, value: Value): Value {
  if (value === null) return null;
  if (form === 'double' || form === 'rounded') return Number(value);
  if (form === 'float') return shortestFloat(Number(value));
  return value;
}

/** Of the numbers that are this FLOAT, that of the fewest digits, six at least. */
function shortestFloat(value: number): number {
  if (Number.isInteger(value)) return value;
  const digits = [6, 7, 8, 9].find((count) => Math.fround(Number(value.toPrecision(count))) === value);
  return Number(value.toPrecision(digits ?? 9));
}
