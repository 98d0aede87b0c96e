import { groupSize, type ChangeGroup } from '../row/change.ts';
import type { Batch, DeadMark, RowShape } from './batch.ts';
import { keysOf } from './parked-key.ts';

/** What changes wait behind, so far. */
export interface Waits {
  hasTable(table: string): boolean;
  has(key: string): boolean;
  /** Behind a dead row, which nothing but an operator's wish moves. */
  isHeld(key: string): boolean;
}

/** What a batch adds to it when it is committed. */
export class ComingWaits implements Waits {
  readonly #tables = new Set<string>();
  readonly #keys = new Set<string>();
  readonly #heldKeys = new Set<string>();
  #held = 0;

  /** How many of its rows are dead, or behind a dead one. */
  get held(): number {
    return this.#held;
  }

  hasTable(table: string): boolean {
    return this.#tables.has(table);
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  isHeld(key: string): boolean {
    return this.#heldKeys.has(key);
  }

  add(table: string, keys: readonly string[], isHeld: boolean): void {
    this.#tables.add(table);
    for (const key of keys) this.#keys.add(key);
    if (!isHeld) return;
    this.#held += 1;
    for (const key of keys) this.#heldKeys.add(key);
  }
}

export interface MarkOptions {
  readonly shape: RowShape;
  /** What there is before the batch. */
  readonly before: readonly Waits[];
}

/**
 * The batch with every change marked as parked that comes behind one that is dead or waits (L5), whatever else it was found to be: it is
 * looked at in its turn. Marking it again changes nothing. A change of a table in which nothing waits costs nothing.
 */
export function markFollowers(batch: Batch, options: MarkOptions): { readonly batch: Batch; readonly coming: ComingWaits } {
  const coming = new ComingWaits();
  const known = new Map(batch.dead.map((mark) => [mark.index, mark]));
  const marks = new Map<number, DeadMark>();
  const unread = new Set(batch.unread);
  const walk = { known, unread, coming, marks, shape: options.shape, waits: [...options.before, coming] };
  let first = 0;
  let next = 0;
  for (const { groups } of batch.parts) {
    for (const group of groups) {
      const end = first + groupSize(group);
      const hasMarks = (batch.dead[next]?.index ?? end) < end;
      if (hasMarks || walk.waits.some((waits) => waits.hasTable(group.table.id))) markGroup(group, first, walk);
      while ((batch.dead[next]?.index ?? end) < end) next += 1;
      first = end;
    }
  }
  if (marks.size === 0) return { batch, coming };
  const all = new Map([...known, ...marks]);
  return { batch: { ...batch, dead: [...all.values()].sort((a, b) => a.index - b.index) }, coming };
}

interface Walk {
  readonly known: ReadonlyMap<number, DeadMark>;
  /** Changes that the flow does not receive: nothing comes of them. */
  readonly unread: ReadonlySet<number>;
  readonly coming: ComingWaits;
  readonly marks: Map<number, DeadMark>;
  readonly shape: RowShape;
  readonly waits: readonly Waits[];
}

function markGroup(group: ChangeGroup, first: number, { known, unread, coming, marks, shape, waits }: Walk): void {
  const isReceived = shape === 'change' || group.op !== 'delete';
  for (let i = 0; i < groupSize(group); i += 1) {
    const mark = known.get(first + i);
    if ((mark === undefined && !isReceived) || unread.has(first + i)) continue;
    const keys = keysOf(group, i);
    const isBehind = keys.some((key) => waits.some((one) => one.has(key)));
    const waitsItself = mark !== undefined && mark.kind !== 'skipped';
    if (!isBehind && !waitsItself) continue;
    const isHeld = mark?.kind === 'dead' || keys.some((key) => waits.some((one) => one.isHeld(key)));
    coming.add(group.table.id, keys, isHeld);
    if (isBehind && mark?.kind !== 'parked') marks.set(first + i, parkedMark(first + i));
  }
}

function parkedMark(index: number): DeadMark {
  const message = 'An earlier change of its key is dead or waits; this one waits behind it.';
  return { kind: 'parked', index, fname: '', code: 'ROW_PARKED', message, stack: undefined, waitMs: 0 };
}
