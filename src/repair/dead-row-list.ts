import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import { fromExactJson } from '../row/exact-json.ts';
import type { StoreResult } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';

/** A dead row as it is kept, without its change. */
export interface KeptDeadRow {
  readonly id: string;
  readonly flow: string;
  /** dead | waiting | parked; see DeadRow. */
  readonly state: string;
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
}

const columns = 'id, flow, state, fname, code, message, stack, source_table, row_key, op, position, commit_time, created_at';

export interface DeadRowCount {
  readonly dead: number;
  /** Those that are waited for, and those behind them. */
  readonly waiting: number;
}

/** Rows kept of each flow. None in a store that an older version has made. */
export async function countDeadRows(store: Readable): Promise<ReadonlyMap<string, DeadRowCount>> {
  try {
    const { rows } = await store.query(
      "SELECT flow, SUM(state = 'dead') AS dead, SUM(state <> 'dead') AS waiting FROM kis_dead_row GROUP BY flow",
    );
    return new Map(rows.map((row) => [String(row.flow), { dead: Number(row.dead), waiting: Number(row.waiting) }]));
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
  const conditions = [options.flow === undefined ? [] : ['flow = ?'], options.code === undefined ? [] : ['code = ?']].flat();
  const params = [options.flow, options.code].filter((value) => value !== undefined);
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const count = await store.query(`SELECT COUNT(*) AS count FROM kis_dead_row${where}`, params);
  const { rows } = await store.query(`SELECT ${columns} FROM kis_dead_row${where} ORDER BY id DESC LIMIT ?`, [
    ...params,
    options.limit,
  ]);
  return { rows: rows.map(toKept), total: Number(count.rows[0]?.count ?? 0) };
}

/** One dead row with its change; undefined when there is none of this id. */
export async function readDeadRow(
  store: Readable,
  id: string,
): Promise<{ readonly row: KeptDeadRow; readonly change: KeptChange } | undefined> {
  const { rows } = await store.query(`SELECT ${columns}, parts, row_change FROM kis_dead_row WHERE id = ?`, [id]);
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
  const { before, after } = change;
  return { before: isFields(before) ? before : null, after: isFields(after) ? after : null, text };
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toKept(row: Row): KeptDeadRow {
  return {
    id: String(row.id),
    flow: String(row.flow),
    state: String(row.state),
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

/** `2026-01-31 12:00:00.123` in UTC, as ISO 8601. */
function isoOrNull(value: unknown): string | null {
  return typeof value === 'string' ? `${value.replace(' ', 'T')}Z` : null;
}
