import type { ParkedRow } from '../repair/parked-row.ts';
import type { Batch, RowShape } from './batch.ts';
import { markFollowers, type ComingWaits, type Waits } from './park-marks.ts';

/** More rows than this do not wait apart: the flow waits as a whole until there are fewer. */
const waitingMax = 10_000;
const retryMsMin = 100;
const retryMsMax = 2000;

/** How many rows of a flow are kept that may still be applied, by their state. */
export interface KeptCounts {
  readonly dead: number;
  readonly waiting: number;
  /** Behind a dead or a waiting one. */
  readonly parked: number;
}

/**
 * The rows of one flow that are dead or wait for something, and the later changes of their keys behind them, in order (L5). The store
 * has them; this is what is known of them in memory: hashes of their keys.
 *
 *     batch ── a Load finds nothing ──► waiting ── later changes of its key ──► parked behind it
 *                                          └── tried again ──► found: applied, then those behind it; time over: dead
 *           ── it is refused ─────────► dead ───── later changes of its key ──► parked behind it
 *                                          └── wished: tried again ──► applied, then those behind it; or dead again
 *
 * A row is held that is dead, or behind a dead one: nothing but an operator's wish moves it. The others are tried by themselves.
 */
export class Park implements Waits {
  /** By id, which is their order. */
  readonly #rows = new Map<string, ParkedRow>();
  /** How many rows each key has, and each table. */
  readonly #keys = new Map<string, number>();
  readonly #tables = new Map<string, number>();
  readonly #heldKeys = new Set<string>();
  #counts: KeptCounts = { dead: 0, waiting: 0, parked: 0 };
  #held = 0;
  /** What is held has to be counted anew. */
  #isStale = false;
  #lastId = '0';
  /** Of batches that are under way. */
  readonly #coming = new Map<Batch, ComingWaits>();
  #retryAt = Number.POSITIVE_INFINITY;
  #retryMs = retryMsMin;
  /** Which row's turn it is to be tried. */
  #turn = 0;

  get counts(): KeptCounts {
    return this.#counts;
  }

  /** The highest id that there was; '0' where there was none. */
  get lastId(): string {
    return this.#lastId;
  }

  /** How many are dead or behind a dead one. */
  get held(): number {
    this.#count();
    return this.#held;
  }

  /** How many are tried by themselves. */
  get waiting(): number {
    return this.#rows.size - this.held;
  }

  get isFull(): boolean {
    return this.waiting >= waitingMax;
  }

  /** When the rows should be tried again, by performance.now(); Infinity when none should. */
  get retryAt(): number {
    return this.waiting === 0 ? Number.POSITIVE_INFINITY : this.#retryAt;
  }

