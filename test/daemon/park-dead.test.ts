import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Batch, DeadMark } from '../../src/daemon/batch.ts';
import { makeBatch, type RoutedPart } from '../../src/daemon/batch.ts';
import { requireRoom } from '../../src/daemon/keep-dead.ts';
import { keptRunId, outcomeOf } from '../../src/daemon/kept-run.ts';
import { Park } from '../../src/daemon/park.ts';
import { keysOf } from '../../src/daemon/parked-key.ts';
import { countBehind, headsOf } from '../../src/repair/dead-row-wish.ts';
import type { ParkedRow } from '../../src/repair/parked-row.ts';
import type { ChangeGroup } from '../../src/row/change.ts';
import { makeTable, startPosition } from './transactions.ts';

const table = makeTable('wanted');

/** Inserts of these keys, each an event of its own. */
function batchOf(...ids: readonly number[]): Batch {
  const groups: ChangeGroup[] = ids.map((id) => ({ op: 'insert', table, after: [{ id }] }));
  const place = { server: 's', file: 'binlog.000009', offset: 10, gtid: '', time: 1 };
  const part: RoutedPart = { ...place, groups, size: groups.length, bytes: 1, isFinal: true };
  return makeBatch(startPosition('none'), [part], { hasGtid: false });
}

function marked(batch: Batch, ...marks: readonly (readonly [number, DeadMark['kind']])[]): Batch {
  const rest = { fname: 'f', code: 'ROW_INVALID', message: 'bad', stack: undefined, waitMs: 0 } as const;
  return { ...batch, dead: marks.map(([index, kind]) => ({ kind, index, ...rest })) };
}

const kinds = (batch: Batch) => batch.dead.map(({ index, kind }) => `${index} ${kind}`);

function rowOf(id: number, state: ParkedRow['state'], ...keys: readonly string[]): ParkedRow {
  return { id: String(id), state, isWished: false, tries: 1, table: table.id, keys, deadline: Number.POSITIVE_INFINITY };
}

function keyOf(id: number): string {
  return keysOf({ op: 'insert', table, after: [{ id }] }, 0)[0] ?? '';
}

