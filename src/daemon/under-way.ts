import { steadyNow } from '../lib/clock.ts';
import type { Position } from '../row/position.ts';
import { isEmpty, type Batch } from './batch.ts';

interface Taken {
  readonly end: Position;
  /** Commit time of its oldest change. */
  readonly oldestTime: number;
  /** By steadyNow(). */
  readonly since: number;
}

/** The batches of a flow that were taken and are not known to be committed, in order. Those without changes are done as they are taken. */
export class UnderWay {
  #batches: Taken[] = [];
  #taken: Position;
  /** Where the last batch that is known to be committed ended. */
  #committed: Position;

  constructor(start: Position) {
    this.#taken = start;
    this.#committed = start;
  }

  get oldest(): Taken | undefined {
    return this.#batches[0];
  }

  /** Everything before it is in the store or of no concern to the flow. */
  get done(): Position {
    return this.#batches.length === 0 ? this.#taken : this.#committed;
  }

  /** Where the last batch that is known to be committed ended, or the run began. */
  get committed(): Position {
    return this.#committed;
  }

  take(batch: Batch): void {
    const { end, time } = batch;
    this.#taken = end;
    if (isEmpty(batch)) return;
    const oldestTime = batch.parts.find((part) => part.size > 0)?.time ?? time;
    this.#batches.push({ end, oldestTime, since: steadyNow() });
  }

  /** A batch that ends there was committed, or the last piece of one that was split. */
  settle(end: Position): void {
    this.#committed = end;
    const at = this.#batches.findIndex((other) => isSamePlace(other.end, end));
    this.#batches.splice(0, at + 1);
  }
}

function isSamePlace(a: Position, b: Position): boolean {
  return a.file === b.file && a.offset === b.offset && a.rows === b.rows && a.server === b.server;
}
