/**
 * Reads of dead rows whose cost does not grow with how many are kept: a page reads as many entries of an index as it has rows, for each
 * flow and state that there are, and a count goes no further than it is told to.
 */
import type { Row } from '../row/change.ts';
import type { StoreResult } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';
import { keptColumns, noDeadRows, toKept, type DeadRowCount, type DeadRowFilter, type KeptDeadRow } from './dead-row-list.ts';

interface Readable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

/** Rows that have an entry in common in an index whose next column is the id. */
interface Group {
  readonly flow: string;
  readonly state: string;
  readonly code: string | undefined;
}

/** Rows kept of each flow, by their state, each counted up to `max`. None in a store that an older version has made. */
export async function countDeadRowsUpTo(store: Readable, max: number): Promise<ReadonlyMap<string, DeadRowCount>> {
  const counts = new Map<string, DeadRowCount>();
  const groups = await readGroups(store, {});
  if (groups.length === 0) return counts;
  const counted = groups.map(
    () =>
      '(SELECT COUNT(*) AS count FROM (SELECT 1 FROM kis_dead_row FORCE INDEX (flow_state) WHERE flow = ? AND state = ? LIMIT ?) AS some)',
  );
  const { rows } = await store.query(
    `SELECT ${counted.map((sql, index) => `${sql} AS n${index}`).join(', ')}`,
    groups.flatMap(({ flow, state }) => [flow, state, max]),
  );
  for (const [index, { flow, state }] of groups.entries()) {
    counts.set(flow, { ...(counts.get(flow) ?? noDeadRows), [state]: Number(rows[0]?.[`n${index}`] ?? 0) });
  }
  return counts;
}

export interface DeadRowPage {
  /** The latest first. */
  readonly rows: readonly KeptDeadRow[];
  /** What `before` is for the page behind this one; null where this is the last. */
  readonly next: string | null;
}

/** A page of the dead rows that the filter lets through: those with an id below `before`, the latest first. */
export async function readDeadRowPage(
  store: Readable,
  { before, limit, ...filter }: DeadRowFilter & { readonly before?: string | undefined; readonly limit: number },
): Promise<DeadRowPage> {
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  const groups = isFiltered ? await readGroups(store, filter) : [undefined];
  if (groups.length === 0) return { rows: [], next: null };
  const below = before === undefined ? '' : ' AND id < ?';
  const parts = groups.map((group) => {
    if (group === undefined) return `(SELECT id FROM kis_dead_row WHERE TRUE${below} ORDER BY id DESC LIMIT ?)`;
    const index = group.code === undefined ? 'flow_state' : 'flow_code';
    const code = group.code === undefined ? '' : ' AND code = ?';
    return `(SELECT id FROM kis_dead_row FORCE INDEX (${index}) WHERE flow = ? AND state = ?${code}${below} ORDER BY id DESC LIMIT ?)`;
  });
  const params = groups.flatMap((group) => [
    ...(group === undefined ? [] : [group.flow, group.state, ...(group.code === undefined ? [] : [group.code])]),
    ...(before === undefined ? [] : [before]),
    limit + 1,
  ]);
  const found = await store.query(`${parts.join(' UNION ALL ')} ORDER BY id DESC LIMIT ?`, [...params, limit + 1]);
  const ids = found.rows.map(({ id }) => String(id));
  const shown = ids.slice(0, limit);
  if (shown.length === 0) return { rows: [], next: null };
  const { rows } = await store.query(`SELECT ${keptColumns} FROM kis_dead_row WHERE id IN (?) ORDER BY id DESC`, [shown]);
  return { rows: rows.map(toKept), next: ids.length > limit ? (shown.at(-1) ?? null) : null };
}

/** One dead row, and its change as exact JSON: null where that is longer than so many bytes. Undefined where there is none of this id. */
export async function readDeadRowWithin(
  store: Readable,
  id: string,
  bytesMax: number,
): Promise<{ readonly row: KeptDeadRow; readonly change: string | null } | undefined> {
  const { rows } = await store.query(
    `SELECT ${keptColumns}, IF(parts = 0 AND LENGTH(row_change) <= ?, row_change, NULL) AS short_change FROM kis_dead_row WHERE id = ?`,
    [bytesMax, id],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  return { row: toKept(row), change: row['short_change'] === null ? null : String(row['short_change']) };
}

/** The groups that hold such rows: an index says which there are, without reading each row's entry. */
async function readGroups(store: Readable, filter: DeadRowFilter): Promise<readonly Group[]> {
  const columns = filter.code === undefined ? 'flow, state' : 'flow, code, state';
  const groups = (await queryGroups(store, columns)).map(({ flow, state, code }) => ({
    flow: String(flow),
    state: String(state),
    code: code === undefined ? undefined : String(code),
  }));
  const isWanted = (value: string | undefined, wanted: string | undefined): boolean => wanted === undefined || value === wanted;
  return groups.filter(
    ({ flow, state, code }) => isWanted(flow, filter.flow) && isWanted(state, filter.state) && isWanted(code, filter.code),
  );
}

async function queryGroups(store: Readable, columns: string): Promise<readonly Row[]> {
  try {
    return (await store.query(`SELECT ${columns} FROM kis_dead_row GROUP BY ${columns}`)).rows;
  } catch (error) {
    if (errnoOf(error) === 1146) return [];
    throw error;
  }
}
