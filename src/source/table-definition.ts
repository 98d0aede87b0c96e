import { BINARY, ColumnType, type ColumnFormat, type LogicalType } from '../binlog/column-type.ts';
import { CodedError } from '../lib/error.ts';
import { textOf, type Query } from './server-link.ts';
import type { VersionColumns } from './system-versions.ts';

/** A table as the server defines it now: what a table map does not say. */
export interface TableDefinition {
  readonly columns: readonly ColumnDefinition[];
  /** The primary key's column names in key order. */
  readonly primaryKey: readonly string[];
  /** Of a MariaDB table WITH SYSTEM VERSIONING. */
  readonly versions: VersionColumns | undefined;
}

export interface ColumnDefinition {
  readonly name: string;
  /** `int unsigned`, `enum('a','b')`: as information_schema says it. */
  readonly type: string;
  readonly charset: string;
  /** Digits behind a time's second. */
  readonly digits: number;
}

/** Asks the server; undefined where there is no such table. */
export async function readTableDefinition(query: Query, schema: string, table: string): Promise<TableDefinition | undefined> {
  const where = `WHERE table_schema = ${quoteText(schema)} AND table_name = ${quoteText(table)}`;
  const rows = await query(
    'SELECT column_name AS name, column_type AS type, character_set_name AS charset, datetime_precision AS digits, generation_expression AS expression ' +
      `FROM information_schema.columns ${where} ORDER BY ordinal_position`,
  );
  if (rows.length === 0) return undefined;
  const keys = await query(
    `SELECT column_name AS name FROM information_schema.key_column_usage ${where} AND constraint_name = 'PRIMARY' ORDER BY ordinal_position`,
  );
  const columns = rows.map((row) => ({
    name: textOf(row, 'name'),
    type: textOf(row, 'type'),
    charset: textOf(row, 'charset') || BINARY,
    digits: Number(textOf(row, 'digits')),
  }));
  const [about] = await query(`SELECT table_type AS type FROM information_schema.tables ${where}`);
  const versions = textOf(about, 'type') === 'SYSTEM VERSIONED' ? versionColumns(rows) : undefined;
  const hidden = versions?.isHidden === true ? [versions.start, versions.end] : [];
  return {
    columns: [...columns, ...hidden.map((name) => ({ name, type: 'timestamp(6)', charset: BINARY, digits: 6 }))],
    primaryKey: keys.map((row) => textOf(row, 'name')),
    versions,
  };
}

/** Of a table whose definition does not name them, the server's own: they are the last two of its rows. */
function versionColumns(columns: readonly Readonly<Record<string, unknown>>[]): VersionColumns {
  const nameOf = (expression: string) => {
    const column = columns.find((row) => textOf(row, 'expression').toUpperCase() === expression);
    return column === undefined ? undefined : textOf(column, 'name');
  };
  const [start, end] = [nameOf('ROW START'), nameOf('ROW END')];
  if (start !== undefined && end !== undefined) return { start, end, isHidden: false };
  return { start: 'row_start', end: 'row_end', isHidden: true };
}

/** Text as an SQL literal, whatever sql_mode says of backslashes. */
export function quoteText(text: string): string {
  return `CONVERT(X'${Buffer.from(text).toString('hex')}' USING utf8)`;
}

/**
 * The columns of a table map, made whole by the table's definition: by their names where the event has them, else by their places. Throws
 * SOURCE_ROW_METADATA where the two are not of one table.
 */
export function completeColumns(
  columns: readonly ColumnFormat[],
  definition: TableDefinition,
  table: string,
): readonly (ColumnFormat & { readonly name: string })[] {
  const byName = new Map(definition.columns.map((column) => [column.name, column]));
  const isNamed = columns.every(({ name }) => name !== undefined);
  if (!isNamed && columns.length !== definition.columns.length) {
    throw differs(table, `it has ${definition.columns.length} columns now and had ${columns.length}`);
  }
  return columns.map((column, index) => {
    const isKnown = column.name !== undefined && !mayBeLogical(column) && !isOldTemporal(column.type);
    if (isKnown) return { ...column, name: column.name ?? '' };
    return complete(column, column.name === undefined ? definition.columns[index] : byName.get(column.name), table);
  });
}

function complete(
  column: ColumnFormat,
  defined: ColumnDefinition | undefined,
  table: string,
): ColumnFormat & { readonly name: string } {
  if (defined === undefined || !isOfType(column, defined)) {
    const now = defined === undefined ? 'not there' : `${defined.name} ${defined.type}`;
    throw differs(table, `its column ${column.name ?? ''} is ${now} now and had the type ${column.type}`);
  }
  const logical = logicalOf(defined.type);
  return {
    ...column,
    name: defined.name,
    isUnsigned: column.isUnsigned ?? /\bunsigned\b/.test(defined.type),
    charset: column.charset ?? defined.charset,
    values: column.values ?? valuesOf(defined.type)?.map((text) => listValue(text, column.charset ?? defined.charset)),
    meta: isOldTemporal(column.type) ? { ...column.meta, digits: defined.digits } : column.meta,
    ...(logical === undefined ? {} : { logical }),
  };
}

