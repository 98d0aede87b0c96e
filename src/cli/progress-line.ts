import { visible } from '../lib/visible.ts';

export interface ProgressLineOptions {
  readonly isTerminal: boolean;
  /** How wide the terminal is; undefined or 0 where nobody knows. */
  readonly columns: () => number | undefined;
  readonly write: (text: string) => void;
  /** Milliseconds that only go forward. */
  readonly now?: () => number;
}

const lineEveryMs = 10_000;
const columnsDefault = 80;

/** How far something is: on a terminal one line that is rewritten in place, elsewhere (a log) a line at most every ten seconds. */
export class ProgressLine {
  readonly #options: ProgressLineOptions;
  readonly #now: () => number;
  #isOpen = false;
  #lastAt = -Infinity;

  constructor(options: ProgressLineOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  show(text: string): void {
    const { isTerminal, columns, write } = this.#options;
    const line = visible(text);
    if (isTerminal) {
      // a line that wraps could not be rewritten
      write(`\r\u001B[K${line.slice(0, (columns() || columnsDefault) - 1)}`);
      this.#isOpen = true;
      return;
    }
    if (this.#now() - this.#lastAt < lineEveryMs) return;
    this.#lastAt = this.#now();
    write(`${line}\n`);
  }

  /** Takes the line away, before anything else is printed. */
  end(): void {
    if (this.#isOpen) this.#options.write('\r\u001B[K');
    this.#isOpen = false;
    this.#lastAt = -Infinity;
  }
}
