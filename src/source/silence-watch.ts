export interface SilenceWatchOptions {
  readonly silenceMs: number;
  /** A number that changes with what comes from the server. */
  readonly progress: () => number;
  /** Nobody reads now: silence says nothing. */
  readonly isPaused: () => boolean;
  /** When the last byte came, in milliseconds since 1970. What is measured here goes by performance.now(): the clock may jump. */
  readonly onTick: (lastByteAt: number) => void;
  readonly onSilence: (silentMs: number) => void;
}

/**
 * Notices that a socket has gone silent (L12): a half-open one gives no error by itself. Compares a number from time to time
 * instead of listening to each chunk.
 */
export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  readonly #tickMs: number;
  readonly #timer: NodeJS.Timeout;
  #reached = -1;
  #lastByteAt = performance.now();
  #lastTickAt = performance.now();

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
    this.#tickMs = Math.max(10, Math.min(1000, options.silenceMs / 4));
    this.#timer = setInterval(() => this.#tick(), this.#tickMs);
  }

  restart(): void {
    this.#lastByteAt = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { progress, isPaused, silenceMs, onTick, onSilence } = this.#options;
    const now = performance.now();
    // A tick that comes late means that this process was busy or stopped: bytes may lie in the socket that nobody has read yet.
    const isLate = now - this.#lastTickAt > this.#tickMs * 2;
    this.#lastTickAt = now;
    const reached = progress();
    if (reached !== this.#reached || isPaused() || isLate) {
      this.#reached = reached;
      this.#lastByteAt = now;
    }
    onTick(Date.now() - (now - this.#lastByteAt));
    if (now - this.#lastByteAt > silenceMs) onSilence(now - this.#lastByteAt);
  }
}
