import type { FlowContext } from '../contract.ts';
import { mismatch } from './operator.ts';
import type { WindowOptions } from './window-options.ts';

/** What a window keeps about itself, under a key that no row's begins with. */
interface WindowHeader {
  readonly definition: string;
  /** The latest time seen, in milliseconds since 1970; absent: none. */
  readonly seen?: number;
  /** When the first session closes; absent: none does. */
  readonly next?: number;
}

const headerKey = 'W';

/**
 * How far time has come: the latest time of a row less the lateness. It moves on row by row, so that it judges each row alike however rows
 * fall into batches; windows whose end it has reached are closed. Without a lateness it never moves.
 */
export class Watermark {
  /** When the first session closes, by what is kept of them. */
  nextClose: number;
  readonly #options: WindowOptions;
  readonly #kept: WindowHeader | undefined;
  #seen: number;

  private constructor(options: WindowOptions, kept: WindowHeader | undefined) {
    this.#options = options;
    this.#kept = kept;
    this.#seen = kept?.seen ?? Number.NEGATIVE_INFINITY;
    this.nextClose = kept?.next ?? Number.POSITIVE_INFINITY;
  }

  /** Reads it from the function's state; throws OPERATOR_MISMATCH where another definition has kept it. */
  static async open(flow: FlowContext, options: WindowOptions): Promise<Watermark> {
    const stored = await flow.state.get(headerKey);
    const kept = isHeader(stored) ? stored : undefined;
    if (kept !== undefined && kept.definition !== definitionOf(options)) {
      throw mismatch(flow, 'has made windows by another definition; change it back, or give the flow a new start');
    }
    return new Watermark(options, kept);
  }

  get value(): number {
    return this.#seen - (this.#options.latenessMs ?? Number.POSITIVE_INFINITY);
  }

  advance(time: number): void {
    if (this.#options.latenessMs !== undefined) this.#seen = Math.max(this.#seen, time);
  }

  save(flow: FlowContext): void {
    const header: WindowHeader = {
      definition: definitionOf(this.#options),
      ...(Number.isFinite(this.#seen) && { seen: this.#seen }),
      ...(Number.isFinite(this.nextClose) && { next: this.nextClose }),
    };
    const isSame = this.#kept !== undefined && header.seen === this.#kept.seen && header.next === this.#kept.next;
    if (!isSame) flow.state.set(headerKey, header);
  }
}

/** What decides which windows there are and which rows get into them. */
function definitionOf({ shape, time, unit, sizeMs, everyMs, gapMs, key, latenessMs, as, table }: WindowOptions): string {
  return JSON.stringify([shape, time, unit, sizeMs, everyMs, gapMs, key, latenessMs ?? null, as, table ?? null]);
}

function isHeader(value: unknown): value is WindowHeader {
  return typeof value === 'object' && value !== null && 'definition' in value;
}
