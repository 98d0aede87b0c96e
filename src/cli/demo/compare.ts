import type { Connection, RowDataPacket } from 'mysql2/promise';

/** A computed table, and the same figures recomputed from the source's tables. */
export interface Comparison {
  readonly flow: string;
  readonly table: string;
  readonly key: string;
  readonly columns: readonly string[];
  /** Gives `key` and `columns` as they should be now. */
  readonly sql: string;
  /** Keys of the rows to show, if they are there. */
  readonly shownSql: string;
}

export const comparisons: readonly Comparison[] = [
  {
    flow: 'CalStuAvgScore',
    table: 'kisflow.stu_avg_score',
    key: 'stu_id',
    columns: ['avg_score'],
    // 3e0: a division of DOUBLEs, as JavaScript does it
    sql: 'SELECT stu_id, (score_1 + score_2 + score_3) / 3e0 AS avg_score FROM school.student_score',
    shownSql:
      '(SELECT stu_id FROM school.student_score WHERE stu_id < 1000) UNION ALL (SELECT stu_id FROM school.student_score ORDER BY stu_id DESC LIMIT 2)',
  },
  {
    flow: 'CustomerValue',
    table: 'kisflow.customer_value',
    key: 'customer_id',
    columns: ['paid_total', 'paid_orders', 'last_paid_at'],
    sql: `SELECT customer_id, SUM(total) AS paid_total, COUNT(*) AS paid_orders, MAX(paid_at) AS last_paid_at
          FROM shop.orders WHERE status = 'paid' GROUP BY customer_id`,
    shownSql: "SELECT customer_id FROM shop.orders WHERE status = 'paid' GROUP BY customer_id ORDER BY SUM(total) DESC LIMIT 4",
  },
  {
    flow: 'CustomerValue',
    table: 'kisflow.paid_order',
    key: 'order_id',
    columns: ['customer_id', 'total', 'paid_at'],
    sql: "SELECT order_id, customer_id, total, paid_at FROM shop.orders WHERE status = 'paid'",
    shownSql: "SELECT order_id FROM shop.orders WHERE status = 'paid' ORDER BY paid_at DESC LIMIT 1",
  },
];

type Row = Readonly<Record<string, unknown>>;

/** One key on both sides; undefined where a side has no row of it. */
export interface RowPair {
  readonly key: unknown;
  readonly computed: Row | undefined;
  readonly expected: Row | undefined;
}

/** What came out for one computed table. */
export interface ComparisonResult {
  readonly comparison: Comparison;
  readonly computedRows: number;
  readonly expectedRows: number;
  readonly missing: readonly RowPair[];
  readonly extra: readonly RowPair[];
  readonly differing: readonly RowPair[];
  /** A few rows for people to look at. */
  readonly shown: readonly RowPair[];
}

export function isEqual(result: ComparisonResult): boolean {
  return result.missing.length + result.extra.length + result.differing.length === 0;
}

/** Reads both sides and compares them to the row. */
export async function compareTable(connection: Connection, comparison: Comparison): Promise<ComparisonResult> {
  const { key, columns, table, sql, shownSql } = comparison;
  const computed = await readByKey(connection, { key, sql: `SELECT ${[key, ...columns].join(', ')} FROM ${table}` });
  const expected = await readByKey(connection, { key, sql });
  const shown = await readByKey(connection, { key, sql: shownSql });
  const pairs = [...new Set([...expected.keys(), ...computed.keys()])].map((id) => pairOf(id, computed, expected));
  return {
    comparison,
    computedRows: computed.size,
    expectedRows: expected.size,
    missing: pairs.filter((pair) => pair.computed === undefined),
    extra: pairs.filter((pair) => pair.expected === undefined),
    differing: pairs.filter((pair) => differs(pair, columns)),
    shown: [...shown.keys()].map((id) => pairOf(id, computed, expected)),
  };
}

function pairOf(key: unknown, computed: ReadonlyMap<unknown, Row>, expected: ReadonlyMap<unknown, Row>): RowPair {
  return { key, computed: computed.get(key), expected: expected.get(key) };
}

/** Values are compared as the server prints them: decimals and dates as texts, so that nothing is rounded away. */
function differs({ computed, expected }: RowPair, columns: readonly string[]): boolean {
  if (computed === undefined || expected === undefined) return false;
  return columns.some((column) => computed[column] !== expected[column]);
}

async function readByKey(
  connection: Connection,
  query: { readonly key: string; readonly sql: string },
): Promise<Map<unknown, Row>> {
  const [rows] = await connection.query<RowDataPacket[]>(query.sql);
  return new Map(rows.map((row) => [row[query.key], row]));
}
