/** What runs of verify found, as the store keeps it: kis_verify, and the first differences in kis_verify_difference. */
import { z } from 'zod';
import type { Queryable } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import { toExactJson } from '../row/exact-json.ts';
import { formatPosition, type Position } from '../row/position.ts';
import { errnoOf } from '../store/errors.ts';
import { isoOrNull } from '../store/iso-time.ts';
import type { Difference, DifferenceCounts, TableComparison } from './compare-table.ts';
import type { MendCounts } from './mend-table.ts';

export interface Verification extends DifferenceCounts {
  readonly run: string;
  readonly flow: string;
  /** For which the tables were compared. */
  readonly position: string;
  /** How long the flow stood for it. */
  readonly heldMs: number;
  readonly rows: number;
  /** Null where nothing was to be repaired. */
  readonly mended: number | null;
  readonly unmended: number | null;
  /** ISO 8601, by the store's clock. */
  readonly comparedAt: string;
}

export interface KeptDifference {
  /** From 1. */
  readonly number: number;
  readonly table: string;
  /** Exact JSON. */
  readonly key: string;
  readonly kind: Difference['kind'];
  readonly isExcused: boolean;
  readonly fields: Difference['fields'];
}

/** Of how many runs of a flow differences are kept. */
const runsKept = 10;
const insertRows = 100;

/** Writes what was found; in one transaction. */
export async function saveVerification(
  transaction: Queryable,
  found: {
    readonly run: string;
    readonly flow: string;
    readonly position: Position;
    readonly heldMs: number;
    readonly tables: readonly TableComparison[];
  },
): Promise<void> {
  const { run, flow, position, heldMs, tables } = found;
  const sum = (of: (table: TableComparison) => number): number => tables.reduce((total, table) => total + of(table), 0);
  const counts = (['missing', 'extra', 'different', 'excused'] as const).map((kind) => sum((table) => table.counts[kind]));
  await transaction.query(
    `REPLACE INTO kis_verify (run, flow, position, held_ms, row_count, missing, extra, different, excused, compared_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3))`,
    [run, flow, formatPosition(position), Math.round(heldMs), sum(({ rows }) => rows), ...counts],
  );
  await transaction.query('DELETE FROM kis_verify_difference WHERE run = ?', [run]);
  const { rows: old } = await transaction.query('SELECT run FROM kis_verify WHERE flow = ? ORDER BY run DESC LIMIT 1000 OFFSET ?', [
    flow,
    runsKept,
  ]);
  if (old.length > 0)
    await transaction.query('DELETE FROM kis_verify_difference WHERE run IN (?)', [old.map((row) => String(row.run))]);
  const differences = tables.flatMap((table) => table.differences);
  for (let from = 0; from < differences.length; from += insertRows) {
    const some = differences.slice(from, from + insertRows);
    await transaction.query(
      `INSERT INTO kis_verify_difference (run, number, store_table, row_key, kind, is_excused, fields) VALUES ${some.map(() => '(?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
      some.flatMap(({ table, key, kind, isExcused, fields }, index) => [
        run,
        from + index + 1,
        table,
        toExactJson(key),
        kind,
        isExcused ? 1 : 0,
        JSON.stringify(fields),
      ]),
    );
  }
}

/** Writes what was repaired. */
export async function saveMended(store: Queryable, run: string, counts: readonly MendCounts[]): Promise<void> {
  const mended = counts.reduce((sum, { inserted, updated, deleted }) => sum + inserted + updated + deleted, 0);
  const unmended = counts.reduce((sum, { left }) => sum + left, 0);
  await store.query('UPDATE kis_verify SET mended = ?, unmended = ? WHERE run = ?', [mended, unmended, run]);
}

const count = z.union([z.number(), z.string()]).transform(Number);
const verifyRow = z.object({
  run: z.coerce.string(),
  flow: z.string(),
  position: z.string(),
  held_ms: count,
  row_count: count,
  missing: count,
  extra: count,
  different: count,
  excused: count,
  mended: count.nullable(),
  unmended: count.nullable(),
  compared_at: z.string().transform((text) => isoOrNull(text) ?? text),
});
const differenceRow = z.object({
  number: count,
  store_table: z.string(),
  row_key: z.string(),
  kind: z.enum(['missing', 'extra', 'different']),
  is_excused: count,
  fields: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(z.array(z.object({ name: z.string(), stored: z.string().nullable(), recomputed: z.string().nullable() }))),
});

/** What a run found; undefined as long as it has not compared. */
export async function readVerification(store: Queryable, run: string): Promise<Verification | undefined> {
  const [found] = await readWhere(store, 'run = ?', [run]);
  return found;
}

/** Flows with a verify that has not ended. */
export async function flowsWithVerify(store: Queryable): Promise<ReadonlySet<string>> {
  const { rows } = await store.query("SELECT flow FROM kis_run WHERE open_kind = 'verify'");
  return new Set(rows.map((row) => String(row.flow)));
}

async function readWhere(store: Queryable, condition: string, params: readonly unknown[]): Promise<readonly Verification[]> {
  const rows = await store.query(`SELECT * FROM kis_verify WHERE ${condition}`, params).then(
    (result) => result.rows,
    (error: unknown) => {
      if (errnoOf(error) === 1146) return []; // a store that an older version has made
      throw error;
    },
  );
  return rows.map((row) => {
    const parsed = verifyRow.safeParse(row);
    if (!parsed.success) throw new CodedError('INTERNAL', 'A row of kis_verify cannot be read.', { cause: parsed.error });
    const { held_ms: heldMs, row_count: rowCount, compared_at: comparedAt, ...rest } = parsed.data;
    return { ...rest, heldMs, rows: rowCount, comparedAt };
  });
}

/** Differences that a run found, in the order in which it kept them: the first ones, or those behind a number. */
export async function readDifferences(
  store: Queryable,
  run: string,
  { limit, after = 0 }: { readonly limit: number; readonly after?: number },
): Promise<readonly KeptDifference[]> {
  const { rows } = await store.query(
    'SELECT number, store_table, row_key, kind, is_excused, fields FROM kis_verify_difference WHERE run = ? AND number > ? ORDER BY number LIMIT ?',
    [run, after, limit],
  );
  return rows.map((row) => {
    const parsed = differenceRow.safeParse(row);
    if (!parsed.success)
      throw new CodedError('INTERNAL', 'A row of kis_verify_difference cannot be read.', { cause: parsed.error });
    const { number, store_table: table, row_key: key, kind, is_excused: isExcused, fields } = parsed.data;
    return { number, table, key, kind, isExcused: isExcused === 1, fields };
  });
}
