import { createHash } from 'node:crypto';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { Flow } from '../flow/contract.ts';
import { readParkedChange, readParkedRows, removeParkedRows, updateParkedRow } from '../repair/parked-row.ts';
import type { ParkedChange, ParkedOutcome, ParkedRow } from '../repair/parked-row.ts';
import { makeChange } from '../row/change.ts';
import type { StoreTransaction } from '../store/contract.ts';
import type { Store } from '../store/open.ts';
import { MarkedError, markFields } from './bad-rows.ts';
import type { DeadMark, RowShape } from './batch.ts';
import { requireFewDead } from './keep-dead.ts';
import { withoutFollowers, type Park } from './park.ts';
import type { RunningFlow } from './running-flow.ts';

/** Runs rows of one flow between its batches. */
export interface KeptRunner {
  readonly running: RunningFlow;
  /**
   * Runs the flow over rows, in a transaction that leaves the position as it is, and `settle` at its end. Rejects with a MarkedError,
   * whose marks count in `rows`, when it is about rows.
   */
  runKept(rows: readonly unknown[], options: { readonly id: string; readonly settle: Settle }): Promise<void>;
}

type Settle = (transaction: StoreTransaction) => Promise<void>;

export interface ParkedTriesOptions {
  readonly store: Pick<Store, 'query'>;
  readonly park: Park;
  readonly runner: KeptRunner;
  readonly logger: Logger;
}

interface Kept {
  readonly row: ParkedRow;
  readonly change: ParkedChange;
}

/** What is known of a row's failure. */
type Failure = Omit<DeadMark, 'index'>;

/** So many rows are tried at once. */
const rowsMax = 500;
/** A round of tries ends when it has taken so long: batches wait for it. */
const roundMs = 500;

/** Tries the rows that wait again, while no batch of their flow is under way. */
export class ParkedTries {
  readonly #options: ParkedTriesOptions;

  constructor(options: ParkedTriesOptions) {
    this.#options = options;
  }

