import { aborted, deferred, sleep, type Deferred } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { discardDeadRows, readParkedRows, readWishes, removeParkedRows, updateParkedRow } from '../repair/parked-row.ts';
import type { ParkedOutcome, ParkedRow } from '../repair/parked-row.ts';
import type { StoreTransaction } from '../store/contract.ts';
import type { Store } from '../store/open.ts';
import { MarkedError, markFields } from './bad-rows.ts';
import type { DeadMark } from './batch.ts';
import { requireFewDead } from './keep-dead.ts';
import { isWanted, keptRunId, outcomeOf, readKept, rowOf, type Failure, type Kept } from './kept-run.ts';
import { withoutFollowers, type KeptCounts, type Park } from './park.ts';
import type { RunningFlow } from './running-flow.ts';

export interface KeptRun {
  readonly id: string;
  /** Called at the end, in the transaction. */
  readonly settle: (transaction: StoreTransaction) => Promise<void>;
  /** Some of the rows lack columns. */
  readonly hasPartialRows?: boolean;
  /** What the rows are; absent where there are none. */
  readonly kept?: readonly Kept[];
}

/** Runs rows of one flow between its batches. */
export interface KeptRunner {
  readonly running: RunningFlow;
  /**
   * Runs the flow over rows, in a transaction that leaves the position as it is, and `settle` at its end. Rejects with a MarkedError,
   * whose marks count in `rows`, when it is about rows.
   */
  runKept(rows: readonly unknown[], run: KeptRun): Promise<void>;
}

export interface ParkedTriesOptions {
  readonly store: Pick<Store, 'query'>;
  readonly park: Park;
  readonly runner: KeptRunner;
  readonly logger: Logger;
}

/** So many rows are tried at once. */
const rowsMax = 500;
/** So many wishes are taken at once. */
const wishesMax = 5000;
/** Wishes that failed with an error that may pass are taken again so much later. */
const retryMs = 1000;
/** A round of tries ends when it has taken so long: batches wait for it. */
const roundMs = 500;

/** Tries the rows that wait again, and does what operators want of dead ones, while no batch of their flow is under way. */
export class ParkedTries {
  readonly #options: ParkedTriesOptions;
  /** When the store is to be asked for wishes that were not taken yet, by performance.now(); Infinity where it has none. */
  #wishesAt = Number.POSITIVE_INFINITY;
  #wished: Deferred<void> | undefined;

  constructor(options: ParkedTriesOptions) {
    this.#options = options;
  }

