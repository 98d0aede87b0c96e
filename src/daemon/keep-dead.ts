import type { BatchTransaction } from '../checkpoint/batch-transaction.ts';
import { CodedError } from '../lib/error.ts';
import { countLatestDeadRows, keepDeadRows } from '../repair/dead-row.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { deadRowsOf } from './bad-rows.ts';
import type { Batch } from './batch.ts';
import type { Park } from './park.ts';

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
  const dead = batch.dead.filter(({ kind }) => kind === 'dead' || kind === 'skipped');
  await requireFewDead(transaction, { ...options, more: dead.length, last: dead.at(-1) });
  await keepDeadRows(transaction, deadRowsOf(options.flow, batch));
}

/** Throws DEAD_ROWS_FULL (stop) when the batch would keep more rows that are dead, or behind a dead one, than the flow allows. */
export function requireRoom(
  park: Park,
  batch: Batch,
  { heldMax, flow }: { readonly heldMax: number; readonly flow: string },
): void {
  const last = batch.dead.findLast(({ kind }) => kind === 'dead' || kind === 'parked');
  if (last === undefined) return;
  const held = park.heldWith(batch);
  if (held <= heldMax || held === park.held) return;
  throw new CodedError(
    'DEAD_ROWS_FULL',
    `${held} rows would be dead or behind a dead row of their key, and dead_rows.max is ${heldMax}. ` +
      `Mend what makes rows dead, \`kisflow dead-rows retry --flow ${flow}\` or \`discard\` them, then \`kisflow resume ${flow}\``,
    { details: { flow, function: last.fname } },
  );
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
