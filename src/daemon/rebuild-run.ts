import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import { requireOwnTables } from '../config/shadow-plan.ts';
import { deferred, sleep, type Deferred } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { shadowDatabaseOf } from '../row/shadow-database.ts';
import {
  copyProgress,
  endRebuild,
  readRebuild,
  setPhase,
  setRebuildError,
  type Rebuild,
  type RebuildDetails,
  type RebuildEnd,
} from '../repair/rebuild-record.ts';
import { requireTablesRead } from '../repair/read-tables.ts';
import { setRunState } from '../repair/run-record.ts';
import { dropShadow, hashDefinitions, hasTable, requireRebuildable } from '../repair/shadow-tables.ts';
import type { Lease } from '../store/lease.ts';
import { bringShadow, findAim, isAt, standMsMax } from './bring-shadow.ts';
import type { DaemonFlow } from './daemon-flow.ts';
import type { FlowService } from './flow-service.ts';
import { NearHead } from './near-head.ts';
import { placeOf, swapTables } from './rebuild-swap.ts';
import { isExternal } from './running-flow.ts';
import { makeShadow, openShadow, type Shadow, type ShadowOptions } from './shadow.ts';

export interface RebuildRunOptions extends Pick<ShadowOptions, 'store' | 'makeService' | 'holder' | 'leaseTtlMs' | 'logger'> {
  /** The live flow's. */
  readonly service: FlowService;
  readonly signal: AbortSignal;
}

/** How often it is looked at. */
const pollMs = 500;
/** How long after a swap that was blocked the next one is tried. */
const blockedMs = 10_000;
/** How often it begins anew because the source has purged what its shadow was about to read. */
const purgesMax = 3;

/**
 * One rebuild of a flow that this daemon holds: makes the shadow, lets the flow run there, and swaps when both are at one place.
 *
 *     make ──► reading ──► catching-up ──near──► the flow ends between two transactions, keeps its lease ──► settle():
 *                              ▲                     the shadow passes its position and ends ──► swap ──► dropping
 *                              └── blocked, too slow ─────────┘
 */
export class RebuildRun {
  readonly #options: RebuildRunOptions;
  #shadow: Shadow | undefined;
  readonly #head = new NearHead();
  /** The flow was told to stand: whoever settles it swaps. */
  #standing: { readonly rebuild: Rebuild & { readonly details: RebuildDetails }; readonly settled: Deferred<void> } | undefined;
  #isSwapping = false;
  #notBefore = 0;
  #failedWith: string | undefined;

  constructor(options: RebuildRunOptions) {
    this.#options = options;
  }

  /** Goes on until the run has ended, the signal aborts, or another daemon has the flow. */
  async run(): Promise<void> {
    const { signal, service } = this.#options;
    try {
      while (!signal.aborted && service.isHolder && (await this.#look())) await sleep(pollMs, signal);
    } finally {
      await this.#close(signal.aborted ? 'softly' : 'at once');
    }
  }

  /** Does what is next; false: the run has ended. */
  async #look(): Promise<boolean> {
    const { service, store } = this.#options;
    try {
      const rebuild = await readRebuild(store, service.name);
      // the store may have let it wait for so long that another daemon goes on with it by now
      if (rebuild === undefined || !service.isHolder) return false;
      await this.#step(rebuild);
      this.#failedWith = undefined;
    } catch (error) {
      this.#note(error);
    }
    return true;
  }

  /** Errors that may pass; once for each cause. */
  #note(error: unknown): void {
    const { service, logger, signal } = this.#options;
    const text = describeError(error);
    if (text !== this.#failedWith && !signal.aborted)
      logger.warn({ flow: service.name, error: text }, 'rebuild will be tried again');
    this.#failedWith = text;
  }

  async #step(rebuild: Rebuild): Promise<void> {
    const { run, phase, details } = rebuild;
    const { store, service } = this.#options;
    if (phase === 'dropping') return this.#drop(rebuild);
    if (phase === 'swapping') return service.endBetweenTransactions(); // its next run settles it
    if (run.wish === 'cancel') return this.#end(rebuild, { outcome: 'cancelled' });
    if (run.wish === 'pause' || (run.state === 'paused' && run.wish !== 'resume')) {
      await this.#close('softly');
      if (run.wish !== null || run.state !== 'paused') await setRunState(store, run.id, 'paused');
      return;
    }
    if (run.state !== 'running') await setRunState(store, run.id, 'running');
    try {
      const isCurrent = details?.fingerprint === this.#subject.fingerprint;
      if (phase === null || details === undefined || !isCurrent) await this.#make(rebuild);
      else await this.#goOn({ ...rebuild, details });
    } catch (error) {
      if (!(error instanceof CodedError) || error.class === 'retry') throw error;
      if (await this.#isShadowGone(error)) return setPhase(store, run.id, { phase: null, details });
      await this.#end(rebuild, { outcome: 'failed', error });
    }
  }

  /** A daemon that had stood still may drop it once, because no fence holds for that: then it is made anew. */
  async #isShadowGone(error: CodedError): Promise<boolean> {
    const { store, service, logger } = this.#options;
    if (error.code !== 'STORE_TABLE_MISSING' && error.code !== 'MIGRATION_FAILED') return false;
    if (await hasTable(store, shadowDatabaseOf(store.database, service.name), 'kis_checkpoint')) return false;
    logger.warn({ flow: service.name, error: error.message }, 'somebody has dropped the shadow: the rebuild begins anew');
    return true;
  }

