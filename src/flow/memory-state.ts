import type { Flow } from './contract.ts';
import { firstLive, PrefixSet, readOver, type StateRange } from './state-range.ts';
import { noEntry, type StateEntry } from './state-entry.ts';
import type { BatchState } from './state.ts';

/** The state of a flow that a program drives without a store: it lives as long as the flow. */
class MemoryState {
  readonly #entries = new Map<string, StateEntry>();
  #sweepAt = 1024;

  find(id: string): StateEntry | undefined {
    return this.#entries.get(id);
  }

  /** What is in a range of keys; looks at every entry that there is. */
  readRange(fname: string, range: StateRange): ReadonlyMap<string, StateEntry> {
    const within = new PrefixSet(range.prefixes.map((prefix) => `${fname}\0${prefix}`));
    const found = new Map<string, StateEntry>();
    for (const [id, entry] of this.#entries) if (within.has(id)) found.set(id.slice(fname.length + 1), entry);
    return firstLive(found, range);
  }

  keep(changes: ReadonlyMap<string, StateEntry>): void {
    for (const [id, entry] of changes) {
      if (entry.text === undefined) this.#entries.delete(id);
      else this.#entries.set(id, entry);
    }
    if (this.#entries.size >= this.#sweepAt) this.#sweep();
  }

  /** Drops what has expired. Done each time the state has doubled, so that keeping stays cheap. */
  #sweep(): void {
    const now = Date.now();
    for (const [id, { expiresAt }] of this.#entries) if (expiresAt <= now) this.#entries.delete(id);
    this.#sweepAt = Math.max(1024, this.#entries.size * 2);
  }
}

const states = new WeakMap<Flow, MemoryState>();

function stateOf(flow: Flow): MemoryState {
  const state = states.get(flow) ?? new MemoryState();
  states.set(flow, state);
  return state;
}

/** A fork has the state of its flow, as it has in a store, where state belongs to the flow's name. */
export function shareState(flow: Flow, fork: Flow): void {
  states.set(fork, stateOf(flow));
}

/** One run's view of it; runs that are under way at once do not see one another's changes, and the last one that ends counts. */
export class MemoryRunState implements BatchState {
  readonly valueCharsMax = Number.POSITIVE_INFINITY;
  readonly #state: MemoryState;
  readonly #changes = new Map<string, StateEntry>();

  constructor(flow: Flow) {
    this.#state = stateOf(flow);
  }

  peek(fname: string, key: string): StateEntry {
    const id = `${fname}\0${key}`;
    return this.#changes.get(id) ?? this.#state.find(id) ?? noEntry;
  }

  async read(fname: string, keys: readonly string[]): Promise<ReadonlyMap<string, StateEntry>> {
    return new Map(keys.map((key) => [key, this.peek(fname, key)]));
  }

  async readRange(fname: string, range: StateRange): Promise<ReadonlyMap<string, StateEntry>> {
    const own = [...this.#changes].flatMap(([id, entry]) =>
      id.startsWith(`${fname}\0`) ? [[id.slice(fname.length + 1), entry] as const] : [],
    );
    return readOver(range, own, async (more) => this.#state.readRange(fname, more));
  }

  write(fname: string, changes: ReadonlyMap<string, StateEntry>): void {
    for (const [key, entry] of changes) this.#changes.set(`${fname}\0${key}`, entry);
  }

  /** The run has ended well. */
  keep(): void {
    this.#state.keep(this.#changes);
  }
}
