import { describeError, CodedError } from '../lib/error.ts';
import { deferred, sleep } from '../lib/abort.ts';
import type { Logger } from '../lib/logger.ts';
import { BatchTransaction } from '../checkpoint/batch-transaction.ts';
import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import type { RunFlow } from '../flow/contract.ts';
import { StoredState } from '../flow/stored-state.ts';
import type { Store } from '../store/open.ts';
import type { Lease, LeaseKeeper } from '../store/lease.ts';
import type { StoreSession } from '../store/session.ts';
import type { Watchdog } from './watchdog.ts';
import { markError, withoutBadRows } from './bad-rows.ts';
import { batchId, batchRows, type Batch, type DeadMark } from './batch.ts';
import { atBatch, toCoded } from './batch-error.ts';
import { keepDead } from './keep-dead.ts';
import { judge, newFailure, type Failure } from './failure.ts';
import type { IntentLog } from './intent-log.ts';
import { prepareFlow, watchSteps, type RunnableFlow, type RunningFlow } from './running-flow.ts';

export interface BatchRunnerOptions extends RunnableFlow {
  readonly hasGtid: boolean;
  readonly store: Store;
  readonly session: StoreSession;
  readonly leases: LeaseKeeper;
  readonly lease: Lease;
  /** The sequence number of the flow's checkpoint. */
  readonly sequence: number;
  /** Where batches are kept before they run, of a flow that writes outside the store. */
  readonly intents: Pick<IntentLog, 'keep'>;
  readonly runFlow: RunFlow;
  readonly logger: Logger;
  /** Give up when the same batch could not be committed for this long; Infinity for a daemon. */
  readonly retryLimitMs: number;
  /** Aborts at once: what is in flight is rolled back. */
  readonly signal: AbortSignal;
  readonly onCommit: (batch: Batch, filtered: number) => void;
  readonly onRetry: (error: CodedError) => void;
  /** No batch is under way: this is where the flow may be replaced. */
  readonly atBoundary: () => void;
  readonly watchdog: Pick<Watchdog, 'enter' | 'leave'>;
}

/** How much of a flow's state is kept in memory. */
const stateCache = { entriesMax: 50_000, bytesMax: 16 * 1024 * 1024 } as const;

/** A batch under way. `committed` settles with its commit; `computed` when the next batch may begin beside it: false when it has failed. */
export interface Attempt {
  readonly batch: Batch;
  readonly sequence: number;
  readonly computed: Promise<boolean>;
  readonly committed: Promise<void>;
}

/**
 * Runs batches of one flow and commits them, in order, each exactly once.
 *
 * `begin` starts a batch beside the one before: its functions run while that one's rows are written and committed, its own
 * statements wait for that. When one fails, everything begun is thrown away and `recover` does it again one by one: after a
 * rollback or on a new connection, skipping what the checkpoint shows to be committed after all, and taking rows that cannot be
 * processed out of their batch (see bad-rows.ts).
 */
