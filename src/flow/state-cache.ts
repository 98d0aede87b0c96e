import type { StateEntry } from './state-entry.ts';

export interface StateCacheLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** Committed entries of a flow's state, the ones that were used longest ago given up first. */
export class StateCache {
  readonly #limits: StateCacheLimits;
  /** In the order of their last use. */
  readonly #entries = new Map<string, StateEntry>();
  #bytes = 0;

  constructor(limits: StateCacheLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): StateEntry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return entry;
  }

  set(id: string, entry: StateEntry): void {
    this.#drop(id);
    this.#entries.set(id, entry);
    this.#bytes += bytesOf(id, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.entriesMax && this.#bytes <= this.#limits.bytesMax) return;
      this.#drop(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= bytesOf(id, entry);
  }
}

/** What an entry takes in memory, about: two bytes a character, and the map's own. */
function bytesOf(id: string, entry: StateEntry): number {
  return 2 * (id.length + (entry.text?.length ?? 0)) + 100;
}
