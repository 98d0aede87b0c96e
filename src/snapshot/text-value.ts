import { charsetOf, decoderOfCharset } from '../binlog/charset/charset.ts';
import { BINARY, ColumnType } from '../binlog/column-type.ts';
import type { Flavour } from '../binlog/flavour.ts';
import { MalformedEvent } from '../binlog/malformed.ts';
import { copyBytes, type MakeValue } from '../binlog/text-values.ts';
import { textOrBytes } from '../binlog/value-reader.ts';
import { shortestFloat } from '../row/float.ts';
import { quoteName } from '../store/name.ts';
import type { ResultColumn } from './text-row.ts';

/**
 * The values of a text result set as those of the binlog (L8). The session must have `character_set_results = NULL`: texts then come as the
 * bytes that the column holds, and are decoded as the binlog's are.
 */
export type SelectForm = 'plain' | 'float' | 'double' | 'year2' | 'address';

/** How a column of a type (as information_schema says it) is selected. */
export function selectForm(type: string): SelectForm {
  const word = /^\w+(?:\(2\))?/.exec(type.toLowerCase())?.[0] ?? '';
  if (word.startsWith('float')) return 'float';
  if (word.startsWith('double') || word.startsWith('real')) return 'double';
  if (word === 'year(2)') return 'year2';
  return word === 'uuid' || word === 'inet4' || word === 'inet6' ? 'address' : 'plain';
}

/** SQL that gives a column's whole value: a FLOAT is printed with six digits, a DOUBLE(M,D) with D behind the point, a YEAR(2) with two. */
export function selectExpression(name: string, form: SelectForm): string {
  const column = quoteName(name);
  if (form === 'float' || form === 'double') return `${column} * 1e0`;
  return form === 'year2' ? `IF(${column} + 0 < 70, 2000, 1900) + ${column}` : column;
}

const ZEROFILL_FLAG = 64;
/** MYSQL_TYPE_NEWDATE. */
const NEWDATE = 14;

/** How the values of a result's column are made. */
export function textValue(column: ResultColumn, form: SelectForm, flavour: Flavour): MakeValue {
  if (form === 'address') return readAscii;
  switch (column.type) {
    case ColumnType.TINY:
    case ColumnType.SHORT:
    case ColumnType.INT24:
    case ColumnType.LONG:
    case ColumnType.LONGLONG:
    case ColumnType.YEAR:
      return readInteger;
    case ColumnType.FLOAT:
    case ColumnType.DOUBLE:
      return form === 'float' ? (b, start, end) => shortestFloat(readNumber(b, start, end)) : readNumber;
    case ColumnType.DECIMAL:
    case ColumnType.NEWDECIMAL:
      return (column.flags & ZEROFILL_FLAG) === 0 ? readAscii : (b, start, end) => withoutZeros(b.latin1Slice(start, end));
    case ColumnType.DATE:
    case NEWDATE:
    case ColumnType.TIME:
    case ColumnType.DATETIME:
    case ColumnType.TIMESTAMP:
      return readAscii;
    case ColumnType.BIT:
    case ColumnType.GEOMETRY:
    case ColumnType.VECTOR:
      return copyBytes;
    case ColumnType.JSON:
      return (b, start, end) => b.utf8Slice(start, end);
    default:
      return textOf(column, flavour);
  }
}

function textOf({ collation, type }: ResultColumn, flavour: Flavour): MakeValue {
  const charset = charsetOf(collation, flavour);
  if (charset === BINARY) return copyBytes;
  const decode = charset === undefined ? undefined : decoderOfCharset(charset);
  if (decode === undefined)
    throw new MalformedEvent(`a column of the type ${type} with the collation ${collation}, which is not known`);
  return textOrBytes(decode);
}

const readAscii: MakeValue = (buffer, start, end) => buffer.latin1Slice(start, end);

function readNumber(buffer: Buffer, start: number, end: number): number {
  return Number(buffer.latin1Slice(start, end));
}

/** All numbers of so many digits are exact. */
const EXACT_DIGITS = 15;
const MINUS = 0x2d;
const ZERO = 0x30;

/** As src/binlog/integer.ts: a text beyond ±(2^53 - 1). */
const readInteger: MakeValue = (buffer, start, end) => {
  if (end - start > EXACT_DIGITS) return readLongInteger(buffer.latin1Slice(start, end));
  const isNegative = buffer[start] === MINUS;
  let value = 0;
  for (let at = isNegative ? start + 1 : start; at < end; at += 1) value = value * 10 + ((buffer[at] ?? ZERO) - ZERO);
  return isNegative ? -value : value;
};

function readLongInteger(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : withoutZeros(text);
}

/** ZEROFILL is the column's own form, which its value has not. */
function withoutZeros(text: string): string {
  return text.replace(/^0+(?=\d)/, '');
}
