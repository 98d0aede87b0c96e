import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import { fromExactJson } from '../row/exact-json.ts';
import type { StoreResult } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';
import { isoOrNull } from '../store/iso-time.ts';

/** A dead row as it is kept, without its change. */
export interface KeptDeadRow {
  readonly id: string;
  readonly flow: string;
  /** dead | waiting | parked | skipped | discarded; see DeadRow. */
  readonly state: string;
  /** How often it was tried in vain. */
  readonly tries: number;
  /** retry | discard: what an operator wants of it, until its daemon has done it. */
  readonly wish: string | null;
  /** Of one that was given up: when, ISO 8601, and by what. */
  readonly endedAt: string | null;
  readonly endedBy: string | null;
  readonly fname: string;
  readonly code: string;
  readonly message: string;
  readonly stack: string | null;
  readonly table: string;
  /** The primary key with its values, as exact JSON. */
  readonly key: string;
  readonly op: string;
  readonly position: string;
  /** ISO 8601; null where it is not known. */
  readonly commitTime: string | null;
  /** ISO 8601, by the store's clock. */
  readonly createdAt: string;
}

/** What a dead row's change was. */
export interface KeptChange {
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
  /** Columns that one of the images lacks. */
  readonly absent: readonly string[];
  /** The whole of it, as exact JSON. */
  readonly text: string;
}

/** Anything that runs a statement. */
interface Readable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

export interface DeadRowFilter {
  readonly flow?: string | undefined;
  readonly code?: string | undefined;
  readonly state?: string | undefined;
}

/** The columns that toKept takes. */
export const keptColumns =
  'id, flow, state, tries, wish, ended_at, ended_by, fname, code, message, stack, source_table, row_key, op, position, commit_time, created_at';

/** Every state of a kept row, as people name it. */
export const keptStates = ['dead', 'waiting', 'parked', 'skipped', 'discarded'] as const;

export type DeadRowCount = Readonly<Record<(typeof keptStates)[number], number>>;

export const noDeadRows: DeadRowCount = { dead: 0, waiting: 0, parked: 0, skipped: 0, discarded: 0 };

/** Rows kept of each flow, by their state. None in a store that an older version has made. */
export async function countDeadRows(store: Readable): Promise<ReadonlyMap<string, DeadRowCount>> {
  try {
    const { rows } = await store.query('SELECT flow, state, COUNT(*) AS count FROM kis_dead_row GROUP BY flow, state');
    const counts = new Map<string, DeadRowCount>();
    for (const { flow, state, count } of rows) {
      const known = counts.get(String(flow)) ?? noDeadRows;
      counts.set(String(flow), { ...known, [String(state)]: Number(count) });
    }
    return counts;
  } catch (error) {
    if (errnoOf(error) === 1146) return new Map();
    throw error;
  }
}

/** The latest dead rows, the last one first, and how many there are in all. */
export async function listDeadRows(
  store: Readable,
  options: DeadRowFilter & { readonly limit: number },
): Promise<{ readonly rows: readonly KeptDeadRow[]; readonly total: number }> {
  const { where, params } = conditionOf(options);
  const count = await store.query(`SELECT COUNT(*) AS count FROM kis_dead_row${where}`, params);
  const { rows } = await store.query(`SELECT ${keptColumns} FROM kis_dead_row${where} ORDER BY id DESC LIMIT ?`, [
    ...params,
    options.limit,
  ]);
  return { rows: rows.map(toKept), total: Number(count.rows[0]?.count ?? 0) };
}

/** The rows that a filter lets through, as a WHERE with its parameters; '' where it is none. */
export function conditionOf({ flow, code, state }: DeadRowFilter): { readonly where: string; readonly params: readonly string[] } {
  const given = Object.entries({ flow, code, state }).flatMap(([column, value]) =>
    value === undefined ? [] : [{ column, value }],
  );
  const conditions = given.map(({ column }) => `${column} = ?`);
  return {
    where: given.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`,
    params: given.map(({ value }) => value),
  };
}

/** One dead row with its change; undefined when there is none of this id. */
export async function readDeadRow(
  store: Readable,
  id: string,
): Promise<{ readonly row: KeptDeadRow; readonly change: KeptChange } | undefined> {
  const { rows } = await store.query(`SELECT ${keptColumns}, parts, row_change FROM kis_dead_row WHERE id = ?`, [id]);
  const row = rows[0];
  if (row === undefined) return undefined;
  let text = String(row.row_change);
  for (let part = 0; part < Number(row.parts); part += 1) {
    const piece = await store.query('SELECT row_change FROM kis_dead_row_part WHERE dead_row = ? AND part = ?', [id, part]);
    text += String(piece.rows[0]?.row_change ?? '');
  }
  return { row: toKept(row), change: toChange(id, text) };
}

function toChange(id: string, text: string): KeptChange {
  const change = fromExactJson(text);
  if (!isFields(change)) throw new CodedError('INTERNAL', `The change of dead row ${id} is none: ${text.slice(0, 200)}`);
  const { before, after, absent } = change;
  return {
    before: isFields(before) ? before : null,
    after: isFields(after) ? after : null,
    absent: Array.isArray(absent) ? absent.map(String) : [],
    text,
  };
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function toKept(row: Row): KeptDeadRow {
  return {
    id: String(row.id),
    flow: String(row.flow),
    state: String(row.state),
    tries: Number(row.tries),
    wish: row.wish === null ? null : String(row.wish),
    endedAt: isoOrNull(row.ended_at),
    endedBy: row.ended_by === null ? null : String(row.ended_by),
    fname: String(row.fname),
    code: String(row.code),
    message: String(row.message),
    stack: row.stack === null ? null : String(row.stack),
    table: String(row.source_table),
    key: String(row.row_key),
    op: String(row.op),
    position: String(row.position),
    commitTime: isoOrNull(row.commit_time),
    createdAt: isoOrNull(row.created_at) ?? '',
  };
}
