/**
 * A thing that is paused for as long as anyone has a reason: each reason is held at most once, and the thing moves again when
 * the last one is released. So two parties that pause for different reasons cannot resume over one another.
 */
export class PauseLock<Reason extends string> {
  readonly #held = new Set<Reason>();
  readonly #onPause: () => void;
  readonly #onResume: () => void;

  constructor(options: { readonly onPause: () => void; readonly onResume: () => void }) {
    this.#onPause = options.onPause;
    this.#onResume = options.onResume;
  }

  get isPaused(): boolean {
    return this.#held.size > 0;
  }

  get reasons(): readonly Reason[] {
    return [...this.#held];
  }

  pause(reason: Reason): void {
    if (this.#held.has(reason)) return;
    this.#held.add(reason);
    if (this.#held.size === 1) this.#onPause();
  }

  resume(reason: Reason): void {
    if (!this.#held.delete(reason)) return;
    if (this.#held.size === 0) this.#onResume();
  }
}