  get #flow(): Flow {
    return this.#options.runner.running.flow;
  }

  /** How many rows wait. */
  get size(): number {
    return this.#options.park.size;
  }

  /** So many rows wait that no more changes should be taken. */
  get isFull(): boolean {
    return this.#options.park.isFull;
  }

  /** When the next round should be, by performance.now(); Infinity when no row waits. */
  get dueAt(): number {
    return this.#options.park.retryAt;
  }

  /** Reads what the store has: at the start of a run, and after a failure. */
  async load(): Promise<void> {
    const { store, park } = this.#options;
    park.load(await readParkedRows(store, this.#flow.name, { after: '0' }), performance.now());
  }

  /** Each row has its turn, as far as the time goes. Rejects when the flow has to stop. */
  async round(): Promise<void> {
    const { park, logger } = this.#options;
    const until = performance.now() + roundMs;
    const before = park.size;
    try {
      for (let seen = 0; seen < before && performance.now() < until;) {
        const rows = park.take(rowsMax);
        seen += Math.max(rows.length, 1);
        await this.#tryRows(rows);
      }
    } catch (error) {
      if (!(error instanceof CodedError) || error.class !== 'retry') throw error;
      logger.info({ flow: this.#flow.name, code: error.code, error: describeError(error) }, 'rows that wait will be tried again');
      await this.load();
    }
    park.tried(park.size < before, performance.now());
  }

  async #tryRows(rows: readonly ParkedRow[]): Promise<void> {
    const { store, park } = this.#options;
    const kept: Kept[] = [];
    for (const row of rows) {
      const change = await readParkedChange(store, row.id);
      if (change === undefined) park.remove([row.id]);
      else kept.push({ row, change });
    }
    if (!this.#options.runner.running.isExternal) {
      await this.#try(kept);
      return;
    }
    // outside the store a row is known by the id of its run, which must be the same when it is run again after a crash
    const failed = new Set<string>();
    for (const one of kept) {
      if (without(kept, failed).includes(one)) for (const id of await this.#try([one])) failed.add(id);
    }
  }

  /** Applies all that can be applied; gives the ids of the rows that cannot. */
  async #try(kept: readonly Kept[]): Promise<ReadonlySet<string>> {
    const failures = new Map<Kept, Failure>();
    const failed = new Set<string>();
    for (let left = kept; left.length > 0; left = without(left, failed)) {
      const error = await this.#attempt(left);
      if (error === undefined) break;
      if (error.marks.length === 0 && left.length > 1) return this.#tryHalves(left);
      const [first] = left;
      if (error.marks.length === 0 && first !== undefined) failures.set(first, markFields(error));
      for (const mark of error.marks) {
        const one = left[mark.index];
        if (one !== undefined) failures.set(one, mark);
      }
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
    const ids = kept.map(({ row }) => row.id);
    const wanted = kept.filter(({ change }) => isWanted(change, runner.running.shape));
    const id = createHash('sha256')
      .update(`${this.#flow.name}|kept|${ids.join(',')}`)
      .digest('hex')
      .slice(0, 32);
    try {
      const rows = wanted.map(({ change }) => (runner.running.shape === 'change' ? makeChange(change) : change.after));
      await runner.runKept(rows, { id, settle: (transaction) => removeParkedRows(transaction, ids) });
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

  /** Rows whose time is over, or that fail for another reason, are dead; those that come to wait only now begin to. */
  async #noteFailures(failures: ReadonlyMap<Kept, Failure>): Promise<void> {
    const { runner, park } = this.#options;
    const now = performance.now();
    const outcomes: ParkedOutcome[] = [];
    for (const [kept, { kind, waitMs, fname, code, message, stack }] of failures) {
      const { id, deadline } = kept.row;
      if (kind === 'waiting' && now < deadline && deadline !== Number.POSITIVE_INFINITY) continue;
      const state = kind === 'waiting' && deadline === Number.POSITIVE_INFINITY ? 'waiting' : 'dead';
      if (state === 'dead' && runner.running.badRows.onBadRow === 'stop') throw this.#stopError(kept, { code, message, fname });
      outcomes.push({ id, state, waitMs, fname, code, message, stack });
    }
    if (outcomes.length === 0) return;
    const dead = outcomes.filter(({ state }) => state === 'dead');
    await runner.runKept([], {
      id: '',
      settle: async (transaction) => {
        const { perMinuteMax } = runner.running.badRows;
        await requireFewDead(transaction, { flow: this.#flow.name, perMinuteMax, more: dead.length, last: dead.at(-1) });
        for (const outcome of outcomes) await updateParkedRow(transaction, outcome);
      },
    });
    park.remove(dead.map(({ id }) => id));
    for (const { row } of failures.keys()) {
      const outcome = outcomes.find(({ id, state }) => id === row.id && state === 'waiting');
      if (outcome !== undefined) park.replace({ ...row, deadline: now + outcome.waitMs });
    }
  }

  #stopError({ row, change }: Kept, failure: Pick<Failure, 'code' | 'message' | 'fname'>): CodedError {
    const flow = this.#flow.name;
    const key = JSON.stringify(Object.fromEntries(change.key.map((name) => [name, (change.after ?? change.before)?.[name]])));
    const message = `Flow ${flow} at ${change.position} (${change.op} of ${change.table} ${key}, kept as ${row.id}): ${failure.message}`;
    const details = { flow, function: failure.fname, position: change.position, table: change.table, key };
    return new CodedError(failure.code, message, { class: 'row', details });
  }
}

function without(kept: readonly Kept[], failed: ReadonlySet<string>): readonly Kept[] {
  const left = new Set(withoutFollowers(kept.map(({ row }) => row), failed)); // prettier-ignore
  return kept.filter(({ row }) => left.has(row));
}

function isWanted({ op }: ParkedChange, shape: RowShape): boolean {
  return shape === 'change' || op !== 'delete';
}
