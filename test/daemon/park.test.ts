import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { makeBatch, type Batch, type RoutedPart } from '../../src/daemon/batch.ts';
import { Park, withoutFollowers } from '../../src/daemon/park.ts';
import { keysOf } from '../../src/daemon/parked-key.ts';
import type { ParkedRow } from '../../src/repair/parked-row.ts';
import type { ChangeGroup } from '../../src/row/change.ts';
import { makeTable, startPosition } from './transactions.ts';

const table = makeTable('wanted');

/** Updates, each from one key to another: most of them to the same one. */
function batchOf(updates: readonly (readonly [number, number])[]): Batch {
  const groups: ChangeGroup[] = updates.map(([from, to]) => ({ op: 'update', table, before: [{ id: from }], after: [{ id: to }] }));
  const place = { server: 's', file: 'binlog.000009', offset: 10, gtid: '', time: 1 };
  const part: RoutedPart = { ...place, groups, size: groups.length, bytes: 1, isFinal: true };
  return makeBatch(startPosition('none'), [part], { hasGtid: false });
}

function keysAt(batch: Batch, index: number): readonly string[] {
  const group = batch.parts[0]?.groups[index];
  return group === undefined ? [] : keysOf(group, 0);
}

function rowOf(id: number, ...keys: string[]): ParkedRow {
  return { id: String(id), state: 'waiting', isWished: false, tries: 0, table: table.id, keys, deadline: Number.POSITIVE_INFINITY };
}

function waiting(batch: Batch, indexes: readonly number[]): Batch {
  const rest = { fname: 'f', code: 'LOAD_ROW_MISSING', message: 'missing', stack: undefined, waitMs: 1000 } as const;
  return { ...batch, dead: indexes.map((index) => ({ kind: 'waiting', index, ...rest })) };
}

const parkedIn = (batch: Batch) => batch.dead.flatMap(({ kind, index }) => (kind === 'parked' ? [index] : []));

describe('rows that wait', () => {
  test('a batch is left as it is where nothing waits', () => {
    const batch = batchOf([[1, 1]]);
    expect(new Park().mark(batch, 'change')).toBe(batch);
  });

  test('L5: changes of a key behind a waiting one are parked, in its batch, in the next and in all after a restart', () => {
    const park = new Park();
    const first = waiting(batchOf([[1, 1], [2, 2], [1, 1]]), [0]); // prettier-ignore
    expect(parkedIn(park.mark(first, 'change'))).toEqual([2]);
    expect(parkedIn(park.mark(batchOf([[3, 3], [1, 1]]), 'change'))).toEqual([1]); // prettier-ignore
    const again = new Park();
    again.load([rowOf(1, ...keysAt(first, 0))], 0);
    expect(parkedIn(again.mark(batchOf([[3, 3], [1, 1]]), 'change'))).toEqual([1]); // prettier-ignore
    again.remove(['1']);
    again.tried(true, 0);
    again.settle();
    expect(parkedIn(again.mark(batchOf([[3, 3], [1, 1]]), 'change'))).toEqual([]); // prettier-ignore
  });

  test('L5: a change that gives a row another key waits with both, and so does what follows under the new one', () => {
    const park = new Park();
    const batch = waiting(batchOf([[1, 1], [1, 2], [2, 2], [3, 3]]), [0]); // prettier-ignore
    expect(parkedIn(park.mark(batch, 'change'))).toEqual([1, 2]);
  });

  test('deletes that a flow of plain rows does not receive are not parked', () => {
    const park = new Park();
    const batch = batchOf([[1, 1]]);
    park.load([rowOf(1, ...keysAt(batch, 0))], 0);
    const group: ChangeGroup = { op: 'delete', table, before: [{ id: 1 }] };
    const deletes = { ...batch, parts: batch.parts.map((part) => ({ ...part, groups: [group] })) };
    expect(parkedIn(park.mark(deletes, 'after'))).toEqual([]);
    expect(parkedIn(park.mark(deletes, 'change'))).toEqual([0]);
  });

  test('L5: whatever changes of keys there are, one that shares a key with an earlier one that waits, waits', () => {
    const keys = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }));
    fc.assert(
      fc.property(fc.array(keys, { minLength: 1, maxLength: 20 }), fc.array(fc.nat(19), { maxLength: 3 }), (updates, picks) => {
        const heads = [...new Set(picks.map((pick) => pick % updates.length))].sort((a, b) => a - b);
        const blocked = new Set<number>();
        // a head that comes behind another one is no head: it would not have been run
        const isHeld = updates.map((update, index) => {
          const isBehind = update.some((key) => blocked.has(key));
          if (isBehind || heads.includes(index)) for (const key of update) blocked.add(key);
          return isBehind;
        });
        const batch = waiting(batchOf(updates), heads.filter((index) => !isHeld[index])); // prettier-ignore
        expect(parkedIn(new Park().mark(batch, 'change'))).toEqual(isHeld.flatMap((held, index) => (held ? [index] : [])));
      }),
    );
  });

  test('L5: a row is tried only with all rows of its keys before it, and all of them have their turn', () => {
    const keys = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(fc.array(keys, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 5 }), (all, count) => {
        const park = new Park();
        const rows = all.map((some, index) => rowOf(index + 1, ...some));
        park.load(rows, 0);
        const turns = new Set<string>();
        for (let i = 0; i < 70; i += 1) {
          const taken = park.take(count);
          const ids = new Set(taken.map(({ id }) => id));
          for (const row of taken) {
            turns.add(row.id);
            const before = rows.filter(
              (other) => Number(other.id) < Number(row.id) && other.keys.some((key) => row.keys.includes(key)),
            );
            expect(before.every(({ id }) => ids.has(id))).toBe(true);
          }
        }
        const heads = rows.filter(
          (row, index) => !rows.slice(0, index).some((other) => other.keys.some((key) => row.keys.includes(key))),
        );
        expect(heads.every(({ id }) => turns.has(id))).toBe(true);
      }),
    );
  });

  test('L5: behind a row that fails nothing of its keys goes on', () => {
    const rows = [rowOf(1, 'a'), rowOf(2, 'b'), rowOf(3, 'a', 'c'), rowOf(4, 'c'), rowOf(5, 'b')];
    expect(withoutFollowers(rows, new Set(['1'])).map(({ id }) => id)).toEqual(['2', '5']);
  });

  test('tries come more rarely while none succeeds, and at once again when a row comes or one has gone', () => {
    const park = new Park();
    expect(park.retryAt).toBe(Number.POSITIVE_INFINITY);
    park.load([rowOf(1, 'a')], 1000);
    const waits: number[] = [];
    for (let now = 1000, i = 0; i < 7; i += 1) {
      waits.push(park.retryAt - now);
      now = park.retryAt;
      park.tried(false, now);
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 2000, 2000]);
    park.add([rowOf(2, 'b')], 50_000);
    expect(park.retryAt).toBe(50_100);
    park.remove(['1', '2']);
    expect(park.retryAt).toBe(Number.POSITIVE_INFINITY);
  });
});
