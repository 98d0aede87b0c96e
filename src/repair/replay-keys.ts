import { CodedError } from '../lib/error.ts';
import { groupSize, sliceGroup, type ChangeGroup, type Row } from '../row/change.ts';
import type { Key, KeyColumn, SnapshotTable } from '../snapshot/contract.ts';
import { identityOf, keyOf } from '../snapshot/key-text.ts';

/** A row that replayed changes are about. */
export interface ReplayedKey {
  readonly table: string;
  readonly id: string;
  readonly key: Key;
  /** What took the row away, where the last of its changes did: a delete of one row. */
  readonly gone: ChangeGroup | undefined;
}

/** Which rows these changes are about, each once, with what the last of its changes was; in the order of their first ones. */
export function keysOfChanges(
  groups: readonly ChangeGroup[],
  keyOfTable: (table: string) => readonly KeyColumn[] | undefined,
): readonly ReplayedKey[] {
  const found = new Map<string, ReplayedKey>();
  const note = (group: ChangeGroup, key: Key, gone: ChangeGroup | undefined): void => {
    const table = group.table.id;
    const id = identityOf(key);
    found.set(`${table} ${id}`, { table, id, key, gone });
  };
  for (const group of groups) {
    const columns = keyOfTable(group.table.id);
    if (columns === undefined) continue;
    for (let i = 0; i < groupSize(group); i += 1) {
      const after = group.op === 'delete' ? undefined : requireKey(group, group.after[i], columns);
      const before = group.op === 'insert' ? undefined : requireKey(group, group.before[i], columns);
      const hasLeft = before !== undefined && (after === undefined || identityOf(before) !== identityOf(after));
      if (hasLeft) note(group, before, deleteOf(group, i));
      if (after !== undefined) note(group, after, undefined);
    }
  }
  return [...found.values()];
}

/** The change as one that takes its row away. */
function deleteOf(group: ChangeGroup, i: number): ChangeGroup {
  const one = sliceGroup(group, i, i + 1);
  if (one.op !== 'update') return one;
  const { table, before, isPartial } = one;
  return { op: 'delete', table, before, ...(isPartial === true ? { isPartial } : {}) };
}

/** Throws SNAPSHOT_KEY_CHANGED. */
function requireKey({ table }: ChangeGroup, row: Row | undefined, columns: readonly KeyColumn[]): Key {
  const missing = columns.filter(({ name }) => row?.[name] === undefined || row[name] === null).map(({ name }) => name);
  if (row !== undefined && missing.length === 0) return keyOf(row, columns);
  throw new CodedError(
    'SNAPSHOT_KEY_CHANGED',
    `a change of ${table.id} does not have ${missing.join(', ')}, which is of the key along which the table is read now`,
    { details: { table: table.id } },
  );
}

/** What the stream has brought of a row since a read began: what it has become; null: it is gone; unknown: its change did not hold it whole. */
export interface MetKey {
  readonly key: Key;
  readonly row: Row | null | 'unknown';
}

/** Keys that a change of the stream is about, with what has become of their rows. */
export function metKeys(group: ChangeGroup, columns: readonly KeyColumn[]): ReadonlyMap<string, MetKey> {
  const met = new Map<string, MetKey>();
  for (let i = 0; i < groupSize(group); i += 1) {
    if (group.op !== 'insert') {
      const key = requireKey(group, group.before[i], columns);
      met.set(identityOf(key), { key, row: null });
    }
    if (group.op === 'delete') continue;
    const row = group.after[i];
    const key = requireKey(group, row, columns);
    met.set(identityOf(key), { key, row: group.isPartial === true || row === undefined ? 'unknown' : row });
  }
  return met;
}

export interface ReadTable {
  readonly table: SnapshotTable;
  /** Whether two keys are the same exactly where their identities are: not so of texts. */
  readonly hasExactKeys: boolean;
  readonly asked: readonly ReplayedKey[];
  readonly rows: readonly Row[];
  readonly met: ReadonlyMap<string, MetKey>;
}

/** Changes with the key of each. */
export interface KeyedGroups {
  readonly groups: readonly ChangeGroup[];
  readonly keys: readonly Key[];
}

/**
 * What the flow is given of the rows of one table, where the stream stands behind the end that the binlog had after the read: rows that
 * are there as updates, rows that the replayed changes took away, and that did not come back, as deletes. What the stream has changed
 * since the read began is left out, for it went through the flow. undefined: that cannot be told, they are to be read again.
 *
 * Deletes stand in front: where a collation takes two keys for one, a delete may take a row away that has come since under the other. So in
 * such a table all that came since is given once more.
 */
export function mergeReplayed({ table, hasExactKeys, asked, rows, met }: ReadTable): KeyedGroups | undefined {
  const ids = rows.map((row) => identityOf(keyOf(row, table.key)));
  const there = new Set(ids);
  const gone = asked.flatMap(({ id, key, gone: change }) =>
    change === undefined || there.has(id) || met.has(id) ? [] : [{ change, key }],
  );
  const present = rows.filter((_, index) => !met.has(ids[index] ?? ''));
  if (gone.length > 0 && !hasExactKeys) {
    for (const { row } of met.values()) {
      if (row === 'unknown') return undefined;
      if (row !== null) present.push(row);
    }
  }
  const updates: readonly ChangeGroup[] =
    present.length === 0 ? [] : [{ op: 'update', table: table.table, before: present, after: present }];
  return {
    groups: [...joinDeletes(gone.map(({ change }) => change)), ...updates],
    keys: [...gone.map(({ key }) => key), ...present.map((row) => keyOf(row, table.key))],
  };
}

/** Deletes of one table whose images are alike, as one event would have them. */
function joinDeletes(deletes: readonly ChangeGroup[]): readonly ChangeGroup[] {
  const joined: { readonly first: ChangeGroup; readonly before: Row[] }[] = [];
  for (const one of deletes) {
    if (one.op !== 'delete') continue;
    const last = joined.at(-1);
    if (last?.first.table === one.table && last.first.isPartial === one.isPartial) last.before.push(...one.before);
    else joined.push({ first: one, before: [...one.before] });
  }
  return joined.map(({ first: { table, isPartial }, before }) => ({
    op: 'delete',
    table,
    before,
    ...(isPartial === true ? { isPartial } : {}),
  }));
}
