import type { ParkedRow } from '../repair/parked-row.ts';
import { changesOf, type Batch, type DeadMark, type RowShape } from './batch.ts';
import { keysOf } from './parked-key.ts';

/** More rows than this do not wait apart: the flow waits as a whole until there are fewer. */
const rowsMax = 10_000;
const retryMsMin = 100;
const retryMsMax = 2000;

/**
 * The rows of one flow that wait for something, and the later changes of their keys behind them, in order (L5). The store has
 * them; this is what is known of them in memory.
 *
 *     batch ── a Load finds nothing ──► waiting ── later changes of its key ──► parked behind it
 *                                          └── tried again ──► found: applied, then those behind it; time over: dead
 */
export class Park {
  /** By id, which is their order. */
  readonly #rows = new Map<string, ParkedRow>();
  /** How many rows each key has. */
  readonly #keys = new Map<string, number>();
  /** Keys of changes that are about to be parked by a batch that is under way. */
  readonly #coming = new Set<string>();
  #retryAt = Number.POSITIVE_INFINITY;
  #retryMs = retryMsMin;
  /** Which row's turn it is to be tried. */
  #turn = 0;

  get size(): number {
    return this.#rows.size;
  }

  /** The id of the last of them; '0' where there is none. */
  get lastId(): string {
    return [...this.#rows.keys()].at(-1) ?? '0';
  }

  get isFull(): boolean {
    return this.#rows.size >= rowsMax;
  }

  /** When the rows should be tried again, by performance.now(); Infinity when there are none. */
  get retryAt(): number {
    return this.#retryAt;
  }

  /** What the store has, in order. */
  load(rows: readonly ParkedRow[], now: number): void {
    this.#rows.clear();
    this.#keys.clear();
    this.#coming.clear();
    this.add(rows, now);
  }

  /** Rows that a batch has added to the store. */
  add(rows: readonly ParkedRow[], now: number): void {
    for (const row of rows) {
      this.#rows.set(row.id, row);
      for (const key of row.keys) this.#keys.set(key, (this.#keys.get(key) ?? 0) + 1);
    }
    this.#retryMs = retryMsMin;
    this.#retryAt = this.#rows.size === 0 ? Number.POSITIVE_INFINITY : now + this.#retryMs;
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) {
      const row = this.#rows.get(id);
      this.#rows.delete(id);
      for (const key of row?.keys ?? []) {
        const left = (this.#keys.get(key) ?? 0) - 1;
        if (left > 0) this.#keys.set(key, left);
        else this.#keys.delete(key);
      }
    }
    if (this.#rows.size === 0) this.#retryAt = Number.POSITIVE_INFINITY;
  }

  replace(row: ParkedRow): void {
    if (this.#rows.has(row.id)) this.#rows.set(row.id, row);
  }

  /** A try is over: when none of them could be applied the next one comes later. */
  tried(hadSuccess: boolean, now: number): void {
    this.#retryMs = hadSuccess ? retryMsMin : Math.min(this.#retryMs * 2, retryMsMax);
    this.#retryAt = this.#rows.size === 0 ? Number.POSITIVE_INFINITY : now + this.#retryMs;
    this.#coming.clear();
  }

  /** The rows to try next, in order, at most so many. Each call goes on behind the one before, so that all of them have their turn. */
  take(count: number): readonly ParkedRow[] {
    const rows = [...this.#rows.values()];
    if (this.#turn >= rows.length) this.#turn = 0;
    const blocked = new Set(rows.slice(0, this.#turn).flatMap(({ keys }) => keys));
    const taken: ParkedRow[] = [];
    for (; this.#turn < rows.length && taken.length < count; this.#turn += 1) {
      const row = rows[this.#turn];
      if (row === undefined) break;
      if (row.keys.some((key) => blocked.has(key))) for (const key of row.keys) blocked.add(key);
      else taken.push(row);
    }
    return taken;
  }

  /** The batch with every change marked that has to wait behind another one. Nothing is looked at where nothing waits. */
  mark(batch: Batch, shape: RowShape): Batch {
    const hasWaiting = batch.dead.some(({ kind }) => kind === 'waiting');
    if (this.#keys.size === 0 && this.#coming.size === 0 && !hasWaiting) return batch;
    const known = new Map(batch.dead.map((mark) => [mark.index, mark.kind]));
    const marks: DeadMark[] = [];
    for (const { group, i, index } of changesOf(batch)) {
      const kind = known.get(index);
      const isReceived = shape === 'change' || group.op !== 'delete';
      if (kind === 'dead' || !isReceived) continue;
      const keys = keysOf(group, i);
      const isBehind = keys.some((key) => this.#coming.has(key) || this.#keys.has(key));
      if (!isBehind && kind === undefined) continue;
      for (const key of keys) this.#coming.add(key);
      if (kind === undefined) marks.push(parkedMark(index));
    }
    if (marks.length === 0) return batch;
    return { ...batch, dead: [...batch.dead, ...marks].sort((a, b) => a.index - b.index) };
  }
}

function parkedMark(index: number): DeadMark {
  const message = 'An earlier change of its key waits; this one waits behind it.';
  return { kind: 'parked', index, fname: '', code: 'ROW_PARKED', message, stack: undefined, waitMs: 0 };
}

/** Those of these rows that do not come behind a row of `failed`, by their keys. */
export function withoutFollowers(rows: readonly ParkedRow[], failed: ReadonlySet<string>): readonly ParkedRow[] {
  const blocked = new Set<string>();
  return rows.filter(({ id, keys }) => {
    const isBlocked = failed.has(id) || keys.some((key) => blocked.has(key));
    if (isBlocked) for (const key of keys) blocked.add(key);
    return !isBlocked;
  });
}
