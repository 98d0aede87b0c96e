import { deferred, sleep } from '../lib/abort.ts';
import { StoredState } from '../flow/stored-state.ts';
import { readParkedRows, type ParkedRow } from '../repair/parked-row.ts';
import type { Position } from '../row/position.ts';
import type { Attempt, BatchRun } from './attempt.ts';
import { noteDead, noteWaiting, withoutBadRows } from './bad-rows.ts';
import type { BatchRunnerOptions } from './batch-runner-options.ts';
import { beginTrail, type BatchTrail } from './batch-trail.ts';
import { batchRows } from './batch-rows.ts';
import { batchId, hasParked, type Batch, type DeadMark } from './batch.ts';
import { atBatch, toCoded } from './batch-error.ts';
import { keepDead, requireRoom } from './keep-dead.ts';
import { judge, newFailure, type Failure } from './failure.ts';
import { FlowSession } from './flow-session.ts';
import { Park } from './park.ts';
import { ParkedTries, type KeptRun } from './parked-tries.ts';
import { Lineage } from './lineage.ts';
import { runRows } from './run-rows.ts';
import { saveChunk } from './save-chunk.ts';
import { subjectOf, subjectOfKept } from './traced-rows.ts';
import { notePassedStatements, passTableStatements } from './table-statements.ts';
import { prepareFlow, type RunnableFlow, type RunningFlow } from './running-flow.ts';

