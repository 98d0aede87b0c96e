import type { ErrorCode } from '../lib/error-codes.ts';
import type { Op, Row } from '../row/change.ts';
import { fromExactJson } from '../row/exact-json.ts';
import type { StoreResult } from '../store/contract.ts';
import { readDeadRow } from './dead-row-list.ts';

/** A row of kis_dead_row that may still be applied: it is dead, waits, or is parked behind one of its keys that is or does. */
export interface ParkedRow {
  /** Also its place in the flow's order. */
  readonly id: string;
  readonly state: 'dead' | 'waiting' | 'parked';
  /** An operator wants this dead one to be tried again. */
  readonly isWished: boolean;
  /** How often it was tried in vain. */
  readonly tries: number;
  /** `schema.name` of the source table. */
  readonly table: string;
  /** Hashes of its keys: later rows that share one come behind it. */
  readonly keys: readonly string[];
  /** When its waiting is over, in milliseconds since 1970 by this process's clock; Infinity for one that does not wait yet. */
  readonly deadline: number;
}

/** A parked row's change, as a flow receives it. */
export interface ParkedChange {
  readonly op: Op;
  /** `schema.name` of the source table. */
  readonly table: string;
  /** Names of its primary key columns. */
  readonly key: readonly string[];
  readonly before: Row | null;
  readonly after: Row | null;
  /** Columns that one of the images lacks. */
  readonly absentColumns: readonly string[];
  /** As `Change.position` and `Change.time`. */
  readonly position: string;
  readonly time: number;
  /** How long its text is. */
  readonly chars: number;
}

/** Anything that runs a statement. */
interface Queryable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

const idsMax = 500;

const columns =
  'id, state, wish, tries, source_table, park_keys, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), wait_until) AS left_us';

/** The flow's rows that are in the way of later ones and have a larger id, in order. Dead ones of older versions are in nobody's way. */
export async function readParkedRows(
  store: Queryable,
  flow: string,
  options: { readonly after: string },
): Promise<readonly ParkedRow[]> {
  const { rows } = await store.query(
    `SELECT ${columns} FROM kis_dead_row
     WHERE flow = ? AND state IN ('dead', 'waiting', 'parked') AND (state <> 'dead' OR park_keys IS NOT NULL) AND id > ? ORDER BY id`,
    [flow, options.after],
  );
  return toParkedRows(rows);
}

/** What an operator wants of a dead row. */
export type RowWish = 'retry' | 'discard';

/** Dead and waiting rows of the flow of which an operator wants something, in order, at most so many. */
export async function readWishes(
  store: Queryable,
  flow: string,
  limit: number,
): Promise<readonly { readonly row: ParkedRow; readonly wish: RowWish }[]> {
  const { rows } = await store.query(
    `SELECT ${columns} FROM kis_dead_row WHERE flow = ? AND wish IS NOT NULL AND state IN ('dead', 'waiting') ORDER BY id LIMIT ?`,
    [flow, limit],
  );
  const wishes = rows.map(({ wish }) => (wish === 'discard' ? 'discard' : 'retry'));
  return toParkedRows(rows).map((row, index) => ({ row, wish: wishes[index] ?? 'retry' }));
}

function toParkedRows(rows: readonly Row[]): readonly ParkedRow[] {
  const now = Date.now();
  const tables = new Map<string, string>();
  return rows.map((row) => ({
    id: String(row.id),
    state: stateOf(row.state),
    isWished: row.wish === 'retry',
    tries: Number(row.tries),
    table: sharedText(tables, String(row.source_table)),
    keys: String(row.park_keys ?? '')
      .split(' ')
      .filter((key) => key !== ''),
    deadline: row.left_us === null ? Number.POSITIVE_INFINITY : now + Math.ceil(Number(row.left_us) / 1000),
  }));
}

/** One text in memory for many rows. */
function sharedText(texts: Map<string, string>, text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  texts.set(text, text);
  return text;
}

function stateOf(state: unknown): ParkedRow['state'] {
  return state === 'dead' || state === 'waiting' ? state : 'parked';
}

