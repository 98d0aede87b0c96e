import type { Value } from '../row/change.ts';
import { quoteName } from '../store/name.ts';
import type { KeyColumn } from './contract.ts';
import { numberInList, numberOfBits, refuse } from './key-number.ts';
import { kindOf, typeName } from './key-type.ts';

/**
 * A value of a key column as a constant that the server compares with the column as it compares two values of it, by its own collation, so
 * that the column's index serves. No constant has a backslash or a quote of the value's in it: texts and bytes stand as hexadecimal digits, the rest
 * is of a pattern. So no sql_mode and no character set of the session changes what is read. Throws INTERNAL for a value that is none of the column's.
 */
export function writeKeyConstant(column: KeyColumn, value: Value): string {
  switch (kindOf(column)) {
    case 'integer':
      return writeWhole(column, value);
    case 'decimal':
      return writePattern(column, value, /^-?\d+(?:\.\d+)?$/);
    case 'float':
      // the double of the FLOAT, where the value is the shortest text of it
      return writeDouble(typeof value === 'number' ? Math.fround(value) : Number.NaN, column);
    case 'double':
      return writeDouble(typeof value === 'number' ? value : Number.NaN, column);
    case 'bits':
      if (!(value instanceof Uint8Array)) throw refuse(column, value);
      return String(numberOfBits(value));
    case 'bytes':
      if (!(value instanceof Uint8Array)) throw refuse(column, value);
      return hex(value);
    case 'moment':
      return `'${writePattern(column, value, /^\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d{1,6})?)?$/)}'`;
    case 'time':
      return `TIME'${writePattern(column, value, /^-?\d{2,3}:\d\d:\d\d(?:\.\d{1,6})?$/)}'`;
    case 'list':
    case 'set':
      return String(numberInList(column)(value));
    case 'address':
      return `CAST('${writePattern(column, value, /^[\da-f.:-]+$/i)}' AS ${typeName(column)})`;
    case 'text':
      return writeText(column, value);
    case undefined:
    default:
      throw refuse(column, value);
  }
}

function writeWhole(column: KeyColumn, value: Value): string {
  const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
  const digits = writePattern(column, text, /^-?\d+$/);
  // as numbers, two digits are a YEAR of this time, and 0 may be 2000
  return typeName(column) === 'year' ? `'${digits.padStart(4, '0')}'` : digits;
}

function writeDouble(value: number, column: KeyColumn): string {
  if (!Number.isFinite(value)) throw refuse(column, value);
  const text = String(value);
  return text.includes('e') ? text : `${text}e0`; // without an exponent it is a DECIMAL
}

function writePattern(column: KeyColumn, value: Value, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value)) throw refuse(column, value);
  return value;
}

/**
 * The column as it is compared with a constant. MariaDB keeps an index on CHAR of a NO PAD collation by the values with all their spaces, and
 * compares without: there the spaces are put back, for which no index serves, and rows would be left out otherwise.
 */
export function writeKeyColumn(column: KeyColumn): string {
  const name = quoteName(column.name);
  const size = paddedSize(column);
  return size === undefined ? name : `RPAD(${name}, ${size}, ' ')`;
}

/** Characters of a CHAR that MariaDB does not compare as its index has it. */
function paddedSize(column: KeyColumn): number | undefined {
  const size = /^char\((\d+)\)/i.exec(column.type)?.[1];
  return size !== undefined && column.collation.includes('_nopad_') ? Number(size) : undefined;
}

function writeText(column: KeyColumn, value: Value): string {
  const charset = writePattern(column, column.charset, /^\w+$/);
  const collation = writePattern(column, column.collation, /^\w+$/);
  // bytes that are no characters of the column's set: as they are
  if (value instanceof Uint8Array) return `_${charset} ${hex(value)} COLLATE ${collation}`;
  if (typeof value !== 'string') throw refuse(column, value);
  const text = `_utf8mb4 ${hex(Buffer.from(value))}`;
  const converted = charset === 'utf8mb4' ? text : `CONVERT(${text} USING ${charset})`;
  const size = paddedSize(column);
  return `${size === undefined ? converted : `RPAD(${converted}, ${size}, ' ')`} COLLATE ${collation}`;
}

function hex(bytes: Uint8Array): string {
  return `X'${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}'`;
}
