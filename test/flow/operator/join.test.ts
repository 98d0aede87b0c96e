import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defineFunction } from '../../../src/flow/define.ts';
import { createFlow } from '../../../src/flow/driven-flow.ts';
import type { OperatorOptions } from '../../../src/flow/operator/make-operator.ts';
import { isChange, makeChange, type Change, type Row } from '../../../src/row/change.ts';
import { codedErrorOf } from '../scope.ts';
import { cases, customers, id, joinInFull, named, operatorOf, orders, type Join } from './join-cases.ts';
import { applyChanges, emptyTables, histories, inOrder, play, type TableRows, type TestTable } from './tables.ts';

/** Set FAST_CHECK_SEED to the seed that a failure printed to run the same cases again. */
const seed = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 2 ** 31);

/** A flow that runs these operators; what it gives, batch by batch. */
function makeFlow(...operators: readonly OperatorOptions[]) {
  let seen: unknown[] = [];
  const collect = defineFunction<unknown>({ name: 'Collect', run: (_flow, given) => void seen.push(...given) });
  const flow = createFlow({
    name: 'shop',
    steps: [...operators.map((operator, index) => ({ fname: `step${index}`, operator })), { fname: 'Collect' }],
    functions: [collect],
  });
  return async (rows: readonly unknown[]): Promise<readonly Change[]> => {
    seen = [];
    flow.commitRowBatch(rows);
    await flow.run();
    return seen.filter(isChange);
  };
}

describe('a join equals the same join over all rows, after every batch of any history', () => {
  test.each(cases)('$name', { timeout: 60_000 }, async (one) => {
    const tables = [...new Set([one.left, one.right])];
    const property = fc.asyncProperty(histories(tables), async (batches) => {
      const run = makeFlow(operatorOf(one));
      const rows = emptyTables(tables);
      const joined = new Map<string, Row>();
      for (const steps of batches) {
        const emitted = await run(play(tables, rows, steps));
        for (const change of emitted)
          expect(change).toMatchObject({ table: one.left.name, key: one.key, time: 7, position: 'b.1:4' });
        applyChanges(joined, emitted);
        expect(inOrder(joined.values())).toEqual(inOrder(joinInFull(one, rows)));
      }
    });
    await fc.assert(property, { seed, numRuns: 150 });
  });

  test.each(cases)(
    '$name, with rows that were there before the flow began: they join when they are touched',
    { timeout: 60_000 },
    async (one) => {
      const tables = [...new Set([one.left, one.right])];
      const property = fc.asyncProperty(histories(tables), async (batches) => {
        const run = makeFlow(operatorOf(one));
        const [rows, seen, joined] = [emptyTables(tables), emptyTables(tables), new Map<string, Row>()];
        const [before = [], ...rest] = batches;
        play(tables, rows, before);
        for (const steps of rest) {
          const changes = play(tables, rows, steps);
          for (const change of changes) see(seen, change);
          applyChanges(joined, await run(changes));
          expect(inOrder(joined.values())).toEqual(inOrder(joinInFull(one, seen)));
        }
      });
      await fc.assert(property, { seed, numRuns: 60 });
    },
  );
});

function see(seen: TableRows, { table, key, before, after }: Change): void {
  const idIn = (row: Row): string => JSON.stringify(key.map((name) => row[name]));
  if (before !== null) seen.get(table)?.delete(idIn(before));
  if (after !== null) seen.get(table)?.set(idIn(after), after);
}

describe('joins in a row', () => {
  test('join three tables, and pass rows of a fourth', { timeout: 60_000 }, async () => {
    const other: TestTable = { name: 'shop.other', key: ['id'], columns: { id } };
    const tables = [orders, customers, named, other];
    const first: Join = {
      kind: 'join',
      left: orders.name,
      right: customers.name,
      on: { customer_id: 'id' },
      take: { segment: 'segment', customer_code: 'code' },
      type: 'left',
      as: 'shop.with_customer',
    };
    const second: Join = {
      kind: 'join',
      left: 'shop.with_customer',
      right: named.name,
      on: { customer_code: 'code' },
      take: { name: 'segment' },
      type: 'left',
    };
    const property = fc.asyncProperty(histories(tables), async (batches) => {
      const run = makeFlow(first, second);
      const [rows, joined, passed] = [emptyTables(tables), new Map<string, Row>(), new Map<string, Row>()];
      for (const steps of batches) {
        const emitted = await run(play(tables, rows, steps));
        applyChanges(
          joined,
          emitted.filter(({ table }) => table === 'shop.with_customer'),
        );
        applyChanges(
          passed,
          emitted.filter(({ table }) => table === other.name),
        );
        const expected = [...(rows.get(orders.name)?.values() ?? [])].map((order): Row => {
          const customer =
            order['customer_id'] === null
              ? undefined
              : rows.get(customers.name)?.get(JSON.stringify([String(order['customer_id'])]));
          const code = customer?.['code'] ?? null;
          const name = [...(rows.get(named.name)?.values() ?? [])].find((row) => code !== null && row['code'] === code);
          return { ...order, segment: customer?.['segment'] ?? null, customer_code: code, name: name?.['segment'] ?? null };
        });
        expect(inOrder(joined.values())).toEqual(inOrder(expected));
        expect(inOrder(passed.values())).toEqual(inOrder(rows.get(other.name)?.values() ?? []));
      }
    });
    await fc.assert(property, { seed, numRuns: 60 });
  });
});