/** The change of a parked row; undefined where the row is gone. */
export async function readParkedChange(store: Queryable, id: string): Promise<ParkedChange | undefined> {
  const found = await readDeadRow(store, id);
  if (found === undefined) return undefined;
  const { row, change } = found;
  const { before, after, absent, text } = change;
  const time = row.commitTime === null ? 0 : Date.parse(row.commitTime);
  return {
    op: opOf(before, after),
    table: row.table,
    key: namesOf(fromExactJson(row.key)),
    before: asRow(before),
    after: asRow(after),
    absentColumns: absent,
    position: row.position,
    time,
    chars: text.length,
  };
}

/** Forgets rows that have been applied. */
export async function removeParkedRows(store: Queryable, ids: readonly string[]): Promise<void> {
  for (let from = 0; from < ids.length; from += idsMax) {
    const some = ids.slice(from, from + idsMax);
    await store.query('DELETE FROM kis_dead_row_part WHERE dead_row IN (?)', [some]);
    await store.query('DELETE FROM kis_dead_row WHERE id IN (?)', [some]);
  }
}

/** What has become of a row that was tried again in vain. */
export interface ParkedOutcome {
  readonly id: string;
  readonly state: 'dead' | 'waiting' | 'skipped';
  /** It was not dead before. */
  readonly isNew: boolean;
  /** Of one that waits from now on. */
  readonly waitMs: number;
  readonly fname: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
}

export async function updateParkedRow(store: Queryable, outcome: ParkedOutcome): Promise<void> {
  const { id, state, isNew, waitMs, fname, code, message, stack } = outcome;
  const isSkipped = state === 'skipped';
  await store.query(
    `UPDATE kis_dead_row SET state = ?, fname = ?, code = ?, message = LEFT(?, 8000), stack = LEFT(?, 8000),
       wait_until = UTC_TIMESTAMP(3) + INTERVAL ? * 1000 MICROSECOND, tries = tries + ?, wish = IF(wish = 'retry', NULL, wish),
       created_at = IF(?, UTC_TIMESTAMP(3), created_at), park_keys = IF(?, NULL, park_keys),
       ended_at = IF(?, UTC_TIMESTAMP(3), NULL), ended_by = ?
     WHERE id = ?`,
    [
      state,
      fname,
      code,
      message,
      stack ?? null,
      state === 'waiting' ? waitMs : null,
      state === 'waiting' ? 0 : 1,
      isNew && state !== 'waiting',
      isSkipped,
      isSkipped,
      isSkipped ? 'on_bad_row: skip' : null,
      id,
    ],
  );
}

const giveUp = `UPDATE kis_dead_row SET state = 'discarded', park_keys = NULL, wait_until = NULL, wish = NULL, ended_at = UTC_TIMESTAMP(3), ended_by = LEFT(?, 255)`;

/** Gives dead and waiting rows up: nothing waits behind them any more, and they stay as a record. */
export async function discardDeadRows(store: Queryable, ids: readonly string[], endedBy: string): Promise<void> {
  for (let from = 0; from < ids.length; from += idsMax) {
    await store.query(`${giveUp} WHERE id IN (?) AND state IN ('dead', 'waiting')`, [endedBy, ids.slice(from, from + idsMax)]);
  }
}

/** Gives up every row of the flow that may still be applied. */
export async function discardKeptRows(store: Queryable, flow: string, endedBy: string): Promise<void> {
  await store.query(`${giveUp} WHERE flow = ? AND state IN ('dead', 'waiting', 'parked')`, [endedBy, flow]);
}

function opOf(before: object | null, after: object | null): Op {
  if (before === null) return 'insert';
  return after === null ? 'delete' : 'update';
}

function namesOf(key: unknown): readonly string[] {
  return typeof key === 'object' && key !== null ? Object.keys(key) : [];
}

function asRow(fields: Readonly<Record<string, unknown>> | null): Row | null {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- decoded edge: it was a Row when it was kept as exact JSON
  return fields === null ? null : (fields as Row);
}