/** Values of an ENUM or SET of bytes stand as a character a byte; information_schema shows them as text. */
function listValue(text: string, charset: string): string {
  return charset === BINARY ? Buffer.from(text).toString('latin1') : text;
}

function differs(table: string, how: string): CodedError {
  return new CodedError(
    'SOURCE_ROW_METADATA',
    `an event of ${table} does not describe its columns, and the table is another one now (${how}): SET GLOBAL binlog_row_metadata = FULL, ` +
      'and give the flow a start behind this event',
    { details: { table } },
  );
}

/** MariaDB's UUID, INET4 and INET6 are in the binlog as BINARY(16) and BINARY(4). */
export function mayBeLogical(column: ColumnFormat): boolean {
  const { type, charset, meta } = column;
  return type === ColumnType.STRING && (charset ?? BINARY) === BINARY && (meta.size === 16 || meta.size === 4);
}

/**
 * Whether MariaDB's table map may be of a table WITH SYSTEM VERSIONING, which it does not say: the end of a row's time is the last column
 * of its key, or of a table without a key one of two TIMESTAMP(6).
 */
export function mayBeVersioned(columns: readonly ColumnFormat[], primaryKey: readonly number[]): boolean {
  const isMoment = (column: ColumnFormat | undefined) => column?.type === ColumnType.TIMESTAMP2 && column.meta.digits === 6;
  const last = primaryKey.at(-1);
  return last === undefined ? columns.filter(isMoment).length >= 2 : isMoment(columns[last]);
}

/** Types from before MySQL 5.6, of whose fraction the event says nothing. */
export function isOldTemporal(type: number): boolean {
  return type === ColumnType.TIMESTAMP || type === ColumnType.DATETIME || type === ColumnType.TIME;
}

function logicalOf(type: string): LogicalType | undefined {
  const found = (['uuid', 'inet4', 'inet6'] as const).find((name) => name === type.toLowerCase());
  return found;
}

/** The values of `enum('a','it''s')`, as information_schema writes them (MySQL sql/sql_show.cc, append_unescaped). */
export function valuesOf(type: string): readonly string[] | undefined {
  if (!/^(enum|set)\(/i.test(type)) return undefined;
  const escaped: Readonly<Record<string, string>> = { '0': '\0', n: '\n', r: '\r' };
  return [...type.matchAll(/'((?:[^'\\]|\\[\s\S]|'')*)'/g)].map(([, value = '']) =>
    value.replace(/''|\\([\s\S])/g, (_, character?: string) => (character === undefined ? "'" : (escaped[character] ?? character))),
  );
}

/** Words a definition's type begins with, by the event's type. */
const words: Readonly<Record<number, RegExp>> = {
  [ColumnType.TINY]: /^(tinyint|bool)/,
  [ColumnType.SHORT]: /^smallint/,
  [ColumnType.INT24]: /^mediumint/,
  [ColumnType.LONG]: /^int/,
  [ColumnType.LONGLONG]: /^bigint/,
  [ColumnType.FLOAT]: /^float/,
  [ColumnType.DOUBLE]: /^(double|real)/,
  [ColumnType.NEWDECIMAL]: /^decimal/,
  [ColumnType.YEAR]: /^year/,
  [ColumnType.DATE]: /^date\b/,
  [ColumnType.TIME]: /^time\b/,
  [ColumnType.TIME2]: /^time\b/,
  [ColumnType.DATETIME]: /^datetime/,
  [ColumnType.DATETIME2]: /^datetime/,
  [ColumnType.TIMESTAMP]: /^timestamp/,
  [ColumnType.TIMESTAMP2]: /^timestamp/,
  [ColumnType.BIT]: /^bit/,
  [ColumnType.ENUM]: /^enum/,
  [ColumnType.SET]: /^set/,
  [ColumnType.JSON]: /^json/,
  [ColumnType.VECTOR]: /^vector/,
  [ColumnType.VARCHAR]: /^(varchar|varbinary|vector)/,
  [ColumnType.VARCHAR_COMPRESSED]: /^(varchar|varbinary)/,
  [ColumnType.STRING]: /^(char|binary|uuid|inet4|inet6)/,
  [ColumnType.BLOB]: /^(tiny|medium|long)?(blob|text)|^json/,
  [ColumnType.BLOB_COMPRESSED]: /^(tiny|medium|long)?(blob|text)/,
  [ColumnType.GEOMETRY]: /^(geometry|point|linestring|polygon|multi|geom)/,
};

function isOfType({ type, meta }: ColumnFormat, { type: text }: ColumnDefinition): boolean {
  const lower = text.toLowerCase();
  if (words[type]?.test(lower) !== true) return false;
  if (type !== ColumnType.NEWDECIMAL) return true;
  return lower.startsWith(`decimal(${meta.precision},${meta.digits})`);
}
