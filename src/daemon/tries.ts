import { Backoff } from '../lib/backoff.ts';

export interface TriesOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** For how long it may fail. */
  readonly limitMs: number;
}

/** Tries of something that fails, counted from its first failure since it last went well. Times are by performance.now(). */
export class Tries {
  readonly #backoff: Backoff;
  readonly #limitMs: number;
  #since: number | undefined;

  constructor(options: TriesOptions) {
    this.#backoff = new Backoff(options);
    this.#limitMs = options.limitMs;
  }

  /** It has failed: how long to wait before the next try; undefined: it has failed for too long. */
  fail(now = performance.now()): number | undefined {
    this.#since ??= now;
    return now - this.#since > this.#limitMs ? undefined : this.#backoff.nextMs();
  }

  /** It goes well, or is begun anew. */
  forget(): void {
    this.#since = undefined;
    this.#backoff.reset();
  }
}
