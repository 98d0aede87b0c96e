import { describeError, CodedError } from '../lib/error.ts';
import { Backoff } from '../lib/backoff.ts';
import { deferred, sleep } from '../lib/abort.ts';
import type { Logger } from '../lib/logger.ts';
import { formatPosition } from '../row/position.ts';
import { BatchTransaction } from '../checkpoint/batch-transaction.ts';
import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import type { Flow, RunFlow } from '../flow/contract.ts';
import type { Store } from '../store/open.ts';
import type { Lease, LeaseKeeper } from '../store/lease.ts';
import type { StoreSession } from '../store/session.ts';
import type { Watchdog } from './watchdog.ts';
import { batchId, batchRows, splitBatch, type Batch, type RowShape } from './batch.ts';

export interface BatchRunnerOptions {
  readonly flow: Flow;
  readonly shape: RowShape;
  readonly hasGtid: boolean;
  readonly store: Store;
  readonly session: StoreSession;
  readonly leases: LeaseKeeper;
  readonly lease: Lease;
  /** The sequence number of the flow's checkpoint. */
  readonly sequence: number;
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

interface Failure {
  readonly cause: unknown;
  readonly retry: Backoff;
  /** When the batch failed for the first time, in milliseconds since 1970. */
  readonly since: number;
}

/** The flow as batches run it. */
interface RunningFlow {
  readonly flow: Flow;
  readonly shape: RowShape;
  /** What the watchdog is told, for each step. */
  readonly activities: readonly string[];
  /** Index of the first step of those at the end that have no code of the user. */
  readonly trailing: number;
}

/** A batch under way. `committed` settles with its commit; `computed` when the next batch may begin beside it. */
export interface Attempt {
  readonly batch: Batch;
  readonly sequence: number;
  readonly computed: Promise<void>;
  readonly committed: Promise<void>;
}

/**
 * Runs batches of one flow and commits them, in order, each exactly once.
 *
 * `begin` starts a batch beside the one before: its functions run while that one's rows are written and committed, its own
 * statements wait for that. When one fails, everything begun is thrown away and `recover` does it again one by one: after a
 * rollback or on a new connection, skipping what the checkpoint shows to be committed after all, and halving a batch that
 * fails because of one of its rows.
 */
export class BatchRunner {
  readonly #options: BatchRunnerOptions;
  #running: RunningFlow;
  #session: StoreSession;
  #sequence: number;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
    this.#session = options.session;
    this.#sequence = options.sequence;
    this.#running = prepare(options);
  }

  /** Another version of the flow, between two batches. */
  replace(next: Pick<BatchRunnerOptions, 'flow' | 'shape'>): void {
    this.#running = prepare(next);
  }

  /** Begins a batch; it sends its first statement when `gate` has resolved, the commit of the batch before. */
  begin(batch: Batch, gate: Promise<void>): Attempt {
    const sequence = this.#sequence;
    this.#sequence += 1;
    const computed = deferred<void>();
    const committed = this.#run(batch, { sequence, gate, onComputed: () => computed.resolve() }).finally(() => computed.resolve());
    committed.catch(() => {}); // whoever awaits `committed` gets the error; nobody may be awaiting it yet
    return { batch, sequence, computed: computed.promise, committed };
  }

