import { sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { silentLogger, type Logger } from '../lib/logger.ts';
import { parseStart } from '../row/position.ts';
import { OpenConnectors } from '../flow/open-connectors.ts';
import type { RebuildDetails } from '../repair/rebuild-record.ts';
import { dropShadow, makeShadowTables, namingGrants, type ShadowPlace } from '../repair/shadow-tables.ts';
import { LeaseKeeper } from '../store/lease.ts';
import { migrate } from '../store/migrate.ts';
import type { Store } from '../store/open.ts';
import type { DaemonFlow, FlowServiceOptions } from './daemon-flow.ts';
import { FlowRecords } from './flow-record.ts';
import type { FlowService } from './flow-service.ts';

/** What a service of a flow in a shadow has of its own. */
export type ShadowServiceParts = Pick<FlowServiceOptions, 'subject' | 'store' | 'leases' | 'records' | 'logger' | 'stop' | 'abort'>;

export interface ShadowOptions {
  /** The store's own database. */
  readonly store: Store;
  /** The live flow. */
  readonly flow: DaemonFlow;
  readonly details: RebuildDetails;
  /** Where it begins, as `source.start` is written; undefined: with a snapshot. */
  readonly from: string | undefined;
  readonly makeService: (parts: ShadowServiceParts) => FlowService;
  /** The daemon's name in the store. */
  readonly holder: string;
  readonly leaseTtlMs: number;
  readonly logger: Logger;
}

/** A flow that computes its tables anew, in a database of its own. */
export interface Shadow {
  readonly store: Store;
  readonly leases: LeaseKeeper;
  readonly service: FlowService;
  readonly hasEnded: boolean;
  /** Resolves when the flow's run has ended there. */
  readonly ended: Promise<void>;
  /** Ends it, softly or at once, and closes all that it had open. Never rejects. */
  close(how: 'softly' | 'at once'): Promise<void>;
}

/** Makes the database with all that is in it, in place of what is left of one. */
export async function makeShadow(store: Store, place: ShadowPlace, signal: AbortSignal): Promise<void> {
  await namingGrants(place, async () => {
    await dropShadow(store, place.shadow);
    const shadow = await store.openBeside(place.shadow);
    try {
      await migrate({ store: shadow, logger: silentLogger, signal });
      await makeShadowTables(shadow, place);
    } finally {
      await shadow.close();
    }
  });
}

/** Lets the flow run in its shadow, until it is told to end or fails. */
export async function openShadow(options: ShadowOptions): Promise<Shadow> {
  const { flow, details, holder, leaseTtlMs: ttlMs } = options;
  const made = flow.inShadow(details.database);
  const start = parseStart(options.from ?? 'snapshot');
  if (start === undefined) throw new CodedError('REBUILD_IMPOSSIBLE', `A rebuild cannot begin at ${String(options.from)}.`);
  const store = await options.store.openBeside(details.database);
  const logger = options.logger.child({ shadow: details.database });
  const leases = new LeaseKeeper({ store, holder: `${holder}:${details.database.slice(-12)}`, ttlMs, logger });
  const connectors = new OpenConnectors();
  const stop = new AbortController();
  const abort = new AbortController();
  const over = new AbortController();
  const closeAll = async (): Promise<void> => {
    over.abort();
    const warn = (error: unknown): void => logger.warn({ error: describeError(error) }, 'a shadow was not closed as it should be');
    for (const close of [() => connectors.close(), () => leases.close(), () => store.close()]) await close().catch(warn);
  };
  try {
    for (const connector of made.connectors) await connectors.open(connector);
    await leases.presence.show();
  } catch (error) {
    await closeAll();
    throw error;
  }
  const service = options.makeService({
    subject: { ...made.subject, start },
    store,
    leases,
    records: new FlowRecords(store),
    logger,
    stop: stop.signal,
    abort: abort.signal,
  });
  let hasEnded = false;
  const ended = service.run({ once: true }).finally(() => (hasEnded = true));
  const kept = keepLease({ leases, service, ttlMs, logger, signal: over.signal });
  return {
    store,
    leases,
    service,
    get hasEnded() {
      return hasEnded;
    },
    ended,
    async close(how) {
      if (how === 'at once') abort.abort();
      stop.abort();
      await Promise.race([ended, sleep(10_000, abort.signal)]);
      abort.abort();
      await ended;
      over.abort();
      await kept;
      await closeAll();
    },
  };
}

interface KeepOptions {
  readonly leases: LeaseKeeper;
  readonly service: FlowService;
  readonly ttlMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

async function keepLease({ leases, service, ttlMs, logger, signal }: KeepOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      await leases.presence.show();
      const askedAt = performance.now();
      service.observeLeases(await leases.renew(), askedAt);
    } catch (error) {
      if (!signal.aborted) logger.debug({ error: describeError(error) }, 'lease of a shadow not renewed');
    }
    await sleep(Math.min(1000, ttlMs / 3), signal);
  }
}
