import type { ErrorCode } from '../lib/error-codes.ts';
import type { Op, Row } from '../row/change.ts';
import { fromExactJson } from '../row/exact-json.ts';
import type { StoreResult } from '../store/contract.ts';
import { readDeadRow } from './dead-row-list.ts';

/** A row of kis_dead_row that is not dead: it waits, or is parked behind one of its keys that does. */
export interface ParkedRow {
  /** Also its place in the flow's order. */
  readonly id: string;
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
  /** As `Change.position` and `Change.time`. */
  readonly position: string;
  readonly time: number;
}

/** Anything that runs a statement. */
interface Queryable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

const idsMax = 500;

/** The flow's rows that are not dead and have a larger id, in order. */
export async function readParkedRows(
  store: Queryable,
  flow: string,
  options: { readonly after: string },
): Promise<readonly ParkedRow[]> {
  const { rows } = await store.query(
    `SELECT id, park_keys, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), wait_until) AS left_us
     FROM kis_dead_row WHERE flow = ? AND state IN ('waiting', 'parked') AND id > ? ORDER BY id`,
    [flow, options.after],
  );
  const now = performance.now();
  return rows.map((row) => ({
    id: String(row.id),
    keys: String(row.park_keys ?? '')
      .split(' ')
      .filter((key) => key !== ''),
    deadline: row.left_us === null ? Number.POSITIVE_INFINITY : now + Math.ceil(Number(row.left_us) / 1000),
  }));
}

/** The change of a parked row; undefined where the row is gone. */
export async function readParkedChange(store: Queryable, id: string): Promise<ParkedChange | undefined> {
  const found = await readDeadRow(store, id);
  if (found === undefined) return undefined;
  const { row, change } = found;
  const { before, after } = change;
  const time = row.commitTime === null ? 0 : Date.parse(row.commitTime);
  const key = namesOf(fromExactJson(row.key));
  return {
    op: opOf(before, after),
    table: row.table,
    key,
    before: asRow(before),
    after: asRow(after),
    position: row.position,
    time,
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
  readonly state: 'dead' | 'waiting';
  /** Of one that waits from now on. */
  readonly waitMs: number;
  readonly fname: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
}

export async function updateParkedRow(store: Queryable, outcome: ParkedOutcome): Promise<void> {
  const { id, state, waitMs, fname, code, message, stack } = outcome;
  const isDead = state === 'dead';
  await store.query(
    `UPDATE kis_dead_row SET state = ?, fname = ?, code = ?, message = LEFT(?, 8000), stack = LEFT(?, 8000),
       wait_until = UTC_TIMESTAMP(3) + INTERVAL ? * 1000 MICROSECOND,
       created_at = IF(?, UTC_TIMESTAMP(3), created_at), park_keys = IF(?, NULL, park_keys)
     WHERE id = ?`,
    [state, fname, code, message, stack ?? null, isDead ? null : waitMs, isDead, isDead, id],
  );
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
