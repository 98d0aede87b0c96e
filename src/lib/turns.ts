import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Does a long piece of work in slices of `size` items, with whatever else is ready between them: an answer of a server never waits
 * for more than one slice. No more than one slice of items is worked on at once, without a wait.
 */
export async function inTurns<T>(items: readonly T[], size: number, work: (items: readonly T[]) => void): Promise<void> {
  if (items.length <= size) return work(items);
  for (let from = 0; from < items.length; from += size) {
    if (from > 0) await nextTurn();
    work(items.slice(from, from + size));
  }
}
