import type { Queryable } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import { quoteName } from '../store/name.ts';

/**
 * Throws VERIFY_KEEPS_STATE where the flow keeps state beside its tables, in one of these databases. Running functions hold what they keep
 * in memory too, and a figure that is mended while its state is not would be wrong again with the next change.
 */
export async function requireNoState(store: Queryable, databases: readonly string[], flow: string): Promise<void> {
  for (const database of databases) {
    const from = quoteName(database);
    const { rows } = await store.query(
      `SELECT fname FROM ${from}.kis_state WHERE flow = ? UNION SELECT fname FROM ${from}.kis_aggregate WHERE flow = ? AND plan <> 'increments' LIMIT 1`,
      [flow, flow],
    );
    const [row] = rows;
    if (row !== undefined) {
      throw new CodedError(
        'VERIFY_KEEPS_STATE',
        `Flow ${flow} cannot be repaired row by row: ${String(row.fname)} keeps state beside the computed tables. \`kisflow rebuild ${flow}\` replaces both together.`,
      );
    }
  }
}
