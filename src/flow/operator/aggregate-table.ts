import { CodedError } from '../../lib/error.ts';
import type { ConnectorSession } from '../../connector/contract.ts';
import { writeLiteral } from '../../connector/mysql-literal.ts';
import { quoteName } from '../../store/name.ts';
import type { Row } from '../../row/change.ts';

/** Bytes of SQL text that one statement has at most, about: servers take at least a megabyte. */
const statementLength = 400_000;

/** The computed table of an aggregate, as far as the aggregate has to know it. */
export interface AggregateTable {
  /** In backticks. */
  readonly sql: string;
  readonly columns: ReadonlyMap<string, AggregateColumn>;
  readonly primaryKey: readonly string[];
}

interface AggregateColumn {
  readonly type: string;
  readonly isUnsigned: boolean;
  readonly isNullable: boolean;
  /** Digits after the point. */
  readonly scale: number;
  readonly collation: string;
}

/** Reads the table from the store; throws STORE_TABLE_MISSING when it is not there. Names are in lower case: the server tells no case. */
export async function readAggregateTable(session: ConnectorSession, table: string): Promise<AggregateTable> {
  const [name = '', database] = table.split('.').toReversed();
  const where = `WHERE table_schema = ${database === undefined ? 'DATABASE()' : text(database)} AND table_name = ${text(name)}`;
  const rows = await session.query(
    `SELECT column_name AS name, data_type AS type, column_type AS whole, is_nullable AS nullable, numeric_scale AS scale, collation_name AS collation
     FROM information_schema.columns ${where} ORDER BY ordinal_position`,
  );
  if (rows.length === 0) throw new CodedError('STORE_TABLE_MISSING', `The table ${table} does not exist`, { details: { table } });
  const keys = await session.query(
    `SELECT column_name AS name FROM information_schema.statistics ${where} AND index_name = 'PRIMARY' ORDER BY seq_in_index`,
  );
  return {
    sql: `${database === undefined ? '' : `${quoteName(database)}.`}${quoteName(name)}`,
    columns: new Map(
      rows.map((row) => [
        lower(row['name']),
        {
          type: lower(row['type']),
          isUnsigned: lower(row['whole']).includes('unsigned'),
          isNullable: lower(row['nullable']) === 'yes',
          scale: Number(row['scale'] ?? 0),
          collation: lower(row['collation']),
        },
      ]),
    ),
    primaryKey: keys.map((row) => lower(row['name'])),
  };
}

function lower(value: Row[string]): string {
  return typeof value === 'string' ? value.toLowerCase() : '';
}

/** A text or a number as SQL. */
export function text(value: unknown): string {
  return writeLiteral(value) ?? 'NULL';
}

/** `(1,'a')`, or `1` for a single value. */
export function keyTuple(key: readonly unknown[]): string {
  const texts = key.map(text);
  return texts.length === 1 ? (texts[0] ?? 'NULL') : `(${texts.join(',')})`;
}

/** `(a,b)` as keys are compared with, or `a`. */
export function columnTuple(columns: readonly string[]): string {
  const names = columns.map(quoteName);
  return names.length === 1 ? (names[0] ?? '') : `(${names.join(',')})`;
}

/** Runs a statement for all items, several where it would grow too long. */
export async function queryInParts(
  session: ConnectorSession,
  items: readonly string[],
  statement: (list: string) => string,
): Promise<readonly Row[]> {
  const found: Row[] = [];
  let from = 0;
  while (from < items.length) {
    let to = from;
    for (let length = 0; to < items.length && length < statementLength; to += 1) length += (items[to]?.length ?? 0) + 1;
    for (const row of await session.query(statement(items.slice(from, to).join(',')))) found.push(row);
    from = to;
  }
  return found;
}
