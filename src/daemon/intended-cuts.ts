import type { IntendedBatch } from '../checkpoint/intent.ts';
import { MovingPosition } from '../row/position.ts';
import { markOf, whyOther } from '../row/transaction-mark.ts';
import { splitPart, type RoutedPart } from './batch.ts';

/** What waits, cut in two: a batch as it was intended, and what is behind it. */
export interface IntendedCut {
  readonly batch: IntendedBatch;
  readonly parts: readonly RoutedPart[];
  readonly rest: RoutedPart[];
}

export interface IntendedCutsOptions {
  /** The batches to cut again, in order, from the flow's checkpoint on. */
  readonly batches: readonly IntendedBatch[];
  readonly hasGtid: boolean;
  /** What was read does not fit them: the source has another history, or the checkpoint was moved by hand. They are forgotten. */
  readonly onMisfit?: (batch: IntendedBatch) => void;
}

/**
 * Cuts the batches again that were about to run when the flow last ended. Changes are counted from the checkpoint on, so it does not
 * matter in which pieces they arrive; the positions tell whether they are the same changes.
 */
export class IntendedCuts {
  readonly #options: IntendedCutsOptions;
  #batches: readonly IntendedBatch[];
  /** The end of the next one. */
  #end: MovingPosition | undefined;

  constructor(options: IntendedCutsOptions) {
    this.#options = options;
    this.#batches = options.batches;
  }

  /** Those that are not cut yet. */
  get batches(): readonly IntendedBatch[] {
    return this.#batches;
  }

  /** How many changes are to be waited for, however many bytes they are. */
  get sizeWanted(): number {
    return this.#batches[0]?.size ?? 0;
  }

  /** Another version of the flow finds out itself which changes are dead. */
  forgetDead(): void {
    this.#batches = this.#batches.map((batch) => ({ ...batch, dead: [], deadRounds: 0 }));
  }

  /** Whether all of the next one's changes wait; also when there is none. `size`: of all changes that wait. */
  isReady(queue: readonly RoutedPart[], size: number): boolean {
    const next = this.#batches[0];
    if (next === undefined || size >= next.size) return true;
    const last = queue.at(-1);
    if (last === undefined || this.#isPassed(last, next) || this.#countBehind(queue, next) <= next.end.rows) return false;
    this.#misfit(next);
    return true;
  }

  /** The next one, if there is one, out of what waits. */
  take(queue: readonly RoutedPart[]): IntendedCut | undefined {
    const next = this.#batches[0];
    if (next === undefined) return undefined;
    const { parts, rest } = cutAt(queue, next.size);
    const following = rest.find(({ size }) => size > 0);
    const hasMore = following !== undefined && this.#isPassed(following, next);
    if (hasMore || this.#countBehind(parts, next) !== Math.min(next.end.rows, next.size) || this.#isOther(parts, next)) {
      this.#misfit(next);
      return undefined;
    }
    this.#batches = this.#batches.slice(1);
    this.#end = undefined;
    return { batch: next, parts, rest };
  }

  /** Changes behind the last whole transaction of the batch. */
  #countBehind(parts: readonly RoutedPart[], batch: IntendedBatch): number {
    let count = 0;
    for (const part of parts) if (part.size > 0 && !this.#isPassed(part, batch)) count += part.size;
    return count;
  }

  /** Whether they are the changes of another transaction than the batch ended in. */
  #isOther(parts: readonly RoutedPart[], batch: IntendedBatch): boolean {
    const { of } = batch.end;
    const part = parts.find((one) => one.size > 0 && !this.#isPassed(one, batch));
    // the batch may begin in the middle of it, so its first change is not known
    return of !== undefined && part !== undefined && whyOther(of, markOf(part, [])) !== undefined;
  }

  #isPassed(part: RoutedPart, { end }: IntendedBatch): boolean {
    this.#end ??= new MovingPosition(end, this.#options);
    return this.#end.hasPassed(part);
  }

  #misfit(batch: IntendedBatch): void {
    this.#batches = [];
    this.#end = undefined;
    this.#options.onMisfit?.(batch);
  }
}

/** The first `size` changes of what waits, and the rest. */
function cutAt(queue: readonly RoutedPart[], size: number): Pick<IntendedCut, 'parts' | 'rest'> {
  const parts: RoutedPart[] = [];
  let left = size;
  for (const part of queue) {
    if (left === 0) break;
    const head = part.size <= left ? part : splitPart(part, left)[0];
    parts.push(head);
    left -= head.size;
  }
  const last = queue[parts.length - 1];
  const cut = parts.at(-1)?.size ?? 0;
  const tail = last === undefined || last.size === cut ? [] : [splitPart(last, cut)[1]];
  return { parts, rest: [...tail, ...queue.slice(parts.length)] };
}
