import type { StoreTransaction } from '../store/contract.ts';
import type { BatchState } from './state.ts';
import { StateCache, type StateCacheLimits } from './state-cache.ts';
import type { StateEntry } from './state-entry.ts';
import { readOver, type StateRange } from './state-range.ts';
import { expiredMax, readEntries, readRange, removeExpired, valueCharsMax, writeEntries, type StateChange } from './state-table.ts';

/** How often expired entries are looked for. */
const cleanEveryMs = 60_000;

/**
 * The state of one flow in the store, over its batches.
 *
 * Batches are begun in order, each beside the commit of the one before, when all that one's functions have ended. What a batch
 * reads is, in this order: its own changes, those of the batch before while that has not committed, what is known to be
 * committed (the cache), and the store, through the batch's transaction, which waits for the commit before. When a batch fails,
 * everything begun is done again: `clear` then forgets all that is not in the store, the cache too, because whether a failed
 * commit happened is not known.
 */
export class StoredState {
  readonly #flow: string;
  readonly #cache: StateCache;
  #open: OpenState[] = [];
  #cleanAt = 0;

  constructor(options: { readonly flow: string; readonly cache: StateCacheLimits }) {
    this.#flow = options.flow;
    this.#cache = new StateCache(options.cache);
  }

  /** The state of the next batch. Its end is `flush` and, when the transaction has committed, `settle`. */
  begin(store: StoreTransaction): OpenState {
    const state: OpenState = new OpenState({
      store,
      flow: this.#flow,
      findCommitted: (id) => this.#cache.get(id),
      findBefore: (id) => this.#findBefore(state, id),
      changesBefore: () => this.#open.slice(0, Math.max(this.#open.indexOf(state), 0)).flatMap((other) => [...other.changes]),
      onRead: (id, entry) => {
        if (this.#open.includes(state)) this.#cache.set(id, entry);
      },
      onSettled: (changes) => this.#settle(state, changes),
      clean: () => this.#clean(store),
    });
    this.#open.push(state);
    return state;
  }

  /** A batch has failed, and all that were begun are done again. */
  clear(): void {
    this.#open = [];
    this.#cache.clear();
  }

  /** The latest change of a batch before this one that has not committed. */
  #findBefore(state: OpenState, id: string): StateEntry | undefined {
    for (let at = this.#open.indexOf(state) - 1; at >= 0; at -= 1) {
      const entry = this.#open[at]?.findChange(id);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  #settle(state: OpenState, changes: ReadonlyMap<string, StateChange>): void {
    if (!this.#open.includes(state)) return;
    this.#open = this.#open.filter((other) => other !== state);
    for (const [id, { entry }] of changes) this.#cache.set(id, entry);
  }

  async #clean(store: StoreTransaction): Promise<void> {
    const now = Date.now();
    if (now < this.#cleanAt) return;
    const removed = await removeExpired(store, this.#flow, now);
    this.#cleanAt = removed < expiredMax ? now + cleanEveryMs : 0;
  }
}

interface OpenStateOptions {
  readonly store: StoreTransaction;
  readonly flow: string;
  readonly findCommitted: (id: string) => StateEntry | undefined;
  readonly findBefore: (id: string) => StateEntry | undefined;
  /** All changes of batches before this one that have not committed, the oldest first. */
  readonly changesBefore: () => readonly StateChange[];
  readonly onRead: (id: string, entry: StateEntry) => void;
  readonly onSettled: (changes: ReadonlyMap<string, StateChange>) => void;
  readonly clean: () => Promise<void>;
}

/** The state of one batch. */
export class OpenState implements BatchState {
  readonly valueCharsMax: number;
  readonly #options: OpenStateOptions;
  readonly #changes = new Map<string, StateChange>();
  #isUsed = false;

  constructor(options: OpenStateOptions) {
    this.#options = options;
    this.valueCharsMax = valueCharsMax(options.store);
  }

  peek(fname: string, key: string): StateEntry | undefined {
    this.#isUsed = true;
    const id = idOf(fname, key);
    return this.findChange(id) ?? this.#options.findBefore(id) ?? this.#options.findCommitted(id);
  }

  get changes(): Iterable<StateChange> {
    return this.#changes.values();
  }

  findChange(id: string): StateEntry | undefined {
    return this.#changes.get(id)?.entry;
  }

  async read(fname: string, keys: readonly string[]): Promise<ReadonlyMap<string, StateEntry>> {
    const { store, flow, onRead } = this.#options;
    const entries = await readEntries(store, { flow, fname, keys });
    for (const [key, entry] of entries) onRead(idOf(fname, key), entry);
    return entries;
  }

  async readRange(fname: string, range: StateRange): Promise<ReadonlyMap<string, StateEntry>> {
    this.#isUsed = true;
    const { store, flow, changesBefore } = this.#options;
    const changes = [...changesBefore(), ...this.#changes.values()].filter((change) => change.fname === fname);
    const newer = changes.map(({ key, entry }) => [key, entry] as const);
    return readOver(range, newer, (more) => readRange(store, { flow, fname }, more));
  }

  write(fname: string, changes: ReadonlyMap<string, StateEntry>): void {
    this.#isUsed = true;
    for (const [key, entry] of changes) this.#changes.set(idOf(fname, key), { fname, key, entry });
  }

  /** Writes the batch's changes into its transaction. Expired entries go first: a key may have got a new value since. */
  async flush(): Promise<void> {
    if (!this.#isUsed) return;
    await this.#options.clean();
    await writeEntries(this.#options.store, this.#options.flow, [...this.#changes.values()]);
  }

  /** The transaction has committed. */
  settle(): void {
    this.#options.onSettled(this.#changes);
  }
}

/** A function's name holds no NUL, whatever the key holds. */
function idOf(fname: string, key: string): string {
  return `${fname}\0${key}`;
}
