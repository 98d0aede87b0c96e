import type { Flow, FlowContext } from './contract.ts';

/** Values that a flow's functions keep between runs, each for as long as its `ttlMs`. Not transactional, and gone with the process. */
export class FlowCache {
  readonly #entries = new Map<string, { readonly value: unknown; readonly expiresAt: number }>();
  #sweepAt = 1024;

  get(key: string): unknown {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt > Date.now()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: unknown, ttlMs?: number): void {
    this.#entries.set(key, { value, expiresAt: ttlMs === undefined ? Infinity : Date.now() + ttlMs });
    if (this.#entries.size >= this.#sweepAt) this.#sweep();
  }

  /** Drops what has expired. Done each time the cache has doubled, so that setting stays cheap and expired values do not pile up. */
  #sweep(): void {
    const now = Date.now();
    for (const [key, entry] of this.#entries) {
      if (entry.expiresAt <= now) this.#entries.delete(key);
    }
    this.#sweepAt = Math.max(1024, this.#entries.size * 2);
  }
}

const caches = new WeakMap<Flow, FlowCache>();

/** Forgets what the flow's functions keep: what it was made from is not there any more. Not while the flow runs. */
export function forgetCache(flow: Flow): void {
  caches.delete(flow);
}

/** The flow's cache; one for all its runs. */
export function cacheOf(flow: Flow): FlowContext['cache'] {
  const known = caches.get(flow);
  if (known !== undefined) return known;
  const cache = new FlowCache();
  caches.set(flow, cache);
  return cache;
}
