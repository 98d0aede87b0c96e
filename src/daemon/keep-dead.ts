import type { BatchTransaction } from '../checkpoint/batch-transaction.ts';
import { CodedError } from '../lib/error.ts';
import { countLatestDeadRows, keepDeadRows } from '../repair/dead-row.ts';
import { deadRowsOf } from './bad-rows.ts';
import type { Batch } from './batch.ts';

/**
 * Keeps a batch's dead rows in its transaction: every row that the checkpoint passes is applied, filtered or dead (L3), and the
 * dead ones are kept with the checkpoint (L1). Rejects with DEAD_ROWS_LIMIT (stop) when they are too many within a minute.
 */
export async function keepDead(
  transaction: BatchTransaction,
  batch: Batch,
  options: { readonly flow: string; readonly perMinuteMax: number },
): Promise<void> {
  const { flow, perMinuteMax } = options;
  const count = batch.dead.length + (perMinuteMax === 0 ? 0 : await countLatestDeadRows(transaction, flow));
  if (perMinuteMax > 0 && count > perMinuteMax) {
    const last = batch.dead.at(-1);
    throw new CodedError(
      'DEAD_ROWS_LIMIT',
      `${count} rows would be dead within a minute, and dead_rows.per_minute is ${perMinuteMax}. ` +
        `The last of them: ${last?.code ?? ''}: ${last?.message ?? ''}`,
      { details: { flow, function: last?.fname ?? '' } },
    );
  }
  await keepDeadRows(transaction, deadRowsOf(flow, batch));
}