describe('keys of dead rows', () => {
  test('L5: changes behind a dead one are parked, in its batch, in one that is under way beside it, and in all after it', () => {
    const park = new Park();
    const first = park.mark(marked(batchOf(1, 2, 1), [0, 'dead']), 'change');
    expect(kinds(first)).toEqual(['0 dead', '2 parked']);
    expect(kinds(park.mark(batchOf(3, 1), 'change'))).toEqual(['1 parked']);
    park.add([rowOf(1, 'dead', keyOf(1)), rowOf(2, 'parked', keyOf(1))], 0);
    park.settle(first);
    expect(kinds(park.mark(batchOf(1, 3), 'change'))).toEqual(['0 parked']);
    const again = new Park();
    again.load([rowOf(1, 'dead', keyOf(1))], 0);
    expect(kinds(again.mark(batchOf(3, 1), 'change'))).toEqual(['1 parked']);
  });

  test('L5: a change behind a dead one has its turn later, whatever it was found to be', () => {
    const batch = marked(batchOf(1, 1, 1, 1, 2), [0, 'dead'], [1, 'dead'], [2, 'waiting'], [3, 'skipped'], [4, 'dead']);
    expect(kinds(new Park().mark(batch, 'change'))).toEqual(['0 dead', '1 parked', '2 parked', '3 parked', '4 dead']);
  });

  test('a skipped one holds nothing up', () => {
    expect(kinds(new Park().mark(marked(batchOf(1, 1), [0, 'skipped']), 'change'))).toEqual(['0 skipped']);
  });

  test('a batch that is marked again stays as it is, and one whose rows are found anew is not held up by its own marks of before', () => {
    const park = new Park();
    const batch = park.mark(marked(batchOf(1, 1), [0, 'dead']), 'change');
    expect(park.mark(batch, 'change')).toBe(batch);
    park.settle();
    expect(kinds(park.mark(batchOf(1, 1), 'change'))).toEqual([]);
  });

  test('a dead row, and what is behind it, is not tried by itself; wished it is, with all behind it; dead again it is not', () => {
    const park = new Park();
    park.load([rowOf(1, 'dead', 'a'), rowOf(2, 'parked', 'a', 'b'), rowOf(3, 'parked', 'b'), rowOf(4, 'dead', 'c')], 0);
    expect([park.held, park.waiting, park.retryAt]).toEqual([4, 0, Number.POSITIVE_INFINITY]);
    expect(park.take(10)).toEqual([]);
    park.wish([rowOf(1, 'dead', 'a')], 7);
    expect([park.held, park.waiting, park.retryAt]).toEqual([1, 3, 7]);
    expect(park.take(10).map(({ id }) => id)).toEqual(['1', '2', '3']);
    park.replace(rowOf(1, 'dead', 'a'));
    expect([park.held, park.waiting, park.retryAt]).toEqual([4, 0, Number.POSITIVE_INFINITY]);
    park.release(['1'], 9);
    expect([park.held, park.retryAt]).toEqual([1, 9]);
    expect(park.take(10).map(({ id }) => id)).toEqual(['2', '3']);
    expect(park.counts).toEqual({ dead: 1, waiting: 0, parked: 2 });
  });

  test('a hot key behind a dead row does not make those that wait be tried more often', () => {
    const park = new Park();
    park.load([rowOf(1, 'dead', 'a'), rowOf(2, 'waiting', 'b')], 0);
    for (let now = 0; now < 5; now += 1) park.tried(false, now);
    const { retryAt } = park;
    park.add([rowOf(3, 'parked', 'a')], 5);
    expect(park.retryAt).toBe(retryAt);
    park.add([rowOf(4, 'parked', 'b')], 5);
    expect(park.retryAt).toBe(105);
  });

  test('whatever rows come and go, what is held is what is dead and what shares a key, through others, with an earlier dead one', () => {
    const keys = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 0, maxLength: 2 });
    const state = fc.constantFrom<ParkedRow['state']>('dead', 'waiting', 'parked');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), state, keys }),
      fc.record({ kind: fc.constantFrom('remove' as const, 'wish' as const, 'die' as const), at: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const park = new Park();
        let rows: ParkedRow[] = [];
        let next = 0;
        for (const one of steps) {
          const chosen = one.kind === 'add' ? undefined : rows[one.at % Math.max(rows.length, 1)];
          if (one.kind === 'add') {
            const row = rowOf((next += 1), one.state, ...one.keys);
            rows.push(row);
            park.add([row], 0);
          } else if (chosen === undefined) continue;
          else if (one.kind === 'remove') {
            rows = rows.filter((row) => row !== chosen);
            park.remove([chosen.id]);
          } else {
            const changed: ParkedRow =
              one.kind === 'die' ? { ...chosen, state: 'dead', isWished: false } : { ...chosen, isWished: true };
            rows = rows.map((row) => (row === chosen ? changed : row));
            if (one.kind === 'wish') park.wish([chosen], 0);
            else park.replace(changed);
          }
          const blocked = new Set<string>();
          const held = rows.filter(({ state: now, isWished, keys: own }) => {
            const isHeld = (now === 'dead' && !isWished) || own.some((key) => blocked.has(key));
            if (isHeld) for (const key of own) blocked.add(key);
            return isHeld;
          });
          expect(park.held).toBe(held.length);
          expect(park.waiting).toBe(rows.length - held.length);
          expect(park.lastId).toBe(String(next));
        }
      }),
    );
  });

  test('L7: a batch that would keep more rows behind dead ones than there is room for stops the flow; others pass', () => {
    const park = new Park();
    park.load([rowOf(1, 'dead', keyOf(1)), rowOf(2, 'parked', keyOf(1)), rowOf(3, 'waiting', keyOf(2))], 0);
    const limit = { flow: 'f', heldMax: 3 };
    const fits = park.mark(batchOf(1, 3), 'change');
    expect(() => requireRoom(park, fits, limit)).not.toThrow();
    const other = park.mark(batchOf(1, 3), 'change'); // behind the first, which is under way
    expect(() => requireRoom(park, other, limit)).toThrow(expect.objectContaining({ code: 'DEAD_ROWS_FULL', class: 'stop' }));
    park.settle();
    const waiting = park.mark(batchOf(2, 2, 2, 4), 'change');
    expect(kinds(waiting)).toHaveLength(3);
    expect(() => requireRoom(park, waiting, limit)).not.toThrow();
    park.settle();
    const late = new Park();
    late.load([1, 2, 3, 4].map((id) => rowOf(id, 'dead', keyOf(id))), 0); // prettier-ignore
    expect(() => requireRoom(late, late.mark(batchOf(9), 'change'), limit)).not.toThrow();
    expect(() => requireRoom(late, late.mark(batchOf(2), 'change'), limit)).toThrow(/5 rows/);
  });
});

