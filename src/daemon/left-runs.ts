import { endRebuild, readRebuild } from '../repair/rebuild-record.ts';
import { readOpenRuns, setRunState } from '../repair/run-record.ts';
import type { Run } from '../repair/run.ts';
import { dropShadow } from '../repair/shadow-tables.ts';
import type { Logger } from '../lib/logger.ts';
import { shadowDatabaseOf, verifyDatabaseOf } from '../row/shadow-database.ts';
import type { Lease, LeaseKeeper } from '../store/lease.ts';
import type { Store } from '../store/open.ts';
import type { FlowService } from './flow-service.ts';
import { lookEachSecond } from './look-each-second.ts';

export interface LeftRunsOptions {
  readonly store: Store;
  readonly leases: Pick<LeaseKeeper, 'isHeldByOther' | 'acquire' | 'release'>;
  /** The flows of this daemon. */
  readonly services: () => readonly (Pick<FlowService, 'name' | 'isHolder'> & {
    readonly report: Pick<FlowService['report'], 'state'>;
  })[];
  readonly logger: Logger;
}

/**
 * Runs that are to be cancelled and whose flow no daemon runs any more, because it is paused, was disabled or taken away: nobody else would drop what is made
 * of them. Goes on until the signal aborts.
 */
export async function cancelLeftRuns(options: LeftRunsOptions, signal: AbortSignal): Promise<void> {
  const { store, services, logger } = options;
  const look = async (): Promise<void> => {
    const { rows } = await store.query(
      // what is being swapped waits for its flow: no lease is taken in vain
      "SELECT DISTINCT flow FROM kis_run WHERE open_kind IS NOT NULL AND wish = 'cancel' AND is_start = 0 AND NOT (phase <=> 'swapping') ORDER BY flow",
    );
    // one that was paused or had failed when this daemon began is held by nobody
    const isLeft = ({ isHolder, report: { state } }: ReturnType<LeftRunsOptions['services']>[number]): boolean =>
      !isHolder && (state === 'paused' || state === 'failed');
    const own = new Set(services().flatMap((service) => (isLeft(service) ? [] : [service.name])));
    for (const flow of rows.map((row) => String(row.flow))) {
      if (!own.has(flow) && !signal.aborted) await cancelOf(options, flow);
    }
  };
  await lookEachSecond(look, { signal, logger, failure: 'runs of flows that nobody runs not looked for' });
}

/** Under the flow's lease, so that no daemon begins to run the flow meanwhile. */
async function cancelOf({ store, leases, logger }: LeftRunsOptions, flow: string): Promise<void> {
  if (await leases.isHeldByOther(flow)) return;
  const session = await store.openSession();
  let lease: Lease | undefined;
  try {
    lease = await leases.acquire(flow, session.threadId);
    const ended = lease === undefined ? [] : await endAll(store, flow);
    if (ended.length > 0) logger.info({ flow, runs: ended }, 'runs of a flow that nobody runs were cancelled');
  } finally {
    if (lease !== undefined) await leases.release(lease);
    await session.close();
  }
}

/** Gives those that have ended. */
async function endAll(store: Store, flow: string): Promise<readonly string[]> {
  const ended: string[] = [];
  for (const run of await readOpenRuns(store, flow)) {
    if (run.wish === 'cancel' && !run.isStart && (await end(store, run))) ended.push(run.id);
  }
  return ended;
}

/** What it has made goes first. False: tables are being swapped, and only the flow itself can settle that. */
async function end(store: Store, { id, flow, kind }: Run): Promise<boolean> {
  if (kind === 'verify') await dropShadow(store, verifyDatabaseOf(store.database, flow));
  if (kind !== 'rebuild') return setRunState(store, id, 'cancelled');
  const rebuild = await readRebuild(store, flow);
  if (rebuild === undefined || rebuild.phase === 'swapping') return false;
  await dropShadow(store, shadowDatabaseOf(store.database, flow));
  await endRebuild(store, id, rebuild.details ?? {});
  return true;
}
