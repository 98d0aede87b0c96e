import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMysqlConnector } from '../../../src/connector/mysql.ts';
import { createFlow, type DrivenFlow } from '../../../src/flow/driven-flow.ts';
import { fieldOf, type Fields } from '../../../src/flow/operator/field.ts';
import type { OperatorOptions } from '../../../src/flow/operator/make-operator.ts';
import { makeChange, type Change, type Row } from '../../../src/row/change.ts';
import { migrate } from '../../../src/store/migrate.ts';
import { openStore, type Store } from '../../../src/store/open.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { onEnd } from '../../support/cleanup.ts';
import { createDatabase, eachServer } from '../../support/servers.ts';
import { codedErrorOf } from '../scope.ts';

/** Set FAST_CHECK_SEED to the seed that a failure printed to run the same cases again. */
const seed = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 2 ** 31);

const columns = {
  id: ['int', false],
  customer: ['varchar(20)', true],
  region: ['int', false],
  amount: ['decimal(12,2)', true],
  quantity: ['int', false],
  product: ['varchar(20)', true],
  ratio: ['double', true],
} as const;

const ordersTable = `CREATE TABLE orders (id INT PRIMARY KEY, customer VARCHAR(20) COLLATE utf8mb4_bin, region INT NOT NULL,
  amount DECIMAL(12,2), quantity INT NOT NULL, product VARCHAR(20) COLLATE utf8mb4_bin, ratio DOUBLE)`;

const fields: Fields = {
  isComplete: true,
  known: new Map(Object.entries(columns).map(([name, [type, isNullable]]) => [name, fieldOf(type, isNullable)])),
};

/** An aggregate and the same figures in SQL. */
interface Case {
  readonly name: string;
  readonly before?: readonly OperatorOptions[];
  readonly operator: OperatorOptions & { readonly kind: 'aggregate' };
  readonly table: string;
  readonly sql: string;
  readonly plan: 'increments' | 'counts';
}

const average = (sum: string, count: string, scale: number): string =>
  `CAST(CAST(${sum} AS DECIMAL(60, 20)) / NULLIF(${count}, 0) AS DECIMAL(40, ${scale}))`;

const incremented: Case = {
  name: 'counts, sums and averages that the computed table carries by itself',
  plan: 'increments',
  operator: {
    kind: 'aggregate',
    table: 'figures',
    key: { region: 'region' },
    fields: {
      mean: 'avg(amount)',
      total: 'sum(amount)',
      paid: 'count(amount)',
      pieces: 'sum(quantity)',
      mean_pieces: 'avg(quantity)',
      orders: 'count()',
    },
  },
  table: `region INT PRIMARY KEY, mean DECIMAL(20,4), total DECIMAL(20,2), paid BIGINT UNSIGNED NOT NULL, pieces BIGINT,
    mean_pieces DECIMAL(20,3), orders BIGINT UNSIGNED NOT NULL`,
  sql: `SELECT region, ${average('SUM(amount)', 'COUNT(amount)', 4)} AS mean, SUM(amount) AS total, COUNT(amount) AS paid,
    CAST(SUM(quantity) AS SIGNED) AS pieces, ${average('SUM(quantity)', 'COUNT(*)', 3)} AS mean_pieces, COUNT(*) AS orders
    FROM orders GROUP BY region`,
};

