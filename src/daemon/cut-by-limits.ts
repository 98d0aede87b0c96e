import type { RoutedPart } from './batch.ts';

export interface CutLimits {
  /** How many parts may be taken. */
  readonly takable: number;
  readonly rows: number;
  readonly bytes: number;
}

/** The parts of a queue that make the next batch, and the others. */
export function cutByLimits(
  queue: readonly RoutedPart[],
  { takable, rows, bytes }: CutLimits,
): { readonly parts: RoutedPart[]; readonly rest: RoutedPart[] } {
  let count = 0;
  let size = 0;
  let taken = 0;
  for (const part of queue) {
    if (count === takable) break;
    if (count > 0 && part.size > 0 && size > 0 && (size + part.size > rows || taken + part.bytes > bytes)) break;
    // what happened to whole tables stands in front of a batch's changes
    if (count > 0 && part.statements !== undefined) break;
    count += 1;
    size += part.size;
    taken += part.bytes;
  }
  return { parts: queue.slice(0, count), rest: queue.slice(count) };
}
