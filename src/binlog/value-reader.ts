import { decoderOfCharset, type DecodeText } from './charset/charset.ts';
import { BINARY, ColumnType, type ColumnFormat, type ColumnMeta } from './column-type.ts';
import type { Cursor } from './cursor.ts';
import { decimalReader, decimalSize } from './decimal.ts';
import { integerReader, readDouble, readFloat, readYear, type ReadValue } from './integer.ts';
import { jsonText } from './json/json-text.ts';
import { logicalMaker } from './logical-values.ts';
import { MalformedEvent } from './malformed.ts';
import { oldDateTimeReader, oldTimeReader, oldTimestampReader } from './old-temporal.ts';
import { dateReader, dateTimeReader, timeReader, timestampReader } from './temporal.ts';
import {
  copyBytes,
  decompressed,
  enumReader,
  fixedReader,
  padded,
  setReader,
  sizedReader,
  skipSized,
  type MakeValue,
} from './text-values.ts';

/** Moves behind one value that is not NULL, without making it. */
export type SkipValue = (cursor: Cursor) => void;

const integerSizes: ReadonlyMap<number, number> = new Map<number, number>([
  [ColumnType.TINY, 1],
  [ColumnType.SHORT, 2],
  [ColumnType.INT24, 3],
  [ColumnType.LONG, 4],
  [ColumnType.LONGLONG, 8],
]);

/** How a column's values are read. The column must be whole: with a sign, a collation and values where its type has them. */
export function valueReader(column: ColumnFormat): ReadValue {
  const { type, meta, isUnsigned } = column;
  const integerSize = integerSizes.get(type);
  if (integerSize !== undefined) return integerReader(integerSize, known(isUnsigned, column, 'sign'));
  switch (type) {
    case ColumnType.FLOAT:
      return readFloat;
    case ColumnType.DOUBLE:
      return readDouble;
    case ColumnType.NEWDECIMAL:
      return decimalReader(meta.precision, meta.digits);
    case ColumnType.YEAR:
      return readYear;
    case ColumnType.BIT:
      return fixedReader(meta.size);
    case ColumnType.ENUM:
      return listReader(column, enumReader(meta.size, known(column.values, column, 'values')));
    case ColumnType.SET:
      return listReader(column, setReader(meta.size, known(column.values, column, 'values')));
    case ColumnType.JSON:
      return sizedReader(meta.size, jsonText);
    case ColumnType.GEOMETRY:
    case ColumnType.VECTOR:
      return sizedReader(meta.size, copyBytes);
    default:
      return temporalReader(column) ?? textReader(column);
  }
}

/** An ENUM or SET of bytes, whose values stand as texts of a byte a character. */
function listReader({ charset }: ColumnFormat, read: ReadValue): ReadValue {
  return charset === BINARY ? (c) => Buffer.from(String(read(c)), 'latin1') : read;
}

function temporalReader({ type, meta }: ColumnFormat): ReadValue | undefined {
  switch (type) {
    case ColumnType.DATE:
      return dateReader();
    case ColumnType.TIMESTAMP2:
      return timestampReader(meta.digits);
    case ColumnType.DATETIME2:
      return dateTimeReader(meta.digits);
    case ColumnType.TIME2:
      return timeReader(meta.digits);
    case ColumnType.TIMESTAMP:
      return oldTimestampReader(meta.digits);
    case ColumnType.DATETIME:
      return oldDateTimeReader(meta.digits);
    case ColumnType.TIME:
      return oldTimeReader(meta.digits);
    default:
      return undefined;
  }
}

function textReader(column: ColumnFormat): ReadValue {
  const { type, meta } = column;
  const make = textMaker(column);
  switch (type) {
    case ColumnType.STRING:
      return sizedReader(meta.size > 255 ? 2 : 1, make);
    case ColumnType.VARCHAR:
      return sizedReader(meta.size > 255 ? 2 : 1, make);
    case ColumnType.VARCHAR_COMPRESSED:
      return sizedReader(meta.size > 255 ? 2 : 1, decompressed(make));
    case ColumnType.BLOB:
      return sizedReader(meta.size, make);
    case ColumnType.BLOB_COMPRESSED:
      return sizedReader(meta.size, decompressed(make));
    default:
      throw new MalformedEvent(`${describe(column)} has the type ${type}, which is not known`);
  }
}

function textMaker(column: ColumnFormat): MakeValue {
  const { type, meta, logical } = column;
  if (logical !== undefined) return logicalMaker(logical);
  const charset = known(column.charset, column, 'character set');
  if (charset === BINARY) return type === ColumnType.STRING ? padded(meta.size) : copyBytes;
  const decode = decoderOfCharset(charset);
  if (decode === undefined) throw new MalformedEvent(`${describe(column)} has the character set ${charset}, which is not known`);
  return textOrBytes(decode);
}

/** Bytes that are no characters of the set, which a server lets into many: a SELECT shows '?', and the value would be lost. */
export function textOrBytes(decode: DecodeText): MakeValue {
  return (buffer, start, end) => {
    try {
      return decode(buffer, start, end);
    } catch (error) {
      if (!(error instanceof MalformedEvent)) throw error;
      return copyBytes(buffer, start, end);
    }
  };
}

/** How a column's values are passed by. */
export function valueSkipper(column: ColumnFormat): SkipValue {
  const { type, meta } = column;
  const size = fixedSize(type, meta);
  if (size !== undefined) return (c) => void c.take(size);
  switch (type) {
    case ColumnType.STRING:
    case ColumnType.VARCHAR:
    case ColumnType.VARCHAR_COMPRESSED: {
      const lengthSize = meta.size > 255 ? 2 : 1;
      return (c) => skipSized(c, lengthSize);
    }
    case ColumnType.BLOB:
    case ColumnType.BLOB_COMPRESSED:
    case ColumnType.JSON:
    case ColumnType.GEOMETRY:
    case ColumnType.VECTOR:
      return (c) => skipSized(c, meta.size);
    default: {
      const read = temporalReader(column);
      if (read === undefined) throw new MalformedEvent(`${describe(column)} has the type ${type}, which is not known`);
      return (c) => void read(c);
    }
  }
}

function fixedSize(type: number, meta: ColumnMeta): number | undefined {
  const fraction = (meta.digits + 1) >> 1;
  switch (type) {
    case ColumnType.FLOAT:
      return 4;
    case ColumnType.DOUBLE:
      return 8;
    case ColumnType.NEWDECIMAL:
      return decimalSize(meta.precision, meta.digits);
    case ColumnType.YEAR:
      return 1;
    case ColumnType.DATE:
      return 3;
    case ColumnType.BIT:
    case ColumnType.ENUM:
    case ColumnType.SET:
      return meta.size;
    case ColumnType.TIMESTAMP2:
      return 4 + fraction;
    case ColumnType.DATETIME2:
      return 5 + fraction;
    case ColumnType.TIME2:
      return 3 + fraction;
    default:
      return integerSizes.get(type);
  }
}

function known<T>(what: T | undefined, column: ColumnFormat, name: string): T {
  if (what === undefined) throw new MalformedEvent(`${describe(column)} comes without its ${name}`);
  return what;
}

function describe({ name, type }: ColumnFormat): string {
  return name === undefined ? `a column of type ${type}` : `the column ${name}`;
}
