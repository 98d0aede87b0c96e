/**
 * What operators want of dead rows. A command writes the wish beside the row, from any host; the daemon that holds the flow does it
 * between two batches, in a transaction of the flow (see ParkedTries), and takes the wish away with it:
 *
 *     retry ──► applied: the row is gone │ dead again, with its new reason │ waiting, for what a Load misses
 *     discard ──► discarded: it stays as a record, and what was parked behind it goes on
 */
import type { Row } from '../row/change.ts';
import type { StoreResult } from '../store/contract.ts';
import { conditionOf, type DeadRowFilter } from './dead-row-list.ts';
import type { ParkedRow, RowWish } from './parked-row.ts';

interface Queryable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

/** A row that an operator chose. */
export interface ChosenRow {
  readonly id: string;
  readonly flow: string;
  readonly state: string;
  readonly table: string;
  readonly key: string;
  /** Nothing was parked behind it: it is of a version that did not do so, and later changes of its key have taken effect. */
  readonly isOvertaken: boolean;
}

/** What has become of a chosen row. */
export interface ChosenOutcome {
  readonly outcome: 'applied' | 'dead again' | 'waiting' | 'discarded' | 'skipped' | 'pending';
  readonly tries: number;
  readonly code: string;
  readonly message: string;
}

const idsMax = 500;

/** The states of rows that a wish can be done to: one that waits is tried anyway. */
export const wishable = { retry: ['dead'], discard: ['dead', 'waiting'] } as const satisfies Record<RowWish, readonly string[]>;

export interface ChoiceOptions extends DeadRowFilter {
  readonly ids: readonly string[];
  /** Without ids: only the first of those that do not have this wish yet. */
  readonly unwished?: { readonly wish: RowWish; readonly limit: number } | undefined;
}

/** These rows, whatever their state; without ids all dead rows that the filter lets through. In order. */
export async function chooseRows(store: Queryable, options: ChoiceOptions): Promise<readonly ChosenRow[]> {
  const { ids, flow, code } = options;
  const unwished = ids.length === 0 ? options.unwished : undefined;
  const { where, params } = conditionOf({ flow, code, state: ids.length > 0 ? undefined : 'dead' });
  const within = ids.length === 0 ? '' : `${where === '' ? ' WHERE' : ' AND'} id IN (?)`;
  const { rows } = await store.query(
    `SELECT id, flow, state, source_table, row_key, park_keys IS NULL AS is_overtaken FROM kis_dead_row${where}${within}${
      unwished === undefined ? '' : ' AND (wish IS NULL OR wish <> ?)'
    } ORDER BY id${unwished === undefined ? '' : ' LIMIT ?'}`,
    [...params, ...(ids.length === 0 ? [] : [ids]), ...(unwished === undefined ? [] : [unwished.wish, unwished.limit])],
  );
  return rows.map((row) => ({
    id: String(row.id),
    flow: String(row.flow),
    state: String(row.state),
    table: String(row.source_table),
    key: String(row.row_key),
    isOvertaken: Number(row.is_overtaken) === 1,
  }));
}

/** Writes the wish beside each of these rows that it still can be done to. */
export async function writeRowWish(store: Queryable, ids: readonly string[], wish: RowWish): Promise<void> {
  for (let from = 0; from < ids.length; from += idsMax) {
    const some = ids.slice(from, from + idsMax);
    await store.query('UPDATE kis_dead_row SET wish = ? WHERE id IN (?) AND state IN (?)', [wish, some, wishable[wish]]);
  }
}

/** What has become of these rows, by id. One that is gone was applied. */
export async function readOutcomes(store: Queryable, ids: readonly string[]): Promise<ReadonlyMap<string, ChosenOutcome>> {
  const applied: ChosenOutcome = { outcome: 'applied', tries: 0, code: '', message: '' };
  const outcomes = new Map<string, ChosenOutcome>(ids.map((id) => [id, applied]));
  for (let from = 0; from < ids.length; from += idsMax) {
    const some = ids.slice(from, from + idsMax);
    const { rows } = await store.query('SELECT id, state, wish, tries, code, message FROM kis_dead_row WHERE id IN (?)', [some]);
    for (const row of rows) {
      const { tries, code, message } = row;
      outcomes.set(String(row.id), { outcome: outcomeOf(row), tries: Number(tries), code: String(code), message: String(message) });
    }
  }
  return outcomes;
}

function outcomeOf({ state, wish }: Row): ChosenOutcome['outcome'] {
  if (wish !== null) return 'pending';
  if (state === 'dead') return 'dead again';
  return state === 'discarded' || state === 'skipped' ? state : 'waiting';
}

/** Of each parked row, in order, the dead or waiting row that it waits behind: the first one, where there are two. '': none any more. */
export function headsOf(rows: readonly ParkedRow[]): ReadonlyMap<string, string> {
  const heads = new Map<string, string>();
  const headOfKey = new Map<string, string>();
  for (const { id, state, keys } of rows) {
    const known = keys.map((key) => headOfKey.get(key)).find((head) => head !== undefined && head !== '');
    const head = known ?? (state === 'parked' ? '' : id);
    if (state === 'parked') heads.set(id, head);
    for (const key of keys) if ((headOfKey.get(key) ?? '') === '') headOfKey.set(key, head);
  }
  return heads;
}

/** How many parked rows each of the others has behind it. */
export function countBehind(rows: readonly ParkedRow[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const head of headsOf(rows).values()) counts.set(head, (counts.get(head) ?? 0) + 1);
  return counts;
}
