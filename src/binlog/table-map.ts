import { charsetOf, decoderOfCharset } from './charset/charset.ts';
import { ColumnType, type ColumnFormat, type ColumnMeta } from './column-type.ts';
import { Cursor } from './cursor.ts';
import type { Flavour } from './flavour.ts';
import { MalformedEvent } from './malformed.ts';
import { readTableMetadata, type TableMetadata } from './table-metadata.ts';

/** What a table map event says of a table: how the rows behind it are to be read. */
export interface TableMap {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnFormat[];
  /** Whether the event carries the columns' names and all else of binlog_row_metadata=FULL. */
  readonly isFull: boolean;
  /** Positions of the primary key's columns, in key order; empty without one, and where the event does not say. */
  readonly primaryKey: readonly number[];
}

const COLUMNS_MAX = 4096;

/** What a table map, and an event with rows of the table, begins with. */
export function readTableId(body: Buffer): number {
  return new Cursor(body).u48();
}

/** The names a table map's body begins with, behind table id (6) and flags (2): each with its length before it and a zero behind it. */
export function readTableName(body: Buffer): { readonly schema: string; readonly name: string } {
  const cursor = new Cursor(body, 8);
  return readNames(cursor);
}

/** A whole table map (MySQL libs/mysql/binlog/event/rows_event.h, Table_map_event). `body` has no header and no checksum. */
export function readTableMap(body: Buffer, flavour: Flavour): TableMap {
  const cursor = new Cursor(body, 8);
  const names = readNames(cursor);
  const count = cursor.lengthEncoded();
  if (count > COLUMNS_MAX) throw new MalformedEvent(`a table of ${count} columns`);
  const types = cursor.bytes(count);
  const metaCursor = new Cursor(cursor.bytes(cursor.lengthEncoded()));
  const shapes = Array.from(types, (type) => readShape(type, metaCursor));
  if (metaCursor.left > 0)
    throw new MalformedEvent(`the types of ${names.schema}.${names.name} have ${metaCursor.left} bytes too many`);
  cursor.take((count + 7) >> 3); // which columns may be NULL
  const metadata = readTableMetadata(
    cursor,
    shapes.map(({ type }) => type),
    flavour,
  );
  return { ...names, ...describe(shapes, metadata, flavour) };
}

function readNames(cursor: Cursor): { readonly schema: string; readonly name: string } {
  const schema = cursor.utf8(cursor.u8());
  cursor.take(1);
  const name = cursor.utf8(cursor.u8());
  cursor.take(1);
  return { schema, name };
}

function describe(
  shapes: readonly Shape[],
  metadata: TableMetadata,
  flavour: Flavour,
): { columns: readonly ColumnFormat[]; isFull: boolean; primaryKey: readonly number[] } {
  const columns = shapes.map(({ type, meta }, index): ColumnFormat => {
    const charset = charsetName(metadata.collations[index], flavour);
    const values = decodeValues(metadata.values[index], charset);
    return { type, meta, name: metadata.names?.[index], isUnsigned: metadata.isUnsigned[index], charset, values };
  });
  const { names, primaryKey } = metadata;
  if (names !== undefined && names.length !== shapes.length)
    throw new MalformedEvent('a table has more columns than names, or fewer');
  if (primaryKey.some((index) => index >= shapes.length)) throw new MalformedEvent('a primary key has a column that is none');
  return { columns, isFull: names !== undefined, primaryKey };
}

function charsetName(collation: number | undefined, flavour: Flavour): string | undefined {
  if (collation === undefined) return undefined;
  const charset = charsetOf(collation, flavour);
  if (charset === undefined) throw new MalformedEvent(`a column with the collation ${collation}, which is not known`);
  return charset;
}

function decodeValues(values: readonly Buffer[] | undefined, charset: string | undefined): readonly string[] | undefined {
  if (values === undefined || charset === undefined) return undefined;
  // Those of a binary column are bytes.
  const decode = decoderOfCharset(charset);
  return values.map((value) => decode?.(value, 0, value.length) ?? value.toString('latin1'));
}

interface Shape {
  readonly type: number;
  readonly meta: ColumnMeta;
}

const noMeta: ColumnMeta = { size: 0, precision: 0, digits: 0 };

/** A column's type with what the event adds to it (MySQL sql/field.cc, do_save_field_metadata of each type). */
function readShape(type: number, cursor: Cursor): Shape {
  switch (type) {
    case ColumnType.FLOAT:
    case ColumnType.DOUBLE:
      return { type, meta: { ...noMeta, size: cursor.u8() } };
    case ColumnType.BLOB:
    case ColumnType.BLOB_COMPRESSED:
    case ColumnType.GEOMETRY:
    case ColumnType.JSON:
    case ColumnType.VECTOR:
      return { type, meta: { ...noMeta, size: lengthSize(cursor.u8()) } };
    case ColumnType.VARCHAR:
    case ColumnType.VARCHAR_COMPRESSED:
      return { type, meta: { ...noMeta, size: cursor.u16() } };
    case ColumnType.NEWDECIMAL:
      return { type, meta: { ...noMeta, precision: cursor.u8(), digits: cursor.u8() } };
    case ColumnType.BIT: {
      const bits = cursor.u8();
      return { type, meta: { ...noMeta, size: cursor.u8() + (bits > 0 ? 1 : 0) } };
    }
    case ColumnType.TIMESTAMP2:
    case ColumnType.DATETIME2:
    case ColumnType.TIME2:
      return { type, meta: { ...noMeta, digits: cursor.u8() } };
    case ColumnType.STRING:
    case ColumnType.VAR_STRING:
      return readStringShape(cursor.u8(), cursor.u8());
    default:
      return { type, meta: noMeta };
  }
}

/**
 * CHAR, BINARY, ENUM and SET: the first byte is the real type, the second the size; a CHAR of more than 255 bytes has two bits of its
 * size, turned over, in the type's bits 4 and 5.
 */
function readStringShape(first: number, second: number): Shape {
  if (first === ColumnType.ENUM || first === ColumnType.SET) return { type: first, meta: { ...noMeta, size: second } };
  const size = (((first << 4) & 0x300) ^ 0x300) | second;
  return { type: ColumnType.STRING, meta: { ...noMeta, size } };
}

function lengthSize(size: number): number {
  if (size < 1 || size > 4) throw new MalformedEvent(`a length of ${size} bytes`);
  return size;
}
