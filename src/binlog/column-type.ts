import type { Flavour } from './flavour.ts';

/** Type codes in a table map (MySQL include/field_types.h, MariaDB include/mysql_com.h and sql/field.h). */
export const ColumnType = {
  DECIMAL: 0,
  TINY: 1,
  SHORT: 2,
  LONG: 3,
  FLOAT: 4,
  DOUBLE: 5,
  NULL: 6,
  TIMESTAMP: 7,
  LONGLONG: 8,
  INT24: 9,
  DATE: 10,
  TIME: 11,
  DATETIME: 12,
  YEAR: 13,
  VARCHAR: 15,
  BIT: 16,
  TIMESTAMP2: 17,
  DATETIME2: 18,
  TIME2: 19,
  /** MariaDB's columns with the attribute COMPRESSED. */
  BLOB_COMPRESSED: 140,
  VARCHAR_COMPRESSED: 141,
  VECTOR: 242,
  JSON: 245,
  NEWDECIMAL: 246,
  ENUM: 247,
  SET: 248,
  TINY_BLOB: 249,
  MEDIUM_BLOB: 250,
  LONG_BLOB: 251,
  BLOB: 252,
  VAR_STRING: 253,
  STRING: 254,
  GEOMETRY: 255,
} as const;

/** How one column's values lie in row events, and what is known of the column besides. */
export interface ColumnFormat {
  /** A ColumnType; ENUM and SET by their own codes, which a table map hides under STRING. */
  readonly type: number;
  /** What the type needs to be read: bytes, bits, digits; see table-map.ts. */
  readonly meta: ColumnMeta;
  /** Undefined where the event does not say (binlog_row_metadata is not FULL). */
  readonly name: string | undefined;
  /** Undefined where the event does not say, or the type is not numeric. */
  readonly isUnsigned: boolean | undefined;
  /** Of a text, ENUM or SET, 'binary' of bytes; undefined where the event does not say. */
  readonly charset: string | undefined;
  /** Values of an ENUM or SET; undefined where the event does not say. */
  readonly values: readonly string[] | undefined;
  /** A type that the binlog writes as BINARY and that only the table's definition names. */
  readonly logical?: LogicalType;
}

/** MariaDB's types that are bytes within and text outside. */
export type LogicalType = 'uuid' | 'inet4' | 'inet6';

export interface ColumnMeta {
  /** Bytes at most of a text or BINARY; bytes of an ENUM's, SET's or BIT's value; bytes of a length in front of a blob. */
  readonly size: number;
  readonly precision: number;
  /** Digits behind the point or behind the second. */
  readonly digits: number;
}

/** The character set of bytes. */
export const BINARY = 'binary';

const numeric: ReadonlySet<number> = new Set<number>([
  ColumnType.TINY,
  ColumnType.SHORT,
  ColumnType.INT24,
  ColumnType.LONG,
  ColumnType.LONGLONG,
  ColumnType.NEWDECIMAL,
  ColumnType.FLOAT,
  ColumnType.DOUBLE,
  ColumnType.YEAR,
]);

const character: ReadonlySet<number> = new Set<number>([
  ColumnType.STRING,
  ColumnType.VAR_STRING,
  ColumnType.VARCHAR,
  ColumnType.VARCHAR_COMPRESSED,
  ColumnType.TINY_BLOB,
  ColumnType.MEDIUM_BLOB,
  ColumnType.LONG_BLOB,
  ColumnType.BLOB,
  ColumnType.BLOB_COMPRESSED,
  ColumnType.VECTOR,
]);

/** Whether a column of this type has a bit in the metadata's signedness. */
export function isNumericType(type: number): boolean {
  return numeric.has(type);
}

/**
 * Whether a column of this type has an entry in the metadata's character sets (ENUM and SET have lists of their own). MySQL goes by the type
 * (sql/log_event.cc, is_character_type); MariaDB asks whether the field has a character set, and its GEOMETRY has that of bytes
 * (sql/log_event_server.cc, is_character_field; sql/sql_type_geom.cc, Field_geom::binlog_type_info).
 */
export function isCharacterType(type: number, flavour: Flavour): boolean {
  return character.has(type) || (flavour === 'mariadb' && type === ColumnType.GEOMETRY);
}
