import { expect, test } from 'vitest';
import { keysOfChanges, mergeReplayed, metKeys, type MetKey, type ReadTable } from '../../src/repair/replay-keys.ts';
import type { ChangeGroup, Row, Table } from '../../src/row/change.ts';
import type { SnapshotTable } from '../../src/snapshot/contract.ts';

const table: Table = { schema: 's', name: 't', id: 's.t', columns: [{ name: 'id' }, { name: 'v' }], primaryKey: ['id'] };
const key = [{ name: 'id', type: 'varchar(9)', charset: 'utf8mb4', collation: 'utf8mb4_general_ci', isDescending: false }];
const read: SnapshotTable = { table, key, rowsEstimate: 0, rowBytes: 0 };
const row = (id: string, v: number): Row => ({ id, v });
const changes: readonly ChangeGroup[] = [
  { op: 'insert', table, after: [row('a', 1), row('b', 1), row('c', 1)] },
  { op: 'update', table, before: [row('a', 1), row('b', 1)], after: [row('A', 2), row('b', 2)] },
  { op: 'delete', table, before: [row('c', 1), row('b', 2)] },
  { op: 'insert', table, after: [row('b', 3)] },
];
const asked = keysOfChanges(changes, () => key);

function merge(rows: readonly Row[], met: readonly ChangeGroup[] = [], hasExactKeys = false): ReturnType<typeof mergeReplayed> {
  const all = new Map<string, MetKey>(met.flatMap((group) => [...metKeys(group, key)]));
  const options: ReadTable = { table: read, hasExactKeys, asked, rows, met: all };
  return mergeReplayed(options);
}

test('each row is asked for once, and it is known which ones the last change took away, and what they were', () => {
  expect(asked.map((one) => [one.id, one.gone])).toEqual([
    ['sa', { op: 'delete', table, before: [row('a', 1)] }],
    ['sb', undefined],
    ['sc', { op: 'delete', table, before: [row('c', 1)] }],
    ['sA', undefined],
  ]);
});

test('what is there comes as it is, what was taken away and did not come back is deleted in front of it; what the stream brought is left to it', () => {
  expect(merge([row('A', 7), row('b', 8)])).toEqual({
    groups: [
      { op: 'delete', table, before: [row('a', 1), row('c', 1)] },
      { op: 'update', table, before: [row('A', 7), row('b', 8)], after: [row('A', 7), row('b', 8)] },
    ],
    keys: [['a'], ['c'], ['A'], ['b']],
  });
  // b is gone now, but not by a change of the stretch: that one came to the flow, or will
  const came: readonly ChangeGroup[] = [
    { op: 'insert', table, after: [row('c', 9)] },
    { op: 'update', table, before: [row('A', 7)], after: [row('A', 8)] },
  ];
  expect(merge([row('A', 7)], came, true)?.groups).toEqual([{ op: 'delete', table, before: [row('a', 1)] }]);
});

test('where a collation may take two keys for one, a delete does not take away what came since', () => {
  const came: readonly ChangeGroup[] = [
    { op: 'insert', table, after: [row('C', 9)] },
    { op: 'delete', table, before: [row('b', 8)] },
  ];
  expect(merge([row('A', 7), row('b', 8)], came)?.groups).toEqual([
    { op: 'delete', table, before: [row('a', 1), row('c', 1)] },
    { op: 'update', table, before: [row('A', 7), row('C', 9)], after: [row('A', 7), row('C', 9)] },
  ]);
  const partial: ChangeGroup = { op: 'insert', table, after: [row('C', 9)], isPartial: true };
  expect(merge([row('A', 7)], [partial])).toBeUndefined();
});

test('a change that lacks a column of the key is refused', () => {
  const without: ChangeGroup = { op: 'insert', table, after: [{ v: 1 }] };
  expect(() => keysOfChanges([without], () => key)).toThrow(expect.objectContaining({ code: 'SNAPSHOT_KEY_CHANGED' }));
});