export class BatchRunner {
  readonly #options: BatchRunnerOptions;
  readonly #state: StoredState;
  #running: RunningFlow;
  #session: StoreSession;
  #sequence: number;
  /** Batches that are not known to be committed, in order: each continues the sequence number behind that of the one before. */
  #pending: readonly Batch[] = [];

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
    this.#session = options.session;
    this.#sequence = options.sequence;
    this.#state = new StoredState({ flow: options.flow.name, cache: stateCache });
    this.#running = prepareFlow(options);
  }

  /** Another version of the flow, between two batches. */
  replace(next: RunnableFlow): void {
    this.#running = prepareFlow(next);
  }

  /** Begins a batch; it sends its first statement when `gate` has resolved, the commit of the batch before. */
  begin(batch: Batch, gate: Promise<void>): Attempt {
    const sequence = this.#sequence;
    this.#sequence += 1;
    if (!this.#pending.includes(batch)) this.#pending = [...this.#pending, batch];
    const computed = deferred<boolean>();
    const committed = this.#run(batch, { sequence, gate, onComputed: () => computed.resolve(true) }).catch((error: unknown) => {
      computed.resolve(false);
      throw error;
    });
    committed.catch(() => {}); // whoever awaits `committed` gets the error; nobody may be awaiting it yet
    return { batch, sequence, computed: computed.promise, committed };
  }

  /** Does these batches again after one of them failed with `error`. Rejects when the flow has to stop. */
  async recover(attempts: readonly Attempt[], error: unknown): Promise<void> {
    await Promise.allSettled(attempts.map((attempt) => attempt.committed));
    this.#sequence = attempts[0]?.sequence ?? this.#sequence;
    let todo: readonly Batch[] = attempts.map((attempt) => attempt.batch);
    let failure: Failure | undefined = newFailure(error);
    let dead = 0;
    let firstDead: DeadMark | undefined;
    try {
      while (todo.length > 0) {
        if (failure !== undefined) [todo, failure] = await this.#prepareRetry(todo, failure);
        todo = this.#passBoundary(todo);
        this.#pending = todo;
        const batch = todo[0];
        if (batch === undefined) return;
        try {
          await this.begin(batch, Promise.resolve()).committed;
          dead += batch.dead.length;
          firstDead ??= batch.dead[0];
          todo = todo.slice(1);
          failure = undefined;
        } catch (cause) {
          this.#sequence -= 1;
          failure = failure === undefined ? newFailure(cause) : { ...failure, cause };
        }
      }
    } finally {
      if (firstDead !== undefined) this.#noteDead(dead, firstDead);
    }
  }

  /** Where the flow may be replaced. What another version found dead and did not commit, this one looks at itself. */
  #passBoundary(todo: readonly Batch[]): readonly Batch[] {
    const before = this.#running;
    this.#options.atBoundary();
    if (this.#running === before) return todo;
    return todo.map((batch) => ({ ...batch, dead: [], deadRounds: 0 }));
  }

  /** Ends the session: at once when nothing is in flight, else by cutting the connection. */
  async close(): Promise<void> {
    await this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  async #run(batch: Batch, run: { sequence: number; gate: Promise<void>; onComputed: () => void }): Promise<void> {
    const { store, lease, logger, signal } = this.#options;
    const running = this.#running;
    const { flow, shape, badRows, trailing } = running;
    // what a batch does outside the store is known by its id, so the next one must not begin while this one may yet be split
    let mayFail = true;
    const transaction = new BatchTransaction({
      session: this.#session,
      store,
      gate: run.gate,
      // not before: what the next batch computes would keep this one's statement from being sent
      onSent: () => {
        if (!mayFail) run.onComputed();
      },
      step: {
        flow: flow.name,
        epoch: lease.epoch,
        sequence: run.sequence,
        position: batch.end,
        time: batch.time,
        rows: batch.size,
      },
    });
    const state = this.#state.begin(transaction);
    const { rows, filtered } = batchRows(batch, shape);
    if (rows.length > 0 && flow.isEnabled) {
      const scope = { id: batchId(flow.name, batch), flow: flow.name, store: transaction, signal, logger };
      if (running.isExternal) await this.#keepIntent(batch, run.sequence);
      const watched = watchSteps(running, this.#options.watchdog);
      let fname = '';
      await this.#options
        .runFlow(flow, rows, scope, {
          state,
          onStep: (index) => {
            watched.enter(index);
            fname = flow.steps[index]?.fname ?? '';
            mayFail = running.isExternal || index < trailing;
          },
        })
        .catch((error: unknown) => {
          throw markError(error, { batch, shape, rows, fname });
        })
        .finally(() => watched.leave());
    }
    mayFail = running.isExternal;
    if (batch.dead.length > 0) await keepDead(transaction, batch, { flow: flow.name, ...badRows });
    await state.flush();
    mayFail = false;
    await transaction.commit();
    state.settle();
    this.#pending = this.#pending.filter((other) => other !== batch);
    this.#options.onCommit(batch, filtered);
  }

  #noteDead(rows: number, { code, fname, message }: DeadMark): void {
    const fields = { flow: this.#options.flow.name, rows, code, function: fname, error: message };
    this.#options.logger.warn(fields, 'rows became dead rows; the first of them is named');
  }

  /** Before a batch runs that may write outside the store: after a crash it has to be the same one, and so have those beside it. */
  async #keepIntent(batch: Batch, sequence: number): Promise<void> {
    const { fingerprint } = this.#running;
    await this.#options.intents.keep(this.#pending, { sequence: sequence - this.#pending.indexOf(batch), fingerprint });
  }

  /** Decides about a failure of the first batch, waits, and gives what is still to be done, with the session ready for it. */
  async #prepareRetry(todo: readonly Batch[], failed: Failure): Promise<readonly [readonly Batch[], Failure]> {
    const { signal, retryLimitMs, hasGtid } = this.#options;
    const { flow, badRows: policy } = this.#running;
    const error = toCoded(failed.cause, flow.name);
    this.#state.clear();
    const [batch, ...rest] = todo;
    if (signal.aborted || batch === undefined) throw error;
    const verdict = judge({ error, batch, failure: failed, flow, retryLimitMs, now: Date.now() });
    if (verdict.kind === 'stop') throw atBatch(error, flow.name, batch);
    const failure = verdict.kind === 'again' ? verdict.failure : failed;
    if (verdict.kind === 'again') {
      this.#noteRetry(error, failure.retry.tries);
      await this.#letGo(error);
      await sleep(failure.retry.nextMs(), signal);
    }
    const sequence = await this.#restoreSession(failure);
    const isCommitted = sequence === this.#sequence + 1;
    if (!isCommitted && (sequence !== this.#sequence || verdict.kind === 'lease')) throw error;
    this.#sequence = sequence;
    if (isCommitted) {
      this.#options.onCommit(batch, batchRows(batch, this.#running.shape).filtered);
      return [rest, failure];
    }
    if (verdict.kind === 'again') return [[verdict.batch, ...rest], failure];
    if (verdict.kind === 'lease') return [todo, failure];
    // what comes is other work: its tries are counted anew
    return [[...withoutBadRows(batch, error, { flow: flow.name, hasGtid, policy }), ...rest], newFailure(error)];
  }

  /** Nothing is held in the store while a batch waits; what a function that ran out of time has sent is ended there. */
  async #letGo(error: CodedError): Promise<void> {
    if (this.#session.isBroken) return;
    if (error.code !== 'FUNCTION_TIMEOUT') return this.#session.rollback().catch(() => {}); // the session is restored later, and says it again
    const { threadId } = this.#session;
    this.#session.destroy();
    await this.#options.store.query(`KILL ${threadId}`).catch(() => {}); // it has ended by itself, or ends with the server
  }

  #noteRetry(error: CodedError, tries: number): void {
    const fields = { flow: this.#options.flow.name, code: error.code, tries, error: describeError(error) };
    if (tries < 3) this.#options.logger.info(fields, 'batch will be tried again');
    else if (tries < 8) this.#options.logger.warn(fields, 'batch will be tried again');
    else this.#options.logger.error(fields, 'batch still fails');
    this.#options.onRetry(error);
  }

  /** Rolls back, on a new connection where the old one is broken; gives the checkpoint's sequence number in the store. */
  async #restoreSession({ retry, since }: Failure): Promise<number> {
    const { flow, lease, store, leases, signal, retryLimitMs } = this.#options;
    for (;;) {
      try {
        if (this.#session.isBroken) {
          this.#session.destroy();
          this.#session = await store.openSession();
          await leases.reconnect(lease, this.#session.threadId);
        } else await this.#session.rollback();
        const checkpoint = await readCheckpoint(this.#session, flow.name);
        await this.#session.rollback();
        if (checkpoint === undefined || checkpoint.epoch !== lease.epoch) {
          throw new CodedError('LEASE_LOST', `Flow ${flow.name} was taken over by another daemon.`);
        }
        return checkpoint.sequence;
      } catch (failure) {
        const error = toCoded(failure, flow.name);
        if (signal.aborted || error.class !== 'retry' || Date.now() - since > retryLimitMs) throw error;
        this.#noteRetry(error, retry.tries);
        this.#session.destroy();
        await sleep(retry.nextMs(), signal);
      }
    }
  }
}
