/**
 * The rebuild that a flow begins by itself once the source no longer has what follows its checkpoint: one for each place that is lost. When
 * it has ended and the flow still stands there, it was in vain, and another one is for an operator to ask for.
 */
import type { Queryable } from '../checkpoint/checkpoint.ts';
import type { CodedError } from '../lib/error.ts';
import { formatPosition } from '../row/position.ts';
import type { Lease } from '../store/lease.ts';
import { createRun, readOpenRuns, readRuns } from './run-record.ts';
import type { Run } from './run.ts';
import { requireEpoch } from './take-over.ts';

export type PurgeRebuild =
  /** It was made, or there is one already, which may be an operator's. */
  | { readonly kind: 'begun' | 'under way'; readonly run: string; readonly position: string }
  | { readonly kind: 'in vain'; readonly run: Run }
  | { readonly kind: 'paused' };

/** In a transaction, under the flow's lease. Throws LEASE_LOST. */
export async function beginPurgeRebuild(
  transaction: Queryable,
  { flow, epoch }: Lease,
  { code, message }: Pick<CodedError, 'code' | 'message'>,
): Promise<PurgeRebuild> {
  const checkpoint = await requireEpoch(transaction, flow, epoch);
  const position = formatPosition(checkpoint.position);
  const { rows } = await transaction.query("SELECT 1 FROM kis_flow WHERE flow = ? AND wanted = 'pause'", [flow]);
  if (rows.length > 0) return { kind: 'paused' };
  const open = (await readOpenRuns(transaction, flow)).find(({ kind }) => kind === 'rebuild');
  if (open !== undefined) return { kind: 'under way', run: open.id, position };
  const tried = (await readRuns(transaction, { flow, kind: 'rebuild', limit: 50 })).find(
    ({ options }) => options.cause?.position === position,
  );
  if (tried !== undefined) return { kind: 'in vain', run: tried };
  const options = { cause: { code, message, position } };
  return { kind: 'begun', run: await createRun(transaction, { flow, kind: 'rebuild', isStart: false, options }), position };
}

/** The flow's rebuild that was made last; undefined: there was none. */
export async function readLastRebuild(store: Queryable, flow: string): Promise<Run | undefined> {
  const [run] = await readRuns(store, { flow, kind: 'rebuild', limit: 1 });
  return run;
}