  /** Does these batches again after one of them failed with `error`. Rejects when the flow has to stop. */
  async recover(attempts: readonly Attempt[], error: unknown): Promise<void> {
    await Promise.allSettled(attempts.map((attempt) => attempt.committed));
    this.#sequence = attempts[0]?.sequence ?? this.#sequence;
    let todo: readonly Batch[] = attempts.map((attempt) => attempt.batch);
    let failure: Failure | undefined = this.#newFailure(error);
    while (todo.length > 0) {
      if (failure !== undefined) todo = await this.#prepareRetry(todo, failure);
      const batch = todo[0];
      if (batch === undefined) return;
      this.#options.atBoundary();
      try {
        await this.begin(batch, Promise.resolve()).committed;
        todo = todo.slice(1);
        failure = undefined;
      } catch (cause) {
        this.#sequence -= 1;
        failure = failure === undefined ? this.#newFailure(cause) : { ...failure, cause };
      }
    }
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
    const { flow, shape, trailing } = this.#running;
    let hasOwnCodeLeft = true;
    const transaction = new BatchTransaction({
      session: this.#session,
      store,
      gate: run.gate,
      // not before: what the next batch computes would keep this one's statement from being sent
      onSent: () => {
        if (!hasOwnCodeLeft) run.onComputed();
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
    const { rows, filtered } = batchRows(batch, shape);
    if (rows.length > 0 && flow.isEnabled) {
      const scope = { id: batchId(flow.name, batch), flow: flow.name, store: transaction, signal, logger };
      const watched = this.#watchSteps();
      await this.#options
        .runFlow(flow, rows, scope, {
          onStep: (index) => {
            watched.enter(index);
            hasOwnCodeLeft = index < trailing;
          },
        })
        .finally(() => watched.leave());
    }
    hasOwnCodeLeft = false;
    await transaction.commit();
    this.#options.onCommit(batch, filtered);
  }

  /** Tells the watchdog which function with code of a run is under way. */
  #watchSteps(): { enter(index: number): void; leave(): void } {
    const { watchdog } = this.#options;
    const { flow, activities } = this.#running;
    let activity: string | undefined;
    const leave = (): void => {
      if (activity !== undefined) watchdog.leave(activity);
      activity = undefined;
    };
    return {
      leave,
      enter: (index) => {
        leave();
        if (flow.steps[index]?.definition === undefined) return;
        activity = activities[index];
        if (activity !== undefined) watchdog.enter(activity);
      },
    };
  }

  #newFailure(cause: unknown): Failure {
    return { cause, retry: new Backoff({ firstMs: 100, maxMs: 5000 }), since: Date.now() };
  }

  /** Decides about a failure of the first batch, waits, and gives what is still to be done, with the session ready for it. */
  async #prepareRetry(todo: readonly Batch[], failure: Failure): Promise<readonly Batch[]> {
    const { flow, signal, retryLimitMs, hasGtid } = this.#options;
    const error = toCoded(failure.cause, flow.name);
    const [batch, ...rest] = todo;
    if (signal.aborted || batch === undefined) throw error;
    if (error.class === 'stop' && error.code !== 'LEASE_LOST') throw atBatch(error, flow.name, batch);
    if (error.class === 'retry') {
      if (Date.now() - failure.since > retryLimitMs) throw atBatch(error, flow.name, batch);
      this.#noteRetry(error, failure.retry.tries);
      await sleep(failure.retry.nextMs(), signal);
    }
    const sequence = await this.#restoreSession(failure);
    const isCommitted = sequence === this.#sequence + 1;
    if (!isCommitted && (sequence !== this.#sequence || error.code === 'LEASE_LOST')) throw error;
    this.#sequence = sequence;
    if (isCommitted) {
      this.#options.onCommit(batch, batchRows(batch, this.#running.shape).filtered);
      return rest;
    }
    if (error.class !== 'row') return todo;
    if (batch.size <= 1) throw atBatch(error, flow.name, batch);
    return [...splitBatch(batch, { hasGtid }), ...rest];
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

function prepare({ flow, shape }: Pick<BatchRunnerOptions, 'flow' | 'shape'>): RunningFlow {
  const { steps } = flow;
  let trailing = steps.length;
  while (trailing > 0 && steps[trailing - 1]?.definition === undefined) trailing -= 1;
  return { flow, shape, trailing, activities: steps.map((step) => `flow ${flow.name}, function ${step.fname}`) };
}

function toCoded(error: unknown, flow: string): CodedError {
  if (error instanceof CodedError) {
    // A store that is read-only is usually in the middle of a failover: it is waited for, under its own code.
    if (error.code !== 'STORE_READ_ONLY') return error;
    return new CodedError(error.code, error.message, { class: 'retry', cause: error.cause, details: error.details });
  }
  return new CodedError('INTERNAL', `Flow ${flow}: ${describeError(error)}`, { cause: error });
}

/** Adds where it happened: flow, position, and for a single change its table and key. */
function atBatch(error: CodedError, flow: string, batch: Batch): CodedError {
  const group = batch.size === 1 ? batch.parts.find((part) => part.size > 0)?.groups[0] : undefined;
  const row = group === undefined ? undefined : group.op === 'delete' ? group.before[0] : group.after[0];
  const key = Object.fromEntries((group?.table.primaryKey ?? []).map((name) => [name, row?.[name]]));
  const what = group === undefined ? `${batch.size} changes` : `${group.op} of ${group.table.id} ${JSON.stringify(key)}`;
  const position = formatPosition(batch.start);
  return new CodedError(error.code, `Flow ${flow} at ${position} (${what}): ${error.message}`, {
    class: error.class,
    cause: error.cause,
    details: {
      ...error.details,
      flow,
      position,
      ...(group === undefined ? {} : { table: group.table.id, key: JSON.stringify(key) }),
    },
  });
}