describe('a kept row that was tried again', () => {
  const failure = { fname: 'f', code: 'ROW_INVALID', message: 'bad', stack: undefined, waitMs: 0 } as const;
  const waits = { ...failure, kind: 'waiting', waitMs: 50 } as const;
  const dead = { ...failure, kind: 'dead' } as const;

  test('that was dead is dead again, and stops nothing; one that was not goes by the flow’s policy', () => {
    const options = { now: 10 };
    for (const onBadRow of ['dead-row', 'stop', 'skip'] as const) {
      expect(outcomeOf(rowOf(1, 'dead'), dead, { ...options, onBadRow })).toMatchObject({ state: 'dead', isNew: false });
    }
    expect(outcomeOf(rowOf(1, 'parked'), dead, { ...options, onBadRow: 'dead-row' })).toMatchObject({ state: 'dead', isNew: true });
    expect(outcomeOf(rowOf(1, 'parked'), dead, { ...options, onBadRow: 'skip' })).toMatchObject({ state: 'skipped', isNew: true });
    expect(outcomeOf(rowOf(1, 'parked'), dead, { ...options, onBadRow: 'stop' })).toBe('stop');
  });

  test('that misses what a Load looks for waits, until its time is over', () => {
    const options = { now: 10, onBadRow: 'dead-row' } as const;
    expect(outcomeOf(rowOf(1, 'dead'), waits, options)).toMatchObject({ state: 'waiting', waitMs: 50 });
    expect(outcomeOf(rowOf(1, 'parked'), waits, options)).toMatchObject({ state: 'waiting', waitMs: 50 });
    expect(outcomeOf({ ...rowOf(1, 'waiting'), deadline: 11 }, waits, options)).toBe('goes on');
    expect(outcomeOf({ ...rowOf(1, 'waiting'), deadline: 10 }, waits, options)).toMatchObject({ state: 'dead', waitMs: 0 });
  });

  test('is known to storages by its run: the same after a crash, another one after a try that failed', () => {
    const row = rowOf(1, 'dead', 'a');
    expect(keptRunId('f', [row])).toBe(keptRunId('f', [{ ...row }]));
    expect(keptRunId('f', [{ ...row, tries: 2 }])).not.toBe(keptRunId('f', [row]));
  });
});

test('each parked row is behind the first row of its keys that is dead or waits, through others', () => {
  const rows = [
    rowOf(1, 'dead', 'a'),
    rowOf(2, 'parked', 'a', 'b'),
    rowOf(3, 'parked', 'b'),
    rowOf(4, 'waiting', 'c'),
    rowOf(5, 'parked', 'c', 'b'),
    rowOf(6, 'parked', 'd'),
  ];
  expect([...headsOf(rows)]).toEqual([['2', '1'], ['3', '1'], ['5', '4'], ['6', '']]); // prettier-ignore
  expect(countBehind(rows).get('1')).toBe(2);
});