  /** The version of the flow that is to compute the tables. */
  get #subject(): DaemonFlow {
    const subject = this.#options.service.subjects.at(-1);
    if (subject === undefined) throw new CodedError('INTERNAL', 'A flow has no version.');
    return subject;
  }

  /** Makes an empty shadow, in place of what is left of one. */
  async #make({ run }: Rebuild, purges = 0): Promise<void> {
    const { store, service, signal, logger } = this.#options;
    await this.#close('at once');
    const subject = this.#subject;
    const database = shadowDatabaseOf(store.database, service.name);
    const { tables, owned, shared } = subject.inShadow(database);
    requireOwnTables({ flow_name: service.name }, shared);
    if (isExternal(subject)) {
      throw new CodedError('REBUILD_IMPOSSIBLE', `Flow ${service.name} cannot be rebuilt: it writes outside the store as well.`);
    }
    const place = { flow: service.name, main: store.database, shadow: database, tables };
    await requireRebuildable(store, { ...place, owned });
    const definitions = await hashDefinitions(store, place);
    const { fingerprint } = subject;
    const details: RebuildDetails = { database, tables: [...tables], definitions, fingerprint, purges };
    await setPhase(store, run.id, { phase: null, details });
    await makeShadow(store, place, signal);
    await setPhase(store, run.id, { phase: 'reading', details });
    logger.info({ flow: service.name, run: run.id, ...details }, 'rebuild begins');
  }

  async #goOn(rebuild: Rebuild & { readonly details: RebuildDetails }): Promise<void> {
    const { run, phase, details } = rebuild;
    const { store, logger } = this.#options;
    const shadow = this.#shadow;
    if (shadow === undefined || shadow.hasEnded) {
      const { state, error } = shadow?.service.report ?? {};
      if (state === 'failed' && error !== undefined) return this.#makeAnew(rebuild, error);
      await this.#close('at once');
      this.#head.forget();
      this.#shadow = await openShadow({ ...this.#options, flow: this.#subject, details, from: run.options.from });
      return;
    }
    if (!(await copyProgress(store, { run, details }))) return;
    if (phase === 'reading') {
      const { named } = this.#subject.snapshot;
      if (run.options.from === undefined) await requireTablesRead(store, { flow: run.flow, database: details.database, named });
      await setPhase(store, run.id, { phase: 'catching-up', details });
      logger.info({ flow: run.flow, run: run.id }, 'rebuild has read its tables and catches up');
    } else if ((await this.#head.isNear(shadow.service, this.#options.signal)) && performance.now() >= this.#notBefore)
      await this.#stand(rebuild);
  }

  /** What was lost in the meantime is in the tables that a snapshot reads; whatever else the shadow failed with ends the rebuild. */
  async #makeAnew(rebuild: Rebuild & { readonly details: RebuildDetails }, error: CodedError): Promise<void> {
    const { run, details } = rebuild;
    const purges = (details.purges ?? 0) + 1;
    if (error.code !== 'SOURCE_PURGED' || run.options.from !== undefined || purges >= purgesMax)
      throw new CodedError(error.code, `In its shadow the flow failed: ${error.message}`);
    this.#options.logger.warn(
      { flow: run.flow, run: run.id, error: error.message },
      'the rebuild has lost its binlog and begins anew',
    );
    await this.#make(rebuild, purges);
  }

  /** Lets the flow stand, and waits until it is settled. */
  async #stand(rebuild: Rebuild & { readonly details: RebuildDetails }): Promise<void> {
    const { service, signal } = this.#options;
    const settled = deferred<void>();
    this.#standing = { rebuild, settled };
    service.endBetweenTransactions();
    const over = new AbortController();
    await Promise.race([settled.promise, sleep(standMsMax, AbortSignal.any([over.signal, signal]))]);
    over.abort();
    if (this.#isSwapping) await settled.promise;
    this.#standing = undefined;
    this.#head.forget();
  }

  /** Under the flow's lease, while it does not run: swaps, if that is what it stands for. True: it has new tables. */
  async settle(lease: Lease): Promise<boolean> {
    const standing = this.#standing;
    const shadow = this.#shadow;
    if (standing === undefined || shadow === undefined) return false;
    this.#isSwapping = true;
    try {
      return await this.#swap(lease, shadow, standing.rebuild);
    } catch (error) {
      await this.#noteSwap(standing.rebuild, error);
      return false;
    } finally {
      this.#isSwapping = false;
      standing.settled.resolve();
    }
  }

  async #swap(lease: Lease, shadow: Shadow, { run, details }: Rebuild & { readonly details: RebuildDetails }): Promise<boolean> {
    const { store, service, signal, logger } = this.#options;
    const live = await readCheckpoint(store, lease.flow);
    if (live === undefined) return false;
    const aim = await findAim(service, live.position, signal);
    if (!(await bringShadow(shadow, aim, signal))) return false;
    const session = await shadow.store.openSession();
    try {
      // from here on nobody else writes there
      if ((await shadow.leases.acquire(lease.flow, session.threadId)) === undefined) return false;
    } finally {
      await session.close();
    }
    const made = await readCheckpoint(shadow.store, lease.flow);
    if (made === undefined || !isAt(made.position, aim)) return false;
    if ((await hashDefinitions(store, placeOf(store, lease, details))) !== details.definitions) {
      logger.warn({ flow: run.flow, run: run.id }, 'a computed table was altered meanwhile: the rebuild begins anew');
      await setPhase(store, run.id, { phase: null, details });
      return false;
    }
    await swapTables({ store, lease, run, details, logger });
    return true;
  }

  /** A swap that did not happen leaves the flow as it was; one of which that is not known is settled by the flow's next run. */
  async #noteSwap(rebuild: Rebuild, error: unknown): Promise<void> {
    const { store, logger } = this.#options;
    const { run } = rebuild;
    const now = await readRebuild(store, run.flow);
    if (!(error instanceof CodedError) || error.code === 'LEASE_LOST' || now?.phase !== 'catching-up') throw error;
    logger.warn({ flow: run.flow, run: run.id, code: error.code, error: describeError(error) }, 'rebuilt tables were not swapped');
    if (error.class !== 'retry') return this.#markEnded(now, { outcome: 'failed', error });
    this.#notBefore = performance.now() + blockedMs;
    await setRebuildError(store, run.id, error);
  }

  async #end(rebuild: Rebuild, end: RebuildEnd): Promise<void> {
    const { logger } = this.#options;
    const { run } = rebuild;
    await this.#close('at once');
    if (end.error !== undefined) {
      logger.error({ flow: run.flow, run: run.id, code: end.error.code, error: end.error.message }, 'rebuild failed');
    }
    await this.#markEnded(rebuild, end);
  }

  async #markEnded({ run, details }: Rebuild, { outcome, error }: RebuildEnd): Promise<void> {
    const { store } = this.#options;
    if (details === undefined) return endRebuild(store, run.id, { outcome, error });
    const told = error === undefined ? {} : { error: { code: error.code, message: error.message } };
    await setPhase(store, run.id, { phase: 'dropping', details: { ...details, outcome, ...told } });
  }

  async #drop({ run, details }: Rebuild): Promise<void> {
    const { store, logger } = this.#options;
    await this.#close('at once');
    if (details !== undefined) await dropShadow(store, details.database);
    await endRebuild(store, run.id, details ?? {});
    logger.info({ flow: run.flow, run: run.id, outcome: details?.outcome ?? 'cancelled' }, 'rebuild has ended');
  }

  async #close(how: 'softly' | 'at once'): Promise<void> {
    const shadow = this.#shadow;
    this.#shadow = undefined;
    await shadow?.close(how);
  }
}
