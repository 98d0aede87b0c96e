import { writeLiteral } from './mysql-literal.ts';
import type { TableColumn } from './mysql-table.ts';

/** Collations in which printable ASCII texts are equal exactly when they are so in lower case (padding apart). */
const plainCollation =
  /^(?:(?:utf8|utf8mb3|utf8mb4)_(?:general|unicode|unicode_520|0900|uca1400)|(?:latin1|ascii)_general|latin1_swedish)(?:_(?:ai|as|ci|cs|nopad))+$/;
const printable = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const wholeNumber = /^(?:0|-?[1-9]\d{0,19})$/;
const fixedPoint = /^(?:-?[1-9]\d*|0|-(?=0\.\d*[1-9])0)(?:\.(\d+))?$/;
const day = /^\d{4}-\d\d-\d\d$/;
const moment = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.(\d+))?$/;

/**
 * What two values of a key column share if the server takes them for one key, and, where the answer is not undefined,
 * only if it may. Undefined where that cannot be told here (accents, padding, other notations of a number): such rows are
 * written in their order, one after another, and not looked through for equal keys.
 */
export function identify(column: TableColumn, value: unknown): string | number | undefined {
  switch (column.kind) {
    case 'integer':
      return identifyInteger(value);
    case 'text':
      return typeof value === 'string' ? identifyText(column.collation, value) : undefined;
    case 'binary':
      // BINARY(n) is filled up with zero bytes
      return value instanceof Uint8Array && value.at(-1) !== 0 ? Buffer.from(value).toString('hex') : undefined;
    case 'decimal':
      return typeof value === 'string' && fractionOf(fixedPoint, value) === column.scale ? value : undefined;
    case 'date':
      return typeof value === 'string' && day.test(value) ? value : undefined;
    case 'datetime':
      return typeof value === 'string' && fractionOf(moment, value) === column.scale ? value : undefined;
    case 'float':
    case 'double':
    case 'json':
    case 'other':
    default:
      return undefined;
  }
}

/** A number where it is exact, because a map finds it faster than its text; else the digits. */
function identifyInteger(value: unknown): string | number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value !== 'bigint' && (typeof value !== 'string' || !wholeNumber.test(value))) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function identifyText(collation: string, value: string): string | undefined {
  if (collation.endsWith('_bin')) return value.endsWith(' ') ? undefined : value;
  return plainCollation.test(collation) && printable.test(value) ? value.toLowerCase() : undefined;
}

/** Digits after the point; -1 when the text is not of the pattern. */
function fractionOf(pattern: RegExp, value: string): number {
  const found = pattern.exec(value);
  return found === null ? -1 : (found[1]?.length ?? 0);
}

/** MariaDB has 38 digits behind the point, MySQL 30. */
const numeral = /^-?\d{1,65}(?:\.\d{1,38})?$/;

/**
 * A value as it is compared with a column: in the column's own type, because a number beside a text column, or a text beside a
 * number column, is compared as DOUBLE: without the index, and without the last digits of a BIGINT.
 */
export function writeKeyLiteral(column: TableColumn, value: unknown): string {
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  if (column.kind === 'text' && isNumber) return `'${String(value)}'`;
  if ((column.kind === 'integer' || column.kind === 'decimal') && typeof value === 'string' && numeral.test(value)) return value;
  // The server compares a FLOAT as the double that it is: 0.1 is 0.10000000149011612 there.
  if (column.kind === 'float' && typeof value === 'number') return writeLiteral(Math.fround(value)) ?? 'NULL';
  return writeLiteral(value) ?? 'NULL';
}
