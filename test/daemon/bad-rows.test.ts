import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deadRowsOf, markError, MarkedError, withoutBadRows, type BadRowsPolicy } from '../../src/daemon/bad-rows.ts';
import { batchRows, rowPlaces } from '../../src/daemon/batch-rows.ts';
import { batchId, makeBatch, type Batch, type RoutedPart, type RowShape } from '../../src/daemon/batch.ts';
import { BadRowsError } from '../../src/flow/bad-rows.ts';
import { CodedError } from '../../src/lib/error.ts';
import { isChange } from '../../src/row/change.ts';
import { codedErrorOf } from '../flow/scope.ts';
import { history, makeTable, startPosition } from './transactions.ts';

const hasGtid = false;
const deadRow: BadRowsPolicy = { onBadRow: 'dead-row', perMinuteMax: 0, heldMax: 100_000 };
const table = makeTable('wanted');

/** How a made-up function tells that rows are bad: all at once, one a run, all of them as other rows than it was given, or not at all. */
type Teller = 'all' | 'one' | 'others' | 'none';

function partOf(op: 'insert' | 'update' | 'delete', ids: readonly number[], at: number): RoutedPart {
  const rows = ids.map((id) => ({ id, n: at }));
  const group =
    op === 'insert'
      ? ({ op, table, after: rows } as const)
      : op === 'delete'
        ? ({ op, table, before: rows } as const)
        : ({ op, table, before: rows, after: rows } as const);
  const place = { server: 's', file: 'binlog.000009', offset: 10 * at + 10, gtid: '', time: 1_700_000_000_000 };
  return { ...place, groups: [group], size: ids.length, bytes: 10, isFinal: true };
}

function idOf(row: unknown): number {
  const image = isChange(row) ? (row.after ?? row.before) : row;
  return typeof image === 'object' && image !== null ? Number(Reflect.get(image, 'id')) : -1;
}

function fail(rows: readonly unknown[], bad: ReadonlySet<number>, teller: Teller): void {
  const found = rows.flatMap((row, index) => (bad.has(idOf(row)) ? [{ row, index, message: 'bad', fields: '' }] : []));
  if (found.length === 0) return;
  if (teller === 'none') throw new CodedError('STORE_CONSTRAINT', 'refused', { class: 'row' });
  const named = teller === 'one' ? found.slice(0, 1) : found;
  const others = named.map((one) => ({ ...one, row: { id: idOf(one.row) } }));
  throw new BadRowsError({ flowName: 'f', functionName: 'f', rows: teller === 'others' ? others : named });
}

/** Does what the runner does, with a function that refuses these rows; gives what became of every change. */
function process(batch: Batch, options: { shape: RowShape; bad: ReadonlySet<number>; teller: Teller; policy?: BadRowsPolicy }) {
  const { shape, bad, teller, policy = deadRow } = options;
  const applied: number[] = [];
  const dead: number[] = [];
  let runs = 0;
  let rowsRun = 0;
  let todo: readonly Batch[] = [batch];
  while (todo.length > 0) {
    const [first, ...rest] = todo;
    if (first === undefined) break;
    const { rows } = batchRows(first, shape);
    runs += 1;
    rowsRun += rows.length;
    try {
      fail(rows, bad, teller);
      applied.push(...rows.map(idOf));
      dead.push(...deadRowsOf('f', first).map(({ key }) => Number(key.id)));
      todo = rest;
    } catch (error) {
      const marked = markError(error, { places: rowPlaces(first, shape), rows, fname: 'f' });
      if (!(marked instanceof CodedError)) throw marked;
      todo = [...withoutBadRows(first, marked, { flow: 'f', hasGtid, policy }), ...rest];
    }
  }
  return { applied, dead, runs, rowsRun };
}

function batchOf(size: number): Batch {
  const ids = Array.from({ length: size }, (_, i) => i + 1);
  return makeBatch(startPosition('none'), [partOf('insert', ids, 0)], { hasGtid });
}

