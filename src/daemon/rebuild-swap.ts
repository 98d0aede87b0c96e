import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { setPhase, type Rebuild, type RebuildDetails } from '../repair/rebuild-record.ts';
import type { Run } from '../repair/run.ts';
import { closeGate, gateName, makeGate, readTableHolders, renameTables, type Swap } from '../repair/swap.ts';
import { requireEpoch, takeOverRows } from '../repair/take-over.ts';
import { formatPosition } from '../row/position.ts';
import type { Lease } from '../store/lease.ts';
import type { Store } from '../store/open.ts';

/** What a swap needs: the flow's lease, and that neither the flow nor its shadow runs. */
export interface SwapOptions {
  readonly store: Store;
  readonly lease: Lease;
  readonly run: Run;
  readonly details: RebuildDetails;
  readonly logger: Logger;
}

/** Swaps. Throws REBUILD_SWAP_BLOCKED when a table is in use, and then everything is as it was. */
export async function swapTables(options: SwapOptions): Promise<void> {
  const { store, lease, run, details } = options;
  const gate = gateName(lease.epoch);
  const swapping: RebuildDetails = { ...details, gate };
  const swap = placeOf(store, lease, swapping);
  await makeGate(store, swap);
  await store.transaction(async (transaction) => {
    await requireEpoch(transaction, lease.flow, lease.epoch);
    await setPhase(transaction, run.id, { phase: 'swapping', details: swapping });
  });
  const session = await store.openSession();
  const startedAt = performance.now();
  try {
    await renameTables(session, swap);
  } catch (error) {
    // one that was lost on its way may still happen: the next run of the flow finds out
    if (!(error instanceof CodedError) || (error.class === 'retry' && error.code !== 'REBUILD_SWAP_BLOCKED')) throw error;
    const holders = error.class === 'retry' ? await readTableHolders(store, swap) : '';
    if (await giveUp(options, swap)) throw new CodedError(error.code, withHolders(error.message, holders), error);
  } finally {
    await session.close();
  }
  const renameMs = Math.round(performance.now() - startedAt);
  await takeOver({ ...options, details: swapping }, renameMs);
}

/** Settles a swap that somebody has begun, and nobody is at now. True: it is done. */
export async function settleSwap(options: Omit<SwapOptions, 'run' | 'details'>, { run, details }: Rebuild): Promise<boolean> {
  if (details?.gate === undefined) throw new CodedError('INTERNAL', `Run ${run.id} swaps tables, and does not say how.`);
  const known = { ...options, run, details };
  if (await giveUp(known, placeOf(options.store, options.lease, details))) {
    options.logger.info({ flow: run.flow, run: run.id }, 'a swap that was begun did not happen');
    return false;
  }
  options.logger.info({ flow: run.flow, run: run.id }, 'a swap that was begun goes on');
  await takeOver(known, undefined);
  return true;
}

/** True: nothing has happened, nothing of this try can happen any more, and the run says so. */
async function giveUp({ store, run, details }: SwapOptions, swap: Swap): Promise<boolean> {
  if (!(await closeGate(store, swap))) return false;
  const { gate: _, ...rest } = details;
  await setPhase(store, run.id, { phase: 'catching-up', details: rest });
  return true;
}

/** The tables are in place: kisflow's own rows of the flow follow. */
async function takeOver({ store, lease, run, details, logger }: SwapOptions, renameMs: number | undefined): Promise<void> {
  const { gate: _, ...rest } = details;
  const startedAt = performance.now();
  const session = await store.openSession({ statementTimeoutMs: 0 }); // a flow may have many rows there
  try {
    await takeOverRows(session, { ...lease, shadow: details.database, fingerprint: details.fingerprint });
    await setPhase(session, run.id, { phase: 'dropping', details: { ...rest, outcome: 'done' } });
    await session.commit();
  } finally {
    await session.close();
  }
  const checkpoint = await readCheckpoint(store, lease.flow);
  const position = checkpoint === undefined ? '' : formatPosition(checkpoint.position);
  const takeOverMs = Math.round(performance.now() - startedAt);
  logger.info(
    { flow: run.flow, run: run.id, tables: details.tables, position, renameMs, takeOverMs },
    'rebuilt tables are in place',
  );
}

export function placeOf(store: Store, { flow }: Pick<Lease, 'flow'>, details: RebuildDetails): Swap {
  const { database: shadow, tables, gate = '' } = details;
  return { flow, main: store.database, shadow, tables, gate };
}

function withHolders(message: string, holders: string): string {
  return holders === '' ? message : `${message}; ${holders}`;
}
