import { hash } from 'node:crypto';
import type { ErrorCode } from '../lib/error-codes.ts';
import { readParkedChange, type ParkedChange, type ParkedOutcome, type ParkedRow } from '../repair/parked-row.ts';
import { makeChange } from '../row/change.ts';
import { markPartial } from '../row/partial-row.ts';
import type { Store } from '../store/open.ts';
import type { BadRowsPolicy } from './bad-rows.ts';
import type { DeadMark, RowShape } from './batch.ts';
import type { RunningFlow } from './running-flow.ts';

/** A kept row with its change. */
export interface Kept {
  readonly row: ParkedRow;
  readonly change: ParkedChange;
}

/** What is known of a row's failure. */
export type Failure = Omit<DeadMark, 'index'>;

/** So many characters of changes are held at once; a single change may be larger. */
const charsMax = 4 * 1024 * 1024;

/** The rows' changes, as many of the first ones as fit, and how many rows that are; those that are gone are left out. */
export async function readKept(
  store: Pick<Store, 'query'>,
  rows: readonly ParkedRow[],
): Promise<{ readonly kept: readonly Kept[]; readonly gone: readonly string[]; readonly count: number }> {
  const kept: Kept[] = [];
  const gone: string[] = [];
  let chars = 0;
  let count = 0;
  for (const row of rows) {
    if (chars >= charsMax) break;
    const change = await readParkedChange(store, row.id);
    count += 1;
    if (change === undefined) gone.push(row.id);
    else kept.push({ row, change });
    chars += change?.chars ?? 0;
  }
  return { kept, gone, count };
}

/** Whether a flow of this shape receives the change. */
export function isWanted({ change: { op } }: Kept, shape: RowShape): boolean {
  return shape === 'change' || op !== 'delete';
}

/** A change as the flow receives it. */
export function rowOf({ change }: Kept, { shape, flow }: Pick<RunningFlow, 'shape' | 'flow'>): unknown {
  const { op, table, position, absentColumns: columns, chars: _, ...rest } = change;
  const takesDefaults = op === 'insert' && flow.rowImage === 'partial';
  const absent = { columns, meaning: takesDefaults ? 'default' : 'unknown' } as const;
  const isPartial = columns.length > 0;
  if (shape === 'change') return makeChange({ op, table, position, ...rest, ...(isPartial ? { absent } : {}) });
  if (!isPartial || change.after === null) return change.after;
  return markPartial([change.after], { op, table, position, absent })[0];
}

/**
 * By what storages outside the store know the run of these rows: the same after a crash, another one when a row is tried again that a run
 * has failed with.
 */
export function keptRunId(flow: string, rows: readonly ParkedRow[]): string {
  const ids = rows.map(({ id, state, tries }) => (state === 'dead' ? `${id}#${tries}` : id));
  return hash('sha256', `${flow}|kept|${ids.join(',')}`).slice(0, 32);
}

/** What becomes of a row that was tried in vain: `goes on` waiting, the flow stops at it, or its outcome as it is kept. */
export function outcomeOf(
  { id, state: before, deadline }: ParkedRow,
  failure: Failure,
  { onBadRow, now }: Pick<BadRowsPolicy, 'onBadRow'> & { readonly now: number },
): ParkedOutcome | 'goes on' | 'stop' {
  const { kind, waitMs, fname, code, message, stack } = failure;
  const about: { fname: string; code: ErrorCode; message: string; stack: string | undefined } = { fname, code, message, stack };
  const isNew = before !== 'dead';
  const isOver = before === 'waiting' && now >= deadline;
  if (kind === 'waiting' && !isOver) return before === 'waiting' ? 'goes on' : { id, state: 'waiting', isNew, waitMs, ...about };
  // one that is dead already was tried because an operator wished it: that stops nothing
  if (!isNew || onBadRow === 'dead-row') return { id, state: 'dead', isNew, waitMs: 0, ...about };
  return onBadRow === 'stop' ? 'stop' : { id, state: 'skipped', isNew, waitMs: 0, ...about };
}