describe('a batch with rows that cannot be processed', () => {
  test('L3: every change ends applied, filtered or dead, once, and in order, whatever the function tells', () => {
    fc.assert(
      fc.property(
        history,
        fc.func(fc.boolean()),
        fc.constantFrom<Teller>('all', 'one', 'others', 'none'),
        fc.constantFrom<RowShape>('after', 'change'),
        (shapes, isBad, teller, shape) => {
          let next = 0;
          const parts = shapes.map(({ parts: sizes, op }, at) =>
            partOf(
              op,
              Array.from({ length: sizes.reduce((sum, [wanted]) => sum + wanted, 0) }, () => (next += 1)),
              at,
            ),
          );
          const batch = makeBatch(startPosition('none'), parts, { hasGtid });
          const all = batchRows(batch, shape).rows.map(idOf);
          const bad = new Set(all.filter((id) => isBad(id)));
          const { applied, dead } = process(batch, { shape, bad, teller });
          expect(applied).toEqual(all.filter((id) => !bad.has(id)));
          expect(dead).toEqual(all.filter((id) => bad.has(id)));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('one bad row among 5,000 costs one more run when the function names it, and two dozen when it does not', () => {
    const bad = new Set([3210]);
    expect(process(batchOf(5000), { shape: 'after', bad, teller: 'all' }).runs).toBe(2);
    expect(process(batchOf(5000), { shape: 'after', bad, teller: 'none' }).runs).toBeLessThan(30);
  });

  test.each<Teller>(['all', 'one', 'others', 'none'])('many bad rows do not cost quadratic time: told as "%s"', (teller) => {
    const bad = new Set(Array.from({ length: 2500 }, (_, i) => 2 * i + 1));
    const { dead, rowsRun } = process(batchOf(5000), { shape: 'after', bad, teller });
    expect(dead).toHaveLength(2500);
    // n log n: 5,000 rows, 13 halvings, at most 9 runs of each half
    expect(rowsRun).toBeLessThan(5000 * 13 * 9);
  });

  test('without its dead rows it is another batch to storages that know batches by their id', () => {
    const batch = batchOf(3);
    const [marked] = withoutBadRows(batchOf(1), new CodedError('STORE_CONSTRAINT', 'x', { class: 'row' }), {
      flow: 'f',
      hasGtid,
      policy: deadRow,
    });
    expect(batchId('f', { ...batch, dead: marked?.dead ?? [] })).not.toBe(batchId('f', batch));
  });

  test('by the policy stop the rows before it are run, and it stops the flow with its table and key', async () => {
    const policy: BadRowsPolicy = { onBadRow: 'stop', perMinuteMax: 0, heldMax: 100_000 };
    const work = async () => process(batchOf(9), { shape: 'after', bad: new Set([7]), teller: 'all', policy });
    const error = await codedErrorOf(work());
    expect(error).toMatchObject({ code: 'ROW_INVALID', class: 'row', details: { table: 'shop.wanted', key: '{"id":7}' } });
  });

  test('an error of class row that no row is left for stops the flow', () => {
    const [dead] = withoutBadRows(batchOf(1), new CodedError('STORE_CONSTRAINT', 'x', { class: 'row' }), {
      flow: 'f',
      hasGtid,
      policy: deadRow,
    });
    expect(dead?.dead).toHaveLength(1);
    const again = new CodedError('STORE_CONSTRAINT', 'y', { class: 'row' });
    expect(() => withoutBadRows(dead ?? batchOf(1), again, { flow: 'f', hasGtid, policy: deadRow })).toThrow(/y$/);
  });

  test('a dead row knows its function, its reason, and where in the function it was thrown', () => {
    const thrown = new TypeError('no such customer');
    const error = new CodedError('FUNCTION_FAILED', 'f failed', { class: 'row', cause: thrown });
    const marked = markError(error, { places: [], rows: [], fname: 'Customers' });
    if (!(marked instanceof MarkedError)) throw new Error('not marked');
    const [batch] = withoutBadRows(batchOf(1), marked, { flow: 'f', hasGtid, policy: deadRow });
    expect(deadRowsOf('orders', batch ?? batchOf(1))).toEqual([
      {
        flow: 'orders',
        state: 'dead',
        waitMs: 0,
        keys: [expect.stringMatching(/^[0-9a-f]{32}$/)],
        fname: 'Customers',
        code: 'FUNCTION_FAILED',
        message: 'f failed',
        stack: thrown.stack,
        table: 'shop.wanted',
        key: { id: 1 },
        op: 'insert',
        before: null,
        after: { id: 1, n: 0 },
        absent: [],
        position: 'binlog.000009:10',
        time: 1_700_000_000_000,
      },
    ]);
  });
});
