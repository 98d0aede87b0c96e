import { sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { copyProgress, type RebuildDetails } from '../repair/rebuild-record.ts';
import { requireTablesRead } from '../repair/read-tables.ts';
import { readRun, setRunState } from '../repair/run-record.ts';
import type { Run } from '../repair/run.ts';
import { dropShadow } from '../repair/shadow-tables.ts';
import { requireNoState } from '../repair/verify-state.ts';
import { verifyDatabaseOf } from '../row/shadow-database.ts';
import type { DaemonFlow } from './daemon-flow.ts';
import { hasPassed } from './freshness.ts';
import type { RebuildRunOptions } from './rebuild-run.ts';
import { isExternal } from './running-flow.ts';
import { makeShadow, openShadow, type Shadow } from './shadow.ts';
import { ComparedFlow } from './compared-flow.ts';

export interface VerifyRunOptions extends RebuildRunOptions {
  readonly run: Run;
}

const pollMs = 500;
const retryMs = 1000;

/**
 * One verify of a flow that this daemon holds. Nothing of it is kept but what it finds: after a crash it begins anew.
 *
 *     make the shadow ──► it reads its tables and catches up ──► both stand for a moment: snapshot ──► compare ──► mend ──► drop
 *                              ▲            │                                                            │
 *                              └─ resume ── paused: the shadow stands, nothing is open ◄──────────────────┘
 */
export class VerifyRun {
  readonly #options: VerifyRunOptions;
  readonly #cancel = new AbortController();
  /** Another daemon has the flow. */
  readonly #left = new AbortController();
  readonly #signal: AbortSignal;
  /** Of the try that is under way. */
  #pause = new AbortController();
  /** The shadow that is there, of this process: one that was paused goes on in it. */
  #made: RebuildDetails | undefined;

  constructor(options: VerifyRunOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#cancel.signal, this.#left.signal]);
  }

  /** Goes on until the run has ended; or until the signal aborts, or another daemon has the flow: then that one begins it anew. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const over = new AbortController();
    const watching = this.#watchWish(AbortSignal.any([over.signal, signal]));
    try {
      await this.#tryUntilDone();
      await this.#end('done');
    } catch (error) {
      if (signal.aborted || this.#left.signal.aborted) return;
      if (this.#cancel.signal.aborted) await this.#end('cancelled');
      else await this.#fail(error);
    } finally {
      over.abort();
      await watching;
    }
  }

  /** The database goes first: of a run that has ended nothing is left, and one that dies in between is begun anew. */
  async #end(state: 'done' | 'cancelled' | 'failed', error?: CodedError): Promise<void> {
    const { run, store, logger } = this.#options;
    await dropShadow(store, this.#database).catch((failure: unknown) =>
      logger.warn({ flow: run.flow, error: describeError(failure) }, 'the database of a verify was not dropped'),
    );
    await setRunState(store, run.id, state, error);
  }

  get #database(): string {
    const { store, service } = this.#options;
    return verifyDatabaseOf(store.database, service.name);
  }

  /** What may pass is tried again, from the beginning; what was paused, from its shadow. */
  async #tryUntilDone(): Promise<void> {
    for (let told = ''; ;) {
      const before = this.#made;
      try {
        await this.#standWhilePaused();
        return await this.#verify(AbortSignal.any([this.#signal, this.#pause.signal]));
      } catch (error) {
        if (this.#signal.aborted) throw error;
        if (this.#pause.signal.aborted) continue;
        this.#made = undefined;
        if (before === undefined && (!(error instanceof CodedError) || error.class !== 'retry')) throw error;
        told = this.#tellRetry(error, told);
        await sleep(retryMs, this.#signal);
      }
    }
  }

  /** Once for each cause; gives it. */
  #tellRetry(error: unknown, told: string): string {
    const { logger, run } = this.#options;
    const code = error instanceof CodedError ? error.code : 'INTERNAL';
    if (code !== told) logger.warn({ flow: run.flow, run: run.id, error: describeError(error) }, 'verify will be tried again');
    return code;
  }

  /** Returns when it may go on. */
  async #standWhilePaused(): Promise<void> {
    const { store, run, logger } = this.#options;
    for (let isTold = false; ;) {
      this.#signal.throwIfAborted();
      const now = await readRun(store, run.id).catch(() => undefined); // the store is asked again
      const isPaused = now?.wish === 'pause' || (now?.state === 'paused' && now.wish !== 'resume');
      if (now !== undefined && !isPaused) break;
      if (now?.wish === 'pause') await setRunState(store, run.id, 'paused');
      if (isPaused && !isTold) logger.info({ flow: run.flow, run: run.id }, 'verify is paused');
      isTold ||= isPaused;
      await sleep(pollMs, this.#signal);
    }
    this.#pause = new AbortController();
  }

  async #fail(error: unknown): Promise<void> {
    const { run, logger } = this.#options;
    const coded =
      error instanceof CodedError ? asVerify(error) : new CodedError('INTERNAL', describeError(error), { cause: error });
    logger.error({ flow: run.flow, run: run.id, code: coded.code, error: coded.message }, 'verify failed');
    await this.#end('failed', coded);
  }

  async #watchWish(signal: AbortSignal): Promise<void> {
    const { store, run, service } = this.#options;
    while (!signal.aborted && !this.#cancel.signal.aborted) {
      if (!service.isHolder) return this.#left.abort();
      const now = await readRun(store, run.id).catch(() => undefined); // the store is asked again
      if (now?.wish === 'cancel') this.#cancel.abort();
      if (now?.wish === 'pause') this.#pause.abort();
      await sleep(pollMs, signal);
    }
  }

  async #verify(signal: AbortSignal): Promise<void> {
    const { store, run } = this.#options;
    const subject = this.#subject;
    await setRunState(store, run.id, 'running');
    const { tables, owned, shared } = subject.inShadow(this.#database);
    if (run.options.repair === true) await requireNoState(store, [store.database], run.flow);
    const details = await this.#make(subject, { tables, signal });
    const shadow = await openShadow({ ...this.#options, flow: subject, details, from: undefined });
    try {
      await this.#catchUp(shadow, { details, signal });
      const isCurrent = (): boolean => this.#subject.fingerprint === subject.fingerprint;
      const compared = new ComparedFlow({ ...this.#options, shadow, isCurrent, tables, owned, shared, signal });
      await compared.compare();
      if (run.options.repair === true) await compared.mend();
    } finally {
      await shadow.close(this.#pause.signal.aborted ? 'softly' : 'at once');
    }
  }

  /** An empty shadow, in place of what is left of one; or the one of the same version that was paused. */
  async #make(
    { fingerprint }: DaemonFlow,
    { tables, signal }: { readonly tables: readonly string[]; readonly signal: AbortSignal },
  ): Promise<RebuildDetails> {
    const { store, run } = this.#options;
    const database = this.#database;
    if (this.#made?.fingerprint === fingerprint) return this.#made;
    await makeShadow(store, { flow: run.flow, main: store.database, shadow: database, tables }, signal);
    this.#made = { database, tables: [...tables], definitions: '', fingerprint };
    return this.#made;
  }

  get #subject(): DaemonFlow {
    const subject = this.#options.service.subjects.at(-1);
    if (subject === undefined) throw new CodedError('INTERNAL', 'A flow has no version.');
    if (isExternal(subject)) throw impossible(subject.flow.name, 'it writes outside the store as well');
    return subject;
  }

  /** Until the shadow is where the flow is. */
  async #catchUp(
    shadow: Shadow,
    { details, signal }: { readonly details: RebuildDetails; readonly signal: AbortSignal },
  ): Promise<void> {
    const { store, service, run } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      if (shadow.hasEnded) {
        const { error } = shadow.service.report;
        throw new CodedError(
          error?.code ?? 'VERIFY_NOT_STANDING',
          `Computed anew, the flow has failed: ${error?.message ?? 'it has ended'}`,
          {
            class: error?.class ?? 'retry',
          },
        );
      }
      const done = service.live?.feed.underWay.done;
      const { received } = shadow.service;
      const isRead = await copyProgress(store, { run, details });
      if (isRead)
        await requireTablesRead(store, { flow: run.flow, database: details.database, named: this.#subject.snapshot.named });
      if (isRead && !service.isLoading && done !== undefined && received !== undefined && hasPassed(received, done)) return;
      await sleep(pollMs / 5, signal);
    }
  }
}

/** It cannot be computed anew for the same reasons for which it cannot be rebuilt. */
function asVerify(error: CodedError): CodedError {
  if (error.code !== 'REBUILD_IMPOSSIBLE') return error;
  return new CodedError('VERIFY_IMPOSSIBLE', error.message.replace('cannot be rebuilt', 'cannot be verified'), { cause: error });
}

function impossible(flow: string, why: string): CodedError {
  return new CodedError('VERIFY_IMPOSSIBLE', `Flow ${flow} cannot be verified: ${why}.`);
}
