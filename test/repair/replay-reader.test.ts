import { expect, test } from 'vitest';
import { ReplayReader } from '../../src/repair/replay-reader.ts';
import type { Table, TransactionPart } from '../../src/row/change.ts';
import type { Position } from '../../src/row/position.ts';

const table: Table = { schema: 's', name: 't', id: 's.t', columns: [{ name: 'id' }], primaryKey: ['id'] };
const at = (offset: number): Position => ({ server: 'one', file: 'binlog.000001', offset, gtid: '', rows: 0 });

function part(offset: number, size: number, isFinal = true): TransactionPart {
  const after = Array.from({ length: size }, (_, i) => ({ id: i }));
  const { server, file } = at(0);
  return {
    groups: size === 0 ? [] : [{ op: 'insert', table, after }],
    server,
    file,
    offset,
    gtid: '',
    time: 0,
    bytes: size,
    isFinal,
  };
}

function open(to: number): { readonly reader: ReplayReader; readonly ends: () => readonly (readonly [number, number, boolean])[] } {
  const reader = new ReplayReader({
    source: { read: () => new Promise(() => {}) },
    hasGtid: false,
    from: at(4),
    to: at(to),
    wants: () => true,
    columns: undefined,
    limits: { rowsMax: 10, bytesMax: 1000 },
    onArrived: () => {},
    signal: new AbortController().signal,
  });
  const ends = (): readonly (readonly [number, number, boolean])[] => {
    const all: (readonly [number, number, boolean])[] = [];
    for (let next = reader.take(); next !== undefined; next = reader.take()) {
      all.push([
        next.end.offset,
        next.groups.reduce((sum, group) => sum + (group.op === 'insert' ? group.after.length : 0), 0),
        next.isLast,
      ]);
    }
    return all;
  };
  return { reader, ends };
}

test('a stretch ends where it is full, and the last one at the end of the replay; nothing behind it is taken', () => {
  const { reader, ends } = open(300);
  for (const [offset, size] of [[100, 6], [200, 6], [300, 1], [400, 5]] as const) void reader.push(part(offset, size)); // prettier-ignore
  expect(ends()).toEqual([
    [200, 12, false],
    [300, 1, true],
  ]);
});

test('L2 L7: a transaction larger than a stretch is cut, and what is kept of it is the end of the one before', () => {
  const { reader, ends } = open(300);
  void reader.push(part(100, 2));
  for (const offset of [120, 140, 160]) void reader.push(part(offset, 8, false));
  expect(ends()).toEqual([
    [100, 10, false],
    [100, 16, false],
  ]);
  void reader.push(part(300, 8));
  expect(ends()).toEqual([[300, 8, true]]);
});

test('L7: while a full stretch waits behind another, its source is told to wait, until one is taken', async () => {
  const { reader } = open(900);
  expect(reader.push(part(100, 10))).toBeUndefined();
  const held = reader.push(part(200, 10));
  expect(held).toBeInstanceOf(Promise);
  expect(reader.take()?.end.offset).toBe(100);
  expect(reader.take()?.end.offset).toBe(200);
  await held;
});