/** How much of a flow's state is kept in memory. */
const stateCache = { entriesMax: 50_000, bytesMax: 16 * 1024 * 1024 } as const;

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
  readonly #session: FlowSession;
  readonly #park = new Park();
  readonly #lineage: Lineage;
  /** Rows that wait, and are tried again between batches. */
  readonly parked: ParkedTries;
  #sequence: number;
  /** Where the last batch ends. */
  #position: Position;
  /** Batches that are not known to be committed, in order: each continues the sequence number behind that of the one before. */
  #pending: readonly Batch[] = [];
  #lastFailed: BatchTrail | undefined;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
    this.#session = new FlowSession(options);
    this.#sequence = options.sequence;
    this.#position = options.position;
    this.#state = new StoredState({ flow: options.flow.name, cache: stateCache });
    this.#running = prepareFlow(options);
    this.#lineage = new Lineage(options.flow.name);
    this.parked = new ParkedTries({ store: options.store, logger: options.logger, park: this.#park, runner: this });
  }

  get running(): RunningFlow {
    return this.#running;
  }

  /** Another version of the flow, between two batches. */
  replace(next: RunnableFlow): void {
    this.#running = prepareFlow(next);
  }

  /** Begins a batch; it sends its first statement when `gate` has resolved, the commit of the batch before. */
  begin(whole: Batch, gate: Promise<void>): Attempt {
    const batch = this.#park.mark(whole, this.#running.shape);
    this.#position = batch.end;
    const sequence = this.#sequence;
    this.#sequence += 1;
    if (!this.#pending.includes(batch)) this.#pending = [...this.#pending, batch];
    const computed = deferred<boolean>();
    const clock = beginTrail(this.#options.observer, this.#running.flow, batch);
    const committed = this.#run(batch, { sequence, gate, clock, onComputed: () => computed.resolve(true) }).catch(
      (error: unknown) => {
        this.#lastFailed = clock;
        clock?.failed(error);
        computed.resolve(false);
        throw error;
      },
    );
    committed.catch(() => {}); // whoever awaits `committed` gets the error; nobody may be awaiting it yet
    return { batch, sequence, computed: computed.promise, committed };
  }

  /** Does these batches again after one of them failed with `error`. Rejects when the flow has to stop. */
  async recover(attempts: readonly Attempt[], error: unknown): Promise<void> {
    await Promise.allSettled(attempts.map((attempt) => attempt.committed));
    this.#sequence = attempts[0]?.sequence ?? this.#sequence;
    let todo: readonly Batch[] = attempts.map((attempt) => attempt.batch);
    let failure: Failure | undefined = newFailure(error);
    let dead: readonly DeadMark[] = [];
    try {
      while (todo.length > 0) {
        if (failure !== undefined) [todo, failure] = await this.#prepareRetry(todo, failure);
        todo = this.#markFirst(this.#passBoundary(todo));
        this.#pending = todo;
        const batch = todo[0];
        if (batch === undefined) return;
        try {
          await this.begin(batch, Promise.resolve()).committed;
          dead = dead.concat(batch.dead);
          todo = todo.slice(1);
          failure = undefined;
        } catch (cause) {
          this.#sequence -= 1;
          failure = failure === undefined ? newFailure(cause) : { ...failure, cause };
        }
      }
      this.#session.noteRecovery();
    } finally {
      noteDead(this.#options.logger, this.#options.flow.name, dead);
    }
  }

  #markFirst([first, ...rest]: readonly Batch[]): readonly Batch[] {
    this.#park.settle();
    return first === undefined ? rest : [this.#park.mark(first, this.#running.shape), ...rest];
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

  async #run(batch: Batch, run: BatchRun): Promise<void> {
    const running = this.#running;
    const { flow, shape, badRows, trailing } = running;
    requireRoom(this.#park, batch, { ...badRows, flow: flow.name });
    // what a batch does outside the store is known by its id, so the next one must not begin while this one may yet be split
    let mayFail = true;
    const transaction = this.#session.begin({
      ...run,
      // not before: what the next batch computes would keep this one's statement from being sent
      onSent: () => {
        if (!mayFail) run.onComputed();
      },
      step: { position: batch.end, time: batch.time, rows: batch.size },
    });
    const state = this.#state.begin(transaction);
    const trace = running.keepsLineage ? this.#lineage.begin(subjectOf(batch, run.sequence)) : undefined;
    const passing = { flow: flow.name, policies: running.tablePolicies, trace };
    const statements = await passTableStatements(transaction, batch, passing);
    const { rows, filtered, ...taken } = batchRows(batch, shape, { takesDefaults: flow.rowImage === 'partial' });
    if (rows.length > 0 && flow.isEnabled) {
      if (running.isExternal) await this.#keepIntent(batch, run.sequence);
      await runRows(rows, {
        ...this.#options,
        running,
        id: batchId(flow.name, batch),
        transaction,
        state,
        observer: run.clock,
        trace,
        onStep: (index) => {
          mayFail = running.isExternal || index < trailing;
        },
        ...taken,
      });
    }
    mayFail = running.isExternal;
    if (batch.chunk !== undefined) await saveChunk(transaction, batch.chunk);
    if (batch.dead.length > 0) await keepDead(transaction, batch, { flow: flow.name, ...badRows });
    const parked = hasParked(batch) ? await readParkedRows(transaction, flow.name, { after: this.#park.lastId }) : [];
    await trace?.flush(transaction);
    await state.flush();
    mayFail = false;
    await transaction.commit();
    state.settle();
    trace?.settle();
    run.clock?.committed({ filtered, statements });
    notePassedStatements(this.#options.logger, flow.name, statements);
    if (parked.length > 0) this.#noteParked(batch, parked);
    this.#park.settle(batch);
    if (statements.some(({ outcome }) => outcome === 'applied')) await this.parked.load();
    this.#pending = this.#pending.filter((other) => other !== batch);
    this.#options.onCommit(batch, filtered);
  }

  /** Rows that were kept are run as a transaction of their own, which continues the sequence and leaves the position. */
  async runKept(rows: readonly unknown[], { id, settle, hasPartialRows = false, kept = [] }: KeptRun): Promise<void> {
    const sequence = this.#sequence;
    const step = { position: this.#position, time: 0, rows: 0 };
    const clock = beginTrail(this.#options.observer, this.#running.flow, { size: rows.length, id });
    const transaction = this.#session.begin({ sequence, gate: Promise.resolve(), clock, onSent: () => {}, step });
    const state = this.#state.begin(transaction);
    const trace = this.#running.keepsLineage ? this.#lineage.begin(subjectOfKept(kept, { sequence, ...step })) : undefined;
    try {
      const places = (): readonly number[] => [...rows.keys()];
      const options = {
        ...this.#options,
        running: this.#running,
        id,
        transaction,
        state,
        observer: clock,
        trace,
        onStep: () => {},
        places,
        hasPartialRows,
      };
      if (rows.length > 0) await runRows(rows, options);
      await settle(transaction);
      await trace?.flush(transaction);
      await state.flush();
      await transaction.commit();
      state.settle();
      trace?.settle();
      clock?.committed({ filtered: 0, statements: [] });
    } catch (failure) {
      clock?.failed(failure);
      const error = toCoded(failure, this.#running.flow.name);
      this.#state.clear();
      if (this.#options.signal.aborted) throw error;
      await this.#session.letGo(error);
      const inStore = await this.#session.restore(newFailure(error));
      if (inStore !== sequence + 1) throw error;
      clock?.committedAfterAll(0);
    }
    this.#sequence = sequence + 1;
  }

  #noteParked({ dead }: Batch, parked: readonly ParkedRow[]): void {
    this.#park.add(parked, performance.now());
    noteWaiting(this.#options.logger, this.#running.flow.name, dead);
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
    const verdict = judge({ error, batch, failure: failed, flow, retryLimitMs, now: performance.now() });
    if (verdict.kind === 'stop') throw atBatch(error, flow.name, batch);
    const failure = verdict.kind === 'again' ? verdict.failure : failed;
    if (verdict.kind === 'again') {
      this.#session.noteRetry(await this.#session.nameHolders(error), failure.retry.tries);
      await this.#session.letGo(error);
      await sleep(failure.retry.nextMs(), signal);
    }
    const sequence = await this.#session.restore(failure);
    const isCommitted = sequence === this.#sequence + 1;
    if (!isCommitted && (sequence !== this.#sequence || verdict.kind === 'lease')) throw error;
    this.#sequence = sequence;
    if (isCommitted) {
      const { filtered } = batchRows(batch, this.#running.shape);
      if (this.#lastFailed?.subject.batch === batch) this.#lastFailed.committedAfterAll(filtered);
      this.#options.onCommit(batch, filtered);
      await this.parked.load(); // last: where it fails, the batch is committed all the same
      return [rest, failure];
    }
    if (verdict.kind === 'again') return [[verdict.batch, ...rest], failure];
    if (verdict.kind === 'lease') return [todo, failure];
    // what comes is other work: its tries are counted anew
    return [[...withoutBadRows(batch, error, { flow: flow.name, hasGtid, policy }), ...rest], newFailure(error)];
  }
}
