import { CodedError } from '../lib/error.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { quoteName } from '../store/name.ts';
import type { Row } from '../row/change.ts';

export type ColumnKind = 'integer' | 'decimal' | 'float' | 'double' | 'text' | 'binary' | 'json' | 'date' | 'datetime' | 'other';

export interface TableColumn {
  readonly name: string;
  /** In backticks. */
  readonly sql: string;
  readonly kind: ColumnKind;
  /** Digits after the point: of decimals, and of seconds. */
  readonly scale: number;
  /** '' where values have none. */
  readonly collation: string;
  readonly isGenerated: boolean;
  /** A row that does not give it is refused: it is NOT NULL, and has no default. */
  readonly isRequired: boolean;
  /** `SELECT *` leaves it out. */
  readonly isInvisible: boolean;
  /** An ENUM without the empty text: the empty value in it is that of a text that was none of its values. */
  readonly isStrictEnum: boolean;
}

/** A table as information_schema describes it: what its statements are made from. */
export interface TableDefinition {
  /** `db.table`, for messages. */
  readonly id: string;
  /** In backticks, with the database. */
  readonly sql: string;
  /** By lower-case name: the server does not tell `Id` from `id`. */
  readonly columns: ReadonlyMap<string, TableColumn>;
  readonly primaryKey: readonly TableColumn[];
  /** Another unique key than the primary one: an upsert must not update the row that it finds by that. */
  readonly hasSecondaryUnique: boolean;
}

export interface TableName {
  readonly database: string;
  readonly table: string;
}

/** Reads `table` or `db.table`. */
export function parseTableName(key: string, database: string): TableName {
  const dot = key.indexOf('.');
  return dot === -1 ? { database, table: key } : { database: key.slice(0, dot), table: key.slice(dot + 1) };
}

const kinds: Readonly<Record<string, ColumnKind>> = {
  tinyint: 'integer',
  smallint: 'integer',
  mediumint: 'integer',
  int: 'integer',
  bigint: 'integer',
  decimal: 'decimal',
  float: 'float',
  double: 'double',
  char: 'text',
  varchar: 'text',
  tinytext: 'text',
  text: 'text',
  mediumtext: 'text',
  longtext: 'text',
  binary: 'binary',
  varbinary: 'binary',
  tinyblob: 'binary',
  blob: 'binary',
  mediumblob: 'binary',
  longblob: 'binary',
  json: 'json',
  date: 'date',
  datetime: 'datetime',
  timestamp: 'datetime',
};

const columnsQuery = `SELECT column_name AS name, data_type AS type, column_type AS whole, collation_name AS collation, extra AS extra,
  numeric_scale AS scale, datetime_precision AS fraction, generation_expression AS expression,
  is_nullable AS nullable, column_default AS fallback
  FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`;

const keysQuery = `SELECT index_name AS name, column_name AS col, sub_part AS part FROM information_schema.statistics
  WHERE table_schema = ? AND table_name = ? AND non_unique = 0 ORDER BY index_name, seq_in_index`;

/** Reads a table's definition. Rejects with STORE_TABLE_MISSING when the server shows none of that name. */
export async function readTable(store: Pick<StoreTransaction, 'query'>, name: TableName): Promise<TableDefinition> {
  const params = [name.database, name.table];
  const columnRows = (await store.query(columnsQuery, params)).rows;
  const id = `${name.database}.${name.table}`;
  if (columnRows.length === 0) {
    throw new CodedError('STORE_TABLE_MISSING', `The table ${id} does not exist, or the user may not see it`, {
      details: { table: id },
    });
  }
  const columns = new Map(columnRows.map(toColumn).map((column) => [column.name.toLowerCase(), column]));
  const keyRows = (await store.query(keysQuery, params)).rows;
  const primaryKey = keyRows
    .filter((row) => row['name'] === 'PRIMARY')
    .flatMap((row) => {
      const column = columns.get(String(row['col']).toLowerCase());
      // a key over a column's first characters: two values may be one key, and only the server can tell
      return column === undefined ? [] : [row['part'] === null ? column : { ...column, kind: 'other' as const }];
    });
  return {
    id,
    sql: `${quoteName(name.database)}.${quoteName(name.table)}`,
    columns,
    primaryKey,
    hasSecondaryUnique: keyRows.some((row) => row['name'] !== 'PRIMARY'),
  };
}

function toColumn(row: Row): TableColumn {
  const name = String(row['name']);
  const kind = kinds[String(row['type']).toLowerCase()] ?? 'other';
  const expression = row['expression'];
  // MySQL says '' and MariaDB NULL for columns that are not generated; DEFAULT_GENERATED is only a default
  const isGenerated =
    (typeof expression === 'string' && expression !== '') || /(?<!DEFAULT_)GENERATED|PERSISTENT/i.test(String(row['extra']));
  return {
    name,
    sql: quoteName(name),
    kind,
    scale: Number((kind === 'datetime' ? row['fraction'] : row['scale']) ?? 0),
    collation: String(row['collation'] ?? ''),
    isInvisible: /INVISIBLE/i.test(String(row['extra'])),
    isStrictEnum: isStrictEnum(String(row['whole'])),
    isGenerated,
    isRequired:
      row['nullable'] === 'NO' && row['fallback'] === null && !isGenerated && !/auto_increment/i.test(String(row['extra'])),
  };
}

/** `enum('a','it''s')`, as information_schema writes it. */
function isStrictEnum(type: string): boolean {
  if (!type.toLowerCase().startsWith('enum(')) return false;
  return ![...type.matchAll(/'((?:[^'\\]|\\[\s\S]|'')*)'/g)].some(([, value]) => value === '');
}