const counted: Case = {
  name: 'least, greatest and different values, and sums without their counts',
  plan: 'counts',
  operator: {
    kind: 'aggregate',
    table: 'figures',
    key: { who: 'customer', region: 'region' },
    fields: {
      least: 'min(amount)',
      most: 'max(amount)',
      products: 'distinct(product)',
      first_product: 'min(product)',
      last_product: 'max(product)',
      value: 'sum(amount * quantity)',
      mean: 'avg(amount)',
      ratios: 'sum(ratio)',
      last_id: 'max(id)',
    },
  },
  table: `who VARCHAR(20) COLLATE utf8mb4_bin, region INT, least DECIMAL(12,2), most DECIMAL(12,2), products INT NOT NULL,
    first_product VARCHAR(20), last_product VARCHAR(20), value DECIMAL(30,2), mean DECIMAL(20,3), ratios DECIMAL(20,6), last_id INT,
    PRIMARY KEY (who, region)`,
  sql: `SELECT customer AS who, region, MIN(amount) AS least, MAX(amount) AS most, COUNT(DISTINCT product) AS products,
    MIN(product) AS first_product, MAX(product) AS last_product, SUM(amount * quantity) AS value,
    ${average('SUM(amount)', 'COUNT(amount)', 3)} AS mean, CAST(SUM(CAST(ratio AS DECIMAL(20, 6))) AS DECIMAL(20, 6)) AS ratios, MAX(id) AS last_id
    FROM orders WHERE customer IS NOT NULL GROUP BY customer, region`,
};

const filtered: Case = {
  name: 'behind a filter, a map and a dedupe',
  plan: 'increments',
  before: [
    { kind: 'filter', where: 'amount > 0 && product != "b"' },
    { kind: 'map', set: { value: 'amount * quantity' } },
    { kind: 'dedupe', key: ['id'], keep: 'last' },
  ],
  operator: {
    kind: 'aggregate',
    table: 'figures',
    key: { customer: 'customer' },
    fields: { orders: 'count()', total: 'sum(coalesce(value, 0))' },
  },
  table: 'customer VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, orders INT UNSIGNED NOT NULL, total DECIMAL(30,2)',
  sql: `SELECT customer, COUNT(*) AS orders, SUM(amount * quantity) AS total FROM orders
    WHERE amount > 0 AND product <> 'b' AND customer IS NOT NULL GROUP BY customer`,
};

const sample: Row = { customer: 'ann', region: 1, amount: '1.55', quantity: 2, product: 'a', ratio: 0.1 };

type Step =
  | { readonly op: 'put'; readonly id: number; readonly row: Row }
  | { readonly op: 'remove'; readonly id: number }
  | { readonly op: 'move'; readonly id: number; readonly to: number };

const id = fc.integer({ min: 1, max: 12 });
const row = fc.record({
  customer: fc.constantFrom('ann', 'Ann', 'bob', '', null),
  region: fc.integer({ min: 1, max: 3 }),
  amount: fc.option(fc.integer({ min: -99_999, max: 99_999 }).map((cents) => (cents / 100).toFixed(2))),
  quantity: fc.integer({ min: -3, max: 9 }),
  product: fc.constantFrom('a', 'b', 'ä', '', null),
  ratio: fc.constantFrom(0.1, 0.2, 0.7, -0.3, 2, null),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('put' as const), id, row }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), id }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('move' as const), id, to: id }) },
);
/** Steps in batches. */
const history = fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 8 });

/** What the steps do to the rows: each as the change that a source would give. */
function play(rows: Map<number, Row>, steps: readonly Step[]): readonly Change[] {
  const changes: Change[] = [];
  const note = (before: Row | undefined, after: Row | undefined): void => {
    const op = before === undefined ? 'insert' : after === undefined ? 'delete' : 'update';
    const images = { before: before ?? null, after: after ?? null };
    if (before !== undefined || after !== undefined) {
      changes.push(makeChange({ op, table: 'shop.orders', key: ['id'], position: 'b.1:4', time: 0, ...images }));
    }
  };
  for (const one of steps) {
    const before = rows.get(one.id);
    if (one.op === 'put') {
      const after = { id: one.id, ...one.row };
      rows.set(one.id, after);
      note(before, after);
    } else if (one.op === 'remove') {
      rows.delete(one.id);
      note(before, undefined);
    } else if (before !== undefined && !rows.has(one.to)) {
      const after = { ...before, id: one.to };
      rows.delete(one.id);
      rows.set(one.to, after);
      note(before, after);
    }
  }
  return changes;
}

