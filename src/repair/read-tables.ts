import type { Queryable } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import type { NamedTable } from '../snapshot/require-visible.ts';
import { quoteName } from '../store/name.ts';

export interface ReadInShadow {
  readonly flow: string;
  /** Where it was computed anew, from a snapshot. */
  readonly database: string;
  /** The tables that the flow names. */
  readonly named: readonly NamedTable[];
}

/**
 * A table that the source does not show, because it is gone or the account may not SELECT from it any more, has no rows for a snapshot: what is
 * computed without it must take the place of nothing. Throws SNAPSHOT_NO_TABLE.
 */
export async function requireTablesRead(store: Queryable, { flow, database, named }: ReadInShadow): Promise<void> {
  const from = quoteName(database);
  const { rows } = await store.query(
    `SELECT t.source_table AS name FROM ${from}.kis_run_table t JOIN ${from}.kis_run r ON r.id = t.run WHERE r.flow = ? AND r.is_start = 1`,
    [flow],
  );
  const found = new Set(rows.map(({ name }) => String(name)));
  const missing = named.map(({ schema, name }) => `${schema}.${name}`).filter((table) => !found.has(table));
  if (missing.length === 0 && found.size > 0) return;
  const what = missing.length === 0 ? 'table of flow' : `${missing.join(', ')} for flow`;
  throw new CodedError(
    'SNAPSHOT_NO_TABLE',
    `The source shows no ${what} ${flow}: gone, or its account may not read it. What is computed without it is not used, and the computed tables are left as they are.`,
  );
}