const shared = { position: 'b.1:4', time: 0, before: null, op: 'insert' } as const;
const order = (after: Row, key = ['id']): Change => makeChange({ ...shared, table: 'shop.orders', key, after });
const customer = (after: Row, key = ['id']): Change => makeChange({ ...shared, table: 'shop.customers', key, after });
const byCustomer: Join = {
  kind: 'join',
  left: 'shop.orders',
  right: 'shop.customers',
  on: { customer_id: 'id' },
  take: { segment: 'segment' },
  type: 'inner',
};

describe('a join', () => {
  test('emits an update where a row of either side changes, and nothing where no joined field does', async () => {
    const run = makeFlow(byCustomer);
    const before = { id: 7, segment: 'gold', note: 1 };
    await run([order({ id: 1, customer_id: 7 }), customer(before)]);
    const change = (after: Row): Change =>
      makeChange({ ...customer(before), op: 'update', before, after, position: 'b.2:9', time: 5 });
    expect(await run([change({ ...before, note: 2 })])).toEqual([]);
    expect(await run([change({ ...before, segment: null })])).toEqual([
      makeChange({
        op: 'update',
        table: 'shop.orders',
        key: ['id'],
        before: { id: 1, customer_id: 7, segment: 'gold' },
        after: { id: 1, customer_id: 7, segment: null },
        position: 'b.2:9',
        time: 5,
      }),
    ]);
  });

  test('joins a row that it first sees in an update of fields that it does not take', async () => {
    const run = makeFlow({
      ...byCustomer,
      left: 'shop.customers',
      right: 'shop.orders',
      on: { id: 'customer_id' },
      take: { order_id: 'id' },
    });
    await run([customer({ id: 7, segment: 'gold' })]);
    const before = { id: 1, customer_id: 7, note: 1 };
    const touched = makeChange({ ...order({ ...before, note: 2 }), op: 'update', before });
    expect(await run([touched])).toMatchObject([
      { op: 'insert', after: { id: 7, segment: 'gold', order_id: 1 }, key: ['order_id'] },
    ]);
  });

  test('keeps bytes and large numbers as they are', async () => {
    const run = makeFlow(byCustomer);
    const rich = { id: 1, customer_id: '9007199254740993', bytes: Buffer.from([0, 255]), big: 2n ** 64n };
    await run([order(rich)]);
    expect((await run([customer({ id: 9007199254740993n, segment: 'gold' })]))[0]?.after).toEqual({ ...rich, segment: 'gold' });
  });

  test('that would emit too many rows for one batch fails with an error that halves it, and leaves nothing', async () => {
    const run = makeFlow({ ...byCustomer, on: { city: 'city' }, take: { customer: 'id' } });
    const rows = Array.from({ length: 1000 }, (_, n) => order({ id: n, city: 'Rome' }));
    const others = Array.from({ length: 101 }, (_, n) => customer({ id: n, city: 'Rome' }));
    const error = await codedErrorOf(run([...rows, ...others]));
    expect(error).toMatchObject({ code: 'JOIN_TOO_LARGE', class: 'row', details: { flow: 'shop', function: 'step0' } });
    // nothing of it was kept: a customer finds no orders
    expect(await run([...others, order({ id: 1, city: 'Rome' })])).toHaveLength(101);
  });

  test('makes a row without one of its fields a bad row', async () => {
    const error = await codedErrorOf(makeFlow(byCustomer)([order({ id: 1 }), customer({ id: 1 })]));
    expect(error).toMatchObject({ code: 'EXPRESSION_FAILED', class: 'row' });
    expect(error.message).toContain('shop.orders {"id":1}: the row has no field customer_id (and 1 more rows)');
  });

  test.each<[string, readonly unknown[], Join, string]>([
    ['plain rows', [{ id: 1 }], byCustomer, 'write source.rows: change'],
    ['a table without a primary key', [order({ id: 1, customer_id: 1 }, [])], byCustomer, 'without a primary key'],
    [
      'a left join that may find several rows',
      [customer({ id: 1, segment: 'x' }, ['id', 'segment'])],
      { ...byCustomer, type: 'left' },
      'the key of shop.customers (id, segment) must be among',
    ],
    [
      'rows of right whose key is not taken',
      [order({ id: 1, city: 'a' }), customer({ id: 1, city: 'a', segment: 'x' })],
      { ...byCustomer, on: { city: 'city' } },
      'id of their key is not in with.take',
    ],
  ])('refuses %s', async (_what, rows, operator, message) => {
    const error = await codedErrorOf(makeFlow(operator)(rows));
    expect(error).toMatchObject({ code: 'OPERATOR_MISMATCH', class: 'stop' });
    expect(error.message).toContain(message);
  });

  test('refuses another primary key than its rows are kept by', async () => {
    const run = makeFlow(byCustomer);
    await run([order({ id: 1, customer_id: 1 })]);
    const error = await codedErrorOf(run([order({ id: 2, customer_id: 1 }, ['id', 'customer_id'])]));
    expect(error.message).toContain(
      'keeps rows of shop.orders by the key (id), and now it is (id, customer_id); give the flow a new start',
    );
  });
});