  hasTable(table: string): boolean {
    return this.#tables.has(table);
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  isHeld(key: string): boolean {
    this.#count();
    return this.#heldKeys.has(key);
  }

  /** What the store has, in order. */
  load(rows: readonly ParkedRow[], now: number): void {
    this.#rows.clear();
    this.#keys.clear();
    this.#tables.clear();
    this.#counts = { dead: 0, waiting: 0, parked: 0 };
    this.#lastId = '0';
    this.#isStale = true;
    this.#retrySoon(now + retryMsMin);
    this.add(rows, now);
  }

  /** Rows that a batch has added to the store. */
  add(rows: readonly ParkedRow[], now: number): void {
    const waitingBefore = this.waiting;
    for (const row of rows) {
      this.#rows.set(row.id, row);
      this.#tally(row, 1);
      if (isLater(row.id, this.#lastId)) this.#lastId = row.id;
      if (isHolding(row) || this.#isBehind(row)) this.#hold(row);
    }
    if (this.waiting > waitingBefore) this.#retrySoon(now + retryMsMin);
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (row === undefined) continue;
      this.#rows.delete(id);
      this.#tally(row, -1);
      if (isHolding(row) || this.#isBehind(row)) this.#isStale = true;
    }
  }

  /** What has become of a row that was tried. */
  replace(row: ParkedRow): void {
    const before = this.#rows.get(row.id);
    if (before === undefined) return;
    this.#tally(before, -1);
    this.#tally(row, 1);
    this.#rows.set(row.id, row);
    if (isHolding(before) !== isHolding(row)) this.#isStale = true;
  }

  /** Dead rows that an operator wants to be tried again: at once. */
  wish(rows: readonly ParkedRow[], now: number): void {
    for (const row of rows) {
      const known = this.#rows.get(row.id);
      if (known === undefined) this.add([{ ...row, isWished: true }], now);
      else this.replace({ ...known, isWished: true });
    }
    this.#retrySoon(now);
  }

  /** Rows that others waited behind are gone: these are tried at once. */
  release(ids: readonly string[], now: number): void {
    this.remove(ids);
    this.#retrySoon(now);
  }

  /** A try is over: when none of them could be applied the next one comes later. */
  tried(hadSuccess: boolean, now: number): void {
    this.#retryMs = hadSuccess ? retryMsMin : Math.min(this.#retryMs * 2, retryMsMax);
    this.#retryAt = now + this.#retryMs;
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
      if (isHolding(row) || row.keys.some((key) => blocked.has(key))) for (const key of row.keys) blocked.add(key);
      else taken.push(row);
    }
    return taken;
  }

  /** The batch with every change marked that has to wait behind another one. Nothing is looked at where nothing waits. */
  mark(whole: Batch, shape: RowShape): Batch {
    const others = [...this.#coming].filter(([batch]) => batch !== whole).map(([, coming]) => coming);
    if (this.#rows.size === 0 && others.length === 0 && whole.dead.length === 0) return whole;
    const { batch, coming } = markFollowers(whole, { shape, before: [this, ...others] });
    this.#coming.delete(whole);
    if (batch.dead.length > 0) this.#coming.set(batch, coming);
    return batch;
  }

  /** How many rows would be held with this batch and those before it that are under way. */
  heldWith(batch: Batch): number {
    let held = this.held;
    for (const [other, coming] of this.#coming) {
      held += coming.held;
      if (other === batch) break;
    }
    return held;
  }

  /** A batch is under way no more: it is committed, and its rows have been added; or all are to be marked anew. */
  settle(batch?: Batch): void {
    if (batch === undefined) this.#coming.clear();
    else this.#coming.delete(batch);
  }

  #retrySoon(at: number): void {
    this.#retryMs = retryMsMin;
    this.#retryAt = at;
  }

  #tally({ state, keys, table }: ParkedRow, by: 1 | -1): void {
    this.#counts = { ...this.#counts, [state]: this.#counts[state] + by };
    countUp(this.#tables, table, by);
    for (const key of keys) countUp(this.#keys, key, by);
  }

  /** It shares a key with a row that is held. */
  #isBehind({ keys }: ParkedRow): boolean {
    return keys.some((key) => this.#heldKeys.has(key));
  }

  #hold(row: ParkedRow): void {
    this.#held += 1;
    for (const key of row.keys) this.#heldKeys.add(key);
  }

  #count(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#held = 0;
    this.#heldKeys.clear();
    for (const row of this.#rows.values()) {
      if (isHolding(row) || this.#isBehind(row)) this.#hold(row);
    }
  }
}

/** Later rows of its keys wait until an operator says what becomes of it. */
function isHolding({ state, isWished }: ParkedRow): boolean {
  return state === 'dead' && !isWished;
}

function isLater(id: string, than: string): boolean {
  return id.length === than.length ? id > than : id.length > than.length;
}

function countUp(counts: Map<string, number>, name: string, by: number): void {
  const count = (counts.get(name) ?? 0) + by;
  if (count > 0) counts.set(name, count);
  else counts.delete(name);
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