  get #flow(): string {
    return this.#options.runner.running.flow.name;
  }

  get counts(): KeptCounts {
    return this.#options.park.counts;
  }

  /** Whether there is anything to try or to do by itself: dead rows, and those behind them, stay until they are wished. */
  get hasWork(): boolean {
    return this.#wishesAt !== Number.POSITIVE_INFINITY || this.#options.park.waiting > 0;
  }

  /** So many rows wait that no more changes should be taken. */
  get isFull(): boolean {
    return this.#options.park.isFull;
  }

  /** Whether so many more rows may be dead, or behind dead ones. */
  hasRoomFor(count: number): boolean {
    return this.#options.park.held + count <= this.#options.runner.running.badRows.heldMax;
  }

  /** When the next round should be, by performance.now(); Infinity when there is nothing to do. */
  get dueAt(): number {
    return Math.min(this.#wishesAt, this.#options.park.retryAt);
  }

  /** Resolves when the next round is due, or when the signal aborts; only the last promise that was asked for does. */
  async due(signal: AbortSignal): Promise<void> {
    this.#wished = deferred();
    const { dueAt } = this;
    const round = dueAt === Number.POSITIVE_INFINITY ? aborted(signal) : sleep(Math.max(0, dueAt - performance.now()), signal);
    await Promise.race([this.#wished.promise, round]);
  }

  /** An operator wants something of dead rows. */
  noteWishes(): void {
    this.#wishesAt = 0;
    this.#wished?.resolve();
  }

  /** Reads what the store has: at the start of a run, and after a failure. */
  async load(): Promise<void> {
    const { store, park } = this.#options;
    park.load(await readParkedRows(store, this.#flow, { after: '0' }), performance.now());
    this.#wishesAt = 0;
  }

  /** Each row has its turn, as far as the time goes. Rejects when the flow has to stop. */
  async round(): Promise<void> {
    const { park, logger } = this.#options;
    const until = performance.now() + roundMs;
    let before = park.waiting;
    try {
      if (this.#wishesAt <= performance.now()) await this.#takeWishes();
      before = park.waiting;
      for (let seen = 0; seen < before && performance.now() < until;) {
        const rows = park.take(rowsMax);
        seen += Math.max(rows.length, 1);
        await this.#tryRows(rows);
      }
    } catch (error) {
      if (!(error instanceof CodedError) || error.class !== 'retry') throw error;
      logger.info({ flow: this.#flow, code: error.code, error: describeError(error) }, 'rows that wait will be tried again');
      await this.load();
      this.#wishesAt = performance.now() + retryMs;
    }
    park.tried(park.waiting < before, performance.now());
  }

  /** Gives up what is to be discarded, and lets what is to be retried have its turn. */
  async #takeWishes(): Promise<void> {
    const { store, park, runner, logger } = this.#options;
    this.#wishesAt = Number.POSITIVE_INFINITY;
    const wishes = await readWishes(store, this.#flow, wishesMax);
    if (wishes.length === 0) return;
    const discarded = wishes.flatMap(({ row, wish }) => (wish === 'discard' ? [row.id] : []));
    const retried = wishes.flatMap(({ row, wish }) => (wish === 'retry' ? [row] : []));
    if (discarded.length > 0) {
      await runner.runKept([], { id: '', settle: (transaction) => discardDeadRows(transaction, discarded, 'kisflow dead-rows discard') }); // prettier-ignore
      park.release(discarded, performance.now());
    }
    if (retried.length > 0) park.wish(retried, performance.now());
    logger.info({ flow: this.#flow, retry: retried.length, discard: discarded.length }, 'wishes about dead rows are taken');
  }

  async #tryRows(rows: readonly ParkedRow[]): Promise<void> {
    const { store, park, runner } = this.#options;
    const failed = new Set<string>();
    for (let left = rows; left.length > 0;) {
      const { kept, gone, count } = await readKept(store, left);
      park.remove(gone);
      // outside the store a row is known by the id of its run, which must be the same when it is run again after a crash
      for (const part of runner.running.isExternal ? kept.map((one) => [one]) : [kept]) {
        for (const id of await this.#try(without(kept, failed, part))) failed.add(id);
      }
      const later = new Set(left.slice(count));
      left = withoutFollowers(rows, failed).filter((row) => later.has(row));
    }
  }

  /** Applies all that can be applied; gives the ids of the rows that cannot. */
  async #try(kept: readonly Kept[]): Promise<ReadonlySet<string>> {
    const failures = new Map<Kept, Failure>();
    const failed = new Set<string>();
    for (let left = kept; left.length > 0; left = without(left, failed)) {
      const error = await this.#attempt(left);
      if (error === undefined) break;
      if (error.marks.length === 0 && left.length > 1) {
        await this.#noteFailures(failures);
        return new Set([...failed, ...(await this.#tryHalves(left))]);
      }
      const [first] = left;
      if (error.marks.length === 0 && first !== undefined) failures.set(first, markFields(error));
      for (const [one, mark] of firstOfKeys(left, error.marks)) failures.set(one, mark);
      for (const { row } of failures.keys()) failed.add(row.id);
    }
    await this.#noteFailures(failures);
    return failed;
  }

  async #tryHalves(kept: readonly Kept[]): Promise<ReadonlySet<string>> {
    const half = Math.ceil(kept.length / 2);
    const failed = new Set(await this.#try(kept.slice(0, half)));
    const second = without(kept, failed).filter((one) => kept.indexOf(one) >= half);
    for (const id of await this.#try(second)) failed.add(id);
    return failed;
  }

  /** One run over these rows: they are applied and forgotten, or the error names those that stand in the way. */
  async #attempt(kept: readonly Kept[]): Promise<MarkedError | undefined> {
    const { runner, park } = this.#options;
    const { running } = runner;
    const ids = kept.map(({ row }) => row.id);
    const wanted = kept.filter((one) => isWanted(one, running.shape));
    const id = keptRunId(this.#flow, kept.map(({ row }) => row)); // prettier-ignore
    const hasPartialRows = kept.some(({ change }) => change.absentColumns.length > 0);
    try {
      const rows = wanted.map((one) => rowOf(one, running));
      await runner.runKept(rows, { id, hasPartialRows, kept: wanted, settle: (transaction) => removeParkedRows(transaction, ids) });
    } catch (error) {
      if (!(error instanceof MarkedError)) throw error;
      const marks = error.marks.flatMap((mark) => {
        const one = wanted[mark.index];
        return one === undefined ? [] : [{ ...mark, index: kept.indexOf(one) }];
      });
      return new MarkedError(error, { fname: String(error.details.function ?? ''), marks, waitMs: error.waitMs });
    }
    park.remove(ids);
    return undefined;
  }

  /** Rows whose time is over, or that fail for another reason, are dead or skipped; those that come to wait only now begin to. */
  async #noteFailures(failures: ReadonlyMap<Kept, Failure>): Promise<void> {
    const { runner, park } = this.#options;
    const { onBadRow, perMinuteMax } = runner.running.badRows;
    const now = performance.now();
    const outcomes = new Map<ParkedRow, ParkedOutcome>();
    for (const [kept, failure] of failures) {
      const outcome = outcomeOf(kept.row, failure, { onBadRow, now });
      if (outcome === 'stop') throw this.#stopError(kept, failure);
      if (outcome !== 'goes on') outcomes.set(kept.row, outcome);
    }
    if (outcomes.size === 0) return;
    const bad = [...outcomes.values()].filter(({ state, isNew }) => state !== 'waiting' && isNew);
    await runner.runKept([], {
      id: '',
      settle: async (transaction) => {
        await requireFewDead(transaction, { flow: this.#flow, perMinuteMax, more: bad.length, last: bad.at(-1) });
        for (const outcome of outcomes.values()) await updateParkedRow(transaction, outcome);
      },
    });
    for (const [row, { id, state, waitMs }] of outcomes) {
      const isDead = state === 'dead';
      if (state === 'skipped') park.release([id], now);
      else park.replace({ ...row, state, isWished: false, tries: row.tries + (isDead ? 1 : 0), deadline: isDead ? Number.POSITIVE_INFINITY : now + waitMs }); // prettier-ignore
    }
  }

  #stopError({ row, change }: Kept, failure: Pick<Failure, 'code' | 'message' | 'fname'>): CodedError {
    const flow = this.#flow;
    const key = JSON.stringify(Object.fromEntries(change.key.map((name) => [name, (change.after ?? change.before)?.[name]])));
    const message = `Flow ${flow} at ${change.position} (${change.op} of ${change.table} ${key}, kept as ${row.id}): ${failure.message}`;
    const details = { flow, function: failure.fname, position: change.position, table: change.table, key };
    return new CodedError(failure.code, message, { class: 'row', details });
  }
}

/** Those of `part` that do not come behind a row of `failed`; all of them are of `kept`. */
function without(kept: readonly Kept[], failed: ReadonlySet<string>, part: readonly Kept[] = kept): readonly Kept[] {
  const left = new Set(withoutFollowers(kept.map(({ row }) => row), failed)); // prettier-ignore
  return part.filter(({ row }) => left.has(row));
}

/** Of the rows that these marks name those that come behind none of the others, which are looked at in their turn. */
function firstOfKeys(kept: readonly Kept[], marks: readonly DeadMark[]): readonly (readonly [Kept, DeadMark])[] {
  const keys = new Set<string>();
  const first: [Kept, DeadMark][] = [];
  for (const mark of [...marks].sort((a, b) => a.index - b.index)) {
    const one = kept[mark.index];
    if (one === undefined) continue;
    if (!one.row.keys.some((key) => keys.has(key))) first.push([one, mark]);
    for (const key of one.row.keys) keys.add(key);
  }
  return first;
}
