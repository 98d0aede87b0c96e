import type { TransactionPart } from '../row/change.ts';
import { MovingPosition, type Position } from '../row/position.ts';
import { markOf, type TransactionMark } from '../row/transaction-mark.ts';

/**
 * Follows a flow's place through the parts it is given, and says what its checkpoint is behind each (L2): the end of the last
 * whole transaction, and how many routed changes of the next one are done.
 */
export class Progress {
  readonly #moving: MovingPosition;
  #rows: number;
  #of: TransactionMark | undefined;

  constructor(start: Position, options: { readonly hasGtid: boolean }) {
    this.#moving = new MovingPosition(start, options);
    this.#rows = start.rows;
    this.#of = start.of;
  }

  get place(): { readonly file: string; readonly offset: number } {
    return { file: this.#moving.file, offset: this.#moving.offset };
  }

  /** Routed changes done of the transaction that follows the position. */
  get rows(): number {
    return this.#rows;
  }

  /** Which transaction that is; undefined where there are none, or a position of an older version does not say it. */
  get of(): TransactionMark | undefined {
    return this.#of;
  }

  hasPassed(part: Pick<TransactionPart, 'file' | 'offset' | 'gtid'>): boolean {
    return this.#moving.hasPassed(part);
  }

  /** A part of `size` routed changes is done. */
  advance(part: Omit<TransactionPart, 'time' | 'bytes' | 'statements'> & { readonly size: number }): void {
    if (part.isFinal) {
      this.#moving.advance(part);
      this.#rows = 0;
      this.#of = undefined;
    } else {
      if (this.#rows === 0 && part.size > 0) this.#of = markOf(part, part.groups);
      this.#rows += part.size;
    }
  }

  /** A part that only moves the place while the changes done so far still count. */
  moveTo(part: Pick<TransactionPart, 'server' | 'file' | 'offset' | 'gtid'>): void {
    this.#moving.advance(part);
  }

  toPosition(): Position {
    return this.#moving.toPosition(this.#rows, this.#of);
  }
}
