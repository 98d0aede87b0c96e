import type { BatchTransaction } from '../checkpoint/batch-transaction.ts';
import { CodedError } from '../lib/error.ts';
import { countLatestDeadRows, keepDeadRows } from '../repair/dead-row.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { deadRowsOf } from './bad-rows.ts';
import type { Batch } from './batch.ts';

/**
 * Keeps a batch's rows that are not processed now in its transaction: every row that the checkpoint passes is applied, filtered, dead
 * or waiting (L3), and the latter two are kept with the checkpoint (L1). Rejects with DEAD_ROWS_LIMIT (stop) when they are too many
 * within a minute.
 */
export async function keepDead(
  transaction: BatchTransaction,
  batch: Batch,
  options: { readonly flow: string; readonly perMinuteMax: number },
): Promise<void> {
  const dead = batch.dead.filter(({ kind }) => kind === 'dead');
  await requireFewDead(transaction, { ...options, more: dead.length, last: dead.at(-1) });
  await keepDeadRows(transaction, deadRowsOf(options.flow, batch));
}

/** Rejects with DEAD_ROWS_LIMIT (stop) when `more` rows are too many to be dead within a minute. */
export async function requireFewDead(
  transaction: Pick<StoreTransaction, 'query'>,
  options: {
    readonly flow: string;
    readonly perMinuteMax: number;
    readonly more: number;
    readonly last: { readonly fname: string; readonly code: string; readonly message: string } | undefined;
  },
): Promise<void> {
  const { flow, perMinuteMax, more, last } = options;
  if (perMinuteMax === 0 || more === 0) return;
  const count = more + (await countLatestDeadRows(transaction, flow));
  if (count <= perMinuteMax) return;
  throw new CodedError(
    'DEAD_ROWS_LIMIT',
    `${count} rows would be dead within a minute, and dead_rows.per_minute is ${perMinuteMax}. ` +
      `The last of them: ${last?.code ?? ''}: ${last?.message ?? ''}`,
    { details: { flow, function: last?.fname ?? '' } },
  );
}