eachServer((_flavour, server) => {
  async function openWith(table: string): Promise<Store> {
    const store = await openStore({ url: (await createDatabase(server)).url });
    onEnd(() => store.close());
    await migrate({ store, logger: silentLogger });
    await store.query(ordersTable);
    await store.query(`CREATE TABLE figures (${table})`);
    return store;
  }

  function makeFlow(store: Store, operators: readonly OperatorOptions[], known: Fields = fields): DrivenFlow {
    return createFlow({
      name: 'shop',
      fields: known,
      steps: operators.map((operator, index) => ({
        fname: index === operators.length - 1 ? 'Aggregate' : `step${index}`,
        mode: 'Save',
        connector: 'figures',
        operator,
      })),
      connectors: [createMysqlConnector({ name: 'figures', type: 'mysql', addrs: 'store', key: 'figures', params: {} })],
      runInTransaction: (work) => store.transaction(work),
    });
  }

  const rowsOf = async (store: Store, sql: string): Promise<readonly string[]> =>
    (await store.query(sql)).rows.map((found) => JSON.stringify(found)).toSorted();

  describe('an aggregate equals the same GROUP BY after any inserts, updates, deletes and key changes', () => {
    test.each([incremented, counted, filtered])('$name', { timeout: 300_000 }, async (one) => {
      const store = await openWith(one.table);
      const names = Object.keys(columns);
      const property = fc.asyncProperty(history, async (batches) => {
        for (const table of ['orders', 'figures', 'kis_aggregate']) await store.query(`DELETE FROM ${table}`);
        const flow = makeFlow(store, [...(one.before ?? []), one.operator]);
        const rows = new Map<number, Row>();
        for (const steps of batches) {
          flow.commitRowBatch(play(rows, steps));
          await flow.run();
        }
        if (rows.size > 0) {
          const values = [...rows.values()].map((image) => names.map((name) => image[name]));
          await store.query(`INSERT INTO orders (${names.join(',')}) VALUES ?`, [values]);
        }
        expect(await rowsOf(store, 'SELECT * FROM figures')).toEqual(await rowsOf(store, one.sql));
        if (rows.size === 0) expect(await rowsOf(store, 'SELECT * FROM kis_aggregate_value')).toEqual([]);
      });
      await fc.assert(property, { seed, numRuns: 80, endOnFailure: true });
    });

    test.each([incremented, counted])('in the way that its figures allow: $plan', async (one) => {
      const store = await openWith(one.table);
      const flow = makeFlow(store, [one.operator]);
      flow.commitRowBatch(play(new Map(), [{ op: 'put', id: 1, row: sample }]));
      await flow.run();
      expect((await store.query('SELECT plan FROM kis_aggregate')).rows).toEqual([{ plan: one.plan }]);
      const { rows } = await store.query('SELECT COUNT(*) AS n FROM kis_aggregate_value');
      expect(Number(rows[0]?.['n']) > 0).toBe(one.plan === 'counts');
    });
  });

  describe('an aggregate refuses', () => {
    const put: Step = { op: 'put', id: 1, row: sample };

    async function runOnce(store: Store, operator: OperatorOptions, known: Fields = fields): Promise<void> {
      const flow = makeFlow(store, [operator], known);
      flow.commitRowBatch(play(new Map(), [put]));
      await flow.run();
    }

    test('plain rows, which say nothing of deletes', async () => {
      const flow = makeFlow(await openWith(incremented.table), [incremented.operator]);
      flow.commitRow({ id: 1, ...sample });
      const error = await codedErrorOf(flow.run());
      expect(error).toMatchObject({ code: 'AGGREGATE_MISMATCH', class: 'stop' });
      expect(error.message).toContain('write source.rows: change');
    });

    test('to go on with the figures of another definition', async () => {
      const store = await openWith(incremented.table);
      await runOnce(store, incremented.operator);
      const other = { ...incremented.operator, fields: { ...incremented.operator.fields, pieces: 'sum(quantity * 2)' } };
      expect(await codedErrorOf(runOnce(store, other))).toMatchObject({ code: 'AGGREGATE_MISMATCH', class: 'stop' });
    });

    test('a table with another key, without a column, or none at all', async () => {
      const keyless = await openWith(incremented.table.replace(' PRIMARY KEY', ''));
      expect((await codedErrorOf(runOnce(keyless, incremented.operator))).code).toBe('AGGREGATE_MISMATCH');
      const short = await openWith(incremented.table.replace('pieces BIGINT,', ''));
      const error = await codedErrorOf(runOnce(short, incremented.operator));
      expect(error).toMatchObject({ code: 'STORE_COLUMN_UNKNOWN', details: { fields: 'pieces' } });
      await short.query('DROP TABLE figures');
      expect((await codedErrorOf(runOnce(short, incremented.operator))).code).toBe('STORE_TABLE_MISSING');
    });

    test('a key column that takes two texts for one, where groups are told apart byte by byte', async () => {
      const store = await openWith(counted.table.replace(' COLLATE utf8mb4_bin', ' COLLATE utf8mb4_general_ci'));
      const error = await codedErrorOf(runOnce(store, counted.operator));
      expect(error).toMatchObject({ code: 'AGGREGATE_MISMATCH', details: { fields: 'who' } });
    });

    test('to count rows down that never came: a flow that began in the middle', async () => {
      const flow = makeFlow(await openWith(counted.table), [counted.operator]);
      flow.commitRowBatch(play(new Map([[1, { id: 1, ...sample }]]), [{ op: 'remove', id: 1 }]));
      const error = await codedErrorOf(flow.run());
      expect(error).toMatchObject({ code: 'AGGREGATE_MISMATCH', class: 'stop' });
      expect(error.message).toContain('kisflow rebuild');
    });

    test('a NULL or a digit that the source table had promised not to have', async () => {
      const known = (type: string): Fields => ({
        isComplete: true,
        known: new Map([...fields.known, ['amount', fieldOf(type, false)]]),
      });
      const operator = { ...incremented.operator, fields: { orders: 'count()', total: 'sum(amount)' } };
      const table = 'region INT PRIMARY KEY, orders INT UNSIGNED NOT NULL, total DECIMAL(20,1)';
      const flow = makeFlow(await openWith(table), [operator], known('decimal(12,1)'));
      flow.commitRowBatch(play(new Map(), [put]));
      expect((await codedErrorOf(flow.run())).message).toContain('more than the 1 digits after the point');
      const nulls = makeFlow(await openWith(table.replace('20,1', '20,2')), [operator], known('decimal(12,2)'));
      nulls.commitRowBatch(play(new Map(), [{ op: 'put', id: 1, row: { ...sample, amount: null } }]));
      expect((await codedErrorOf(nulls.run())).message).toContain('may be NULL now');
    });
  });

  test('a row whose key is NULL is in no group, and a value that is no number is a row error', async () => {
    const store = await openWith(counted.table);
    const flow = makeFlow(store, [counted.operator]);
    flow.commitRowBatch(play(new Map(), [{ op: 'put', id: 1, row: { ...sample, customer: null } }]));
    await flow.run();
    expect(await rowsOf(store, 'SELECT * FROM figures')).toEqual([]);
    flow.commitRowBatch(play(new Map(), [{ op: 'put', id: 2, row: { ...sample, amount: 'much' } }]));
    const error = await codedErrorOf(flow.run());
    expect(error).toMatchObject({ code: 'EXPRESSION_FAILED', class: 'row', details: { flow: 'shop', function: 'Aggregate' } });
    expect(error.message).toContain('shop.orders {"id":2}');
  });
});
