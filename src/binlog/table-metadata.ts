import { ColumnType, isCharacterType, isNumericType } from './column-type.ts';
import { Cursor } from './cursor.ts';
import type { Flavour } from './flavour.ts';
import { MalformedEvent } from './malformed.ts';

/** The optional end of a table map, spread over the table's columns; what the event does not carry is undefined. */
export interface TableMetadata {
  readonly names: readonly string[] | undefined;
  readonly isUnsigned: readonly (boolean | undefined)[];
  readonly collations: readonly (number | undefined)[];
  readonly values: readonly (readonly Buffer[] | undefined)[];
  readonly primaryKey: readonly number[];
}

/** MySQL libs/mysql/binlog/event/rows_event.h, Optional_metadata_field_type; MariaDB sql/log_event.h has the same up to 11. */
const Field = {
  SIGNEDNESS: 1,
  DEFAULT_CHARSET: 2,
  COLUMN_CHARSET: 3,
  COLUMN_NAME: 4,
  SET_STR_VALUE: 5,
  ENUM_STR_VALUE: 6,
  SIMPLE_PRIMARY_KEY: 8,
  PRIMARY_KEY_WITH_PREFIX: 9,
  ENUM_AND_SET_DEFAULT_CHARSET: 10,
  ENUM_AND_SET_COLUMN_CHARSET: 11,
} as const;

/** Positions of the columns that a field speaks of, by their kind. */
interface Positions {
  readonly numeric: readonly number[];
  readonly character: readonly number[];
  readonly enumOrSet: readonly number[];
  readonly enums: readonly number[];
  readonly sets: readonly number[];
}

interface Draft {
  names: string[] | undefined;
  readonly isUnsigned: (boolean | undefined)[];
  readonly collations: (number | undefined)[];
  readonly values: (readonly Buffer[] | undefined)[];
  primaryKey: number[];
}

/** Reads type, length, value fields up to the end; a field of a type that is not known here is passed by. */
export function readTableMetadata(cursor: Cursor, types: readonly number[], flavour: Flavour): TableMetadata {
  const where = (matches: (type: number) => boolean) => [...types.keys()].filter((index) => matches(types[index] ?? 0));
  const positions: Positions = {
    numeric: where(isNumericType),
    character: where((type) => isCharacterType(type, flavour)),
    enumOrSet: where((type) => type === ColumnType.ENUM || type === ColumnType.SET),
    enums: where((type) => type === ColumnType.ENUM),
    sets: where((type) => type === ColumnType.SET),
  };
  const draft: Draft = { names: undefined, isUnsigned: [], collations: [], values: [], primaryKey: [] };
  while (cursor.left > 0) {
    const type = cursor.u8();
    const field = new Cursor(cursor.bytes(cursor.lengthEncoded()));
    readField(type, field, draft, positions);
    // The server has counted other columns than were counted here: then what was read may be another column's.
    if (field.left > 0) throw new MalformedEvent(`a table map says more of its columns (field ${type}) than they have to be said`);
  }
  return draft;
}

function readField(type: number, field: Cursor, draft: Draft, positions: Positions): void {
  switch (type) {
    case Field.SIGNEDNESS:
      return readSignedness(field, positions.numeric, draft);
    case Field.DEFAULT_CHARSET:
      return readDefaultCollation(field, positions.character, draft);
    case Field.ENUM_AND_SET_DEFAULT_CHARSET:
      return readDefaultCollation(field, positions.enumOrSet, draft);
    case Field.COLUMN_CHARSET:
      return readCollations(field, positions.character, draft);
    case Field.ENUM_AND_SET_COLUMN_CHARSET:
      return readCollations(field, positions.enumOrSet, draft);
    case Field.COLUMN_NAME:
      draft.names = [];
      while (field.left > 0) draft.names.push(field.utf8(field.lengthEncoded()));
      return;
    case Field.SET_STR_VALUE:
      return readValues(field, positions.sets, draft);
    case Field.ENUM_STR_VALUE:
      return readValues(field, positions.enums, draft);
    case Field.SIMPLE_PRIMARY_KEY:
      while (field.left > 0) draft.primaryKey.push(field.lengthEncoded());
      return;
    case Field.PRIMARY_KEY_WITH_PREFIX:
      while (field.left > 0) {
        draft.primaryKey.push(field.lengthEncoded());
        field.lengthEncoded(); // characters of the prefix; 0: the whole column
      }
      return;
    default:
      // Geometry types, visibility, vector dimensions: nothing that reading a value needs.
      field.take(field.left);
  }
}

/** A bit a numeric column, the highest of each byte first. */
function readSignedness(field: Cursor, positions: readonly number[], { isUnsigned }: Draft): void {
  const bits = field.bytes((positions.length + 7) >> 3);
  for (const [nth, position] of positions.entries()) {
    isUnsigned[position] = ((bits[nth >> 3] ?? 0) & (0x80 >> (nth & 7))) !== 0;
  }
}

/** The collation of most, then pairs of one that differs: which of `positions`, and its collation. */
function readDefaultCollation(field: Cursor, positions: readonly number[], { collations }: Draft): void {
  const most = field.lengthEncoded();
  for (const position of positions) collations[position] = most;
  while (field.left > 0) {
    const position = positions[field.lengthEncoded()];
    const collation = field.lengthEncoded();
    if (position === undefined) throw new MalformedEvent('a character set is given for a column that has none');
    collations[position] = collation;
  }
}

function readCollations(field: Cursor, positions: readonly number[], { collations }: Draft): void {
  for (const position of positions) collations[position] = field.lengthEncoded();
}

function readValues(field: Cursor, positions: readonly number[], { values }: Draft): void {
  for (const position of positions) {
    const count = field.lengthEncoded();
    if (count > field.left) throw new MalformedEvent(`an ENUM or SET of ${count} values`);
    values[position] = Array.from({ length: count }, () => Buffer.from(field.bytes(field.lengthEncoded())));
  }
}
