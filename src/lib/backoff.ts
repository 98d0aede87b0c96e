/** Delays between tries: doubled from `firstMs` up to `maxMs`, with up to a quarter of jitter so that many do not retry at once. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #tries = 0;

  constructor(options: { readonly firstMs: number; readonly maxMs: number }) {
    this.#firstMs = options.firstMs;
    this.#maxMs = options.maxMs;
  }

  /** How often `nextMs` was asked since the last success. */
  get tries(): number {
    return this.#tries;
  }

  nextMs(): number {
    const base = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#tries, 30));
    this.#tries += 1;
    return Math.round(base * (1 + Math.random() / 4));
  }

  reset(): void {
    this.#tries = 0;
  }
}
