import { describe, expect, it } from 'vitest';
import { createFlow } from '../../../src/flow/driven-flow.ts';
import { defineFunction } from '../../../src/flow/define.ts';
import type { Fields } from '../../../src/flow/operator/field.ts';
import type { OperatorOptions } from '../../../src/flow/operator/make-operator.ts';
import { isChange, makeChange, type Change, type Row } from '../../../src/row/change.ts';
import { codedErrorOf, makeMemory } from '../scope.ts';

const shared = { table: 'shop.orders', key: ['id'], position: 'b.1:4', time: 0 };
const insert = (after: Row): Change => makeChange({ ...shared, op: 'insert', before: null, after });
const update = (before: Row, after: Row): Change => makeChange({ ...shared, op: 'update', before, after });
const remove = (before: Row): Change => makeChange({ ...shared, op: 'delete', before, after: null });

/** What an operator makes of these rows; changes as `[op, before, after]`. */
async function run(operator: OperatorOptions, rows: readonly unknown[], table: readonly Row[] = []): Promise<unknown[]> {
  const seen: unknown[] = [];
  const collect = defineFunction<unknown>({ name: 'Collect', run: (_flow, given) => void seen.push(...given) });
  const memory = makeMemory({ key: 'id' });
  const save = createFlow({ name: 'fill', steps: [{ fname: 'Save', mode: 'Save', connector: 'table' }], connectors: [memory] });
  save.commitRowBatch(table);
  await save.run();
  const flow = createFlow({
    name: 'shop',
    steps: [{ fname: 'Operate', operator, connector: 'table' }, { fname: 'Collect' }],
    functions: [collect],
    connectors: [memory],
  });
  flow.commitRowBatch(rows);
  await flow.run();
  return seen.map((row) => (isChange(row) ? [row.op, row.before, row.after] : row));
}

const paid: OperatorOptions = { kind: 'filter', where: 'status == "paid"' };

describe('filter', () => {
  it('passes the rows for which its condition is true, and none for which it is false or NULL', async () => {
    const rows = [{ status: 'paid' }, { status: 'new' }, { status: null }];
    expect(await run(paid, rows)).toEqual([{ status: 'paid' }]);
  });

  it('turns an update into the delete or the insert that it is for what lies behind', async () => {
    const [isNew, isPaid, isSent] = [
      { id: 1, status: 'new' },
      { id: 1, status: 'paid' },
      { id: 1, status: 'sent' },
    ];
    expect(await run(paid, [update(isNew, isPaid)])).toEqual([['insert', null, isPaid]]);
    expect(await run(paid, [update(isPaid, isSent)])).toEqual([['delete', isPaid, null]]);
    expect(await run(paid, [update(isPaid, { ...isPaid, n: 2 })])).toEqual([['update', isPaid, { ...isPaid, n: 2 }]]);
    expect(await run(paid, [update(isNew, isSent)])).toEqual([]);
    expect(await run(paid, [insert(isPaid), remove(isPaid), insert(isNew), remove(isNew)])).toEqual([
      ['insert', null, isPaid],
      ['delete', isPaid, null],
    ]);
  });

  it('makes a row that it cannot judge a row error that names flow, function and row', async () => {
    const error = await codedErrorOf(run({ kind: 'filter', where: '10 / n > 1' }, [insert({ id: 7, n: 0 })]));
    expect(error).toMatchObject({ code: 'EXPRESSION_FAILED', class: 'row', details: { flow: 'shop', function: 'Operate' } });
    expect(error.message).toBe('Flow shop, function Operate, row shop.orders {"id":7}: 10 / n divides by zero');
  });
});

describe('an operator that names a field alone', () => {
  it('takes 1 and 0 for true and false, and nothing else', async () => {
    const flag: OperatorOptions = { kind: 'filter', where: 'flag' };
    const rows = [{ flag: 1 }, { flag: 0 }, { flag: true }, { flag: false }, { flag: null }];
    expect(await run(flag, rows)).toEqual([{ flag: 1 }, { flag: true }]);
    const error = await codedErrorOf(run(flag, [{ flag: 'yes' }]));
    expect(error.message).toContain('flag is "yes", which is neither true nor false');
  });

  it('fails for a row that lacks it', async () => {
    expect((await codedErrorOf(run({ kind: 'map', set: { copy: 'a' } }, [{ b: 1 }]))).message).toContain('the row has no field a');
  });
});

describe('map', () => {
  const total: OperatorOptions = { kind: 'map', set: { total: 'amount * quantity', amount: 'quantity' } };

  it('adds and replaces fields, each computed from the row as it came', async () => {
    expect(await run(total, [{ amount: '2.50', quantity: 3 }])).toEqual([{ amount: 3, quantity: 3, total: '7.50' }]);
  });

  it('maps a change before and after', async () => {
    const [before, after] = [
      { amount: '1.0', quantity: 1 },
      { amount: '1.0', quantity: 2 },
    ];
    expect(await run(total, [update(before, after)])).toEqual([
      ['update', { amount: 1, quantity: 1, total: '1.0' }, { amount: 2, quantity: 2, total: '2.0' }],
    ]);
  });
});

describe('project', () => {
  it('keeps, drops and renames fields, before and after', async () => {
    const row = { id: 1, a: 2, b: 3 };
    const options = { kind: 'project', drop: [], rename: { id: 'order_id' } } as const;
    expect(await run({ ...options, keep: ['a'] }, [row])).toEqual([{ order_id: 1, a: 2 }]);
    expect(await run({ ...options, keep: undefined, drop: ['b'] }, [remove(row)])).toEqual([
      ['delete', { order_id: 1, a: 2 }, null],
    ]);
  });

  it('renames the key of a change with its fields, and has none when a part of it is gone', async () => {
    const keys: (readonly string[])[] = [];
    const collect = defineFunction<Change>({
      name: 'Collect',
      run: (_flow, rows) => void keys.push(...rows.map(({ key }) => key)),
    });
    const drive = async (operator: OperatorOptions) => {
      const flow = createFlow({ name: 'f', steps: [{ fname: 'P', operator }, { fname: 'Collect' }], functions: [collect] });
      flow.commitRow(insert({ id: 1, a: 2 }));
      await flow.run();
    };
    await drive({ kind: 'project', keep: undefined, drop: [], rename: { id: 'order_id' } });
    await drive({ kind: 'project', keep: ['a'], drop: [], rename: {} });
    expect(keys).toEqual([['order_id'], []]);
  });
});

describe('dedupe', () => {
  const byId: OperatorOptions = { kind: 'dedupe', key: ['id'], keep: 'last' };

  it('keeps the last row of a key, or the first', async () => {
    const rows = [
      { id: 1, n: 1 },
      { id: 2, n: 2 },
      { id: 1, n: 3 },
    ];
    expect(await run(byId, rows)).toEqual([
      { id: 2, n: 2 },
      { id: 1, n: 3 },
    ]);
    expect(await run({ ...byId, keep: 'first' }, rows)).toEqual([
      { id: 1, n: 1 },
      { id: 2, n: 2 },
    ]);
  });

  it('makes one change of all changes of a key: what they amount to', async () => {
    const [a, b, c] = [1, 2, 3].map((n) => ({ id: 1, n }));
    if (a === undefined || b === undefined || c === undefined) throw new Error('three rows');
    expect(await run(byId, [insert(a), update(a, b)])).toEqual([['insert', null, b]]);
    expect(await run(byId, [update(a, b), update(b, c)])).toEqual([['update', a, c]]);
    expect(await run(byId, [update(a, b), remove(b)])).toEqual([['delete', a, null]]);
    expect(await run(byId, [insert(a), remove(a)])).toEqual([]);
    expect(await run(byId, [remove(a), insert(b)])).toEqual([['update', a, b]]);
    const moved = { id: 2, n: 1 };
    expect(await run(byId, [update(a, moved)])).toEqual([
      ['delete', a, null],
      ['insert', null, moved],
    ]);
  });
});

describe('dedupe that remembers', () => {
  const events = (rememberMs: number) => {
    const seen: unknown[] = [];
    const collect = defineFunction<unknown>({ name: 'Collect', run: (_flow, given) => void seen.push(...given) });
    const operator: OperatorOptions = { kind: 'dedupe', key: ['id', 'kind'], keep: 'first', rememberMs };
    const flow = createFlow({ name: 'f', steps: [{ fname: 'Once', operator }, { fname: 'Collect' }], functions: [collect] });
    return async (...rows: readonly unknown[]): Promise<readonly unknown[]> => {
      seen.length = 0;
      flow.commitRowBatch(rows);
      await flow.run();
      return [...seen];
    };
  };

  it('passes the first row of a key, over batches', async () => {
    const pass = events(Number.POSITIVE_INFINITY);
    const [a, b, none, long] = [
      { id: 1, kind: 'a' },
      { id: 1, kind: 'b' },
      { id: 1, kind: null },
      { id: 1, kind: 'x'.repeat(2000) },
    ];
    expect(await pass(a, { ...a, n: 2 }, b, none, long)).toEqual([a, b, none, long]);
    expect(await pass({ ...b, n: 3 }, a, none, { ...long, n: 4 })).toEqual([]);
    expect(await pass({ id: '1', kind: 'a' }, { id: 2, kind: 'a' })).toEqual([{ id: 2, kind: 'a' }]);
  });

  it('forgets it after its time', async () => {
    const pass = events(30);
    const row = { id: 1, kind: 'a' };
    expect(await pass(row)).toEqual([row]);
    const until = Date.now() + 40;
    while (Date.now() < until);
    expect(await pass(row, row)).toEqual([row]);
  });

  it('refuses changes, of which every one counts', async () => {
    const error = await codedErrorOf(events(1000)(insert({ id: 1, kind: 'a' })));
    expect(error).toMatchObject({ code: 'OPERATOR_MISMATCH', class: 'stop' });
  });
});

describe('lookup', () => {
  const customers = [
    { id: 1, name: 'Ann', city: 'Rome' },
    { id: 2, name: 'Bob', city: null },
  ];
  const lookup = { kind: 'lookup', match: { id: 'customer_id' }, take: { customer: 'name', city: 'city' } } as const;

  it('adds fields of another table, NULL where it has no such row', async () => {
    const rows = [{ customer_id: 1 }, { customer_id: 2 }, { customer_id: 9 }, { customer_id: null }];
    expect(await run({ ...lookup, missing: 'null' }, rows, customers)).toEqual([
      { customer_id: 1, customer: 'Ann', city: 'Rome' },
      { customer_id: 2, customer: 'Bob', city: null },
      { customer_id: 9, customer: null, city: null },
      { customer_id: null, customer: null, city: null },
    ]);
  });

  it('drops a row that has no other row, or fails for it', async () => {
    const rows = [{ customer_id: 9 }, { customer_id: 1 }];
    expect(await run({ ...lookup, missing: 'drop' }, rows, customers)).toHaveLength(1);
    const error = await codedErrorOf(run({ ...lookup, missing: 'fail' }, rows, customers));
    expect(error).toMatchObject({ code: 'EXPRESSION_FAILED', class: 'row' });
    expect(error.message).toContain('{"customer_id":9}: there is no row with {"id":9} to look up');
  });

  it('looks a change up before and after, each with its own values', async () => {
    const change = update({ id: 5, customer_id: 1 }, { id: 5, customer_id: 2 });
    expect(await run({ ...lookup, missing: 'null' }, [change], customers)).toEqual([
      ['update', { id: 5, customer_id: 1, customer: 'Ann', city: 'Rome' }, { id: 5, customer_id: 2, customer: 'Bob', city: null }],
    ]);
    const lost = update({ id: 5, customer_id: 1 }, { id: 5, customer_id: 9 });
    expect(await run({ ...lookup, missing: 'drop' }, [lost], customers)).toEqual([
      ['delete', { id: 5, customer_id: 1, customer: 'Ann', city: 'Rome' }, null],
    ]);
  });
});

describe('an operator for the rows of one table', () => {
  const other = makeChange({ ...insert({ id: 9, n: 1, status: 'new' }), table: 'shop.customers' });
  const table = 'shop.orders';
  const [first, second] = [insert({ id: 1, n: 1, status: 'paid' }), insert({ id: 2, n: 2, status: 'new' })];

  it('passes all others on as they came, in their places', async () => {
    const rows = [first, other, second];
    const passed = ['insert', null, other.after];
    expect(await run({ ...paid, table }, rows)).toEqual([['insert', null, first.after], passed]);
    expect(await run({ kind: 'map', set: { m: 'n + 1' }, table }, rows)).toMatchObject([
      ['insert', null, { m: 2 }],
      passed,
      ['insert', null, { m: 3 }],
    ]);
    expect(await run({ kind: 'project', keep: ['n'], drop: [], rename: {}, table }, rows)).toEqual([
      ['insert', null, { n: 1 }],
      passed,
      ['insert', null, { n: 2 }],
    ]);
    const lives = [first, other, update(first.after ?? {}, { id: 1, n: 5 }), other];
    expect(await run({ kind: 'dedupe', key: ['id'], keep: 'last', table }, lives)).toEqual([
      passed,
      passed,
      ['insert', null, { id: 1, n: 5 }],
    ]);
  });

  it('refuses plain rows, which do not name their table', async () => {
    const error = await codedErrorOf(run({ ...paid, table }, [{ id: 1, status: 'paid' }]));
    expect(error).toMatchObject({ code: 'OPERATOR_MISMATCH', class: 'stop' });
  });
});

describe('operators in a row', () => {
  const fields: Fields = { isComplete: true, known: new Map([['amount', { type: 'number', isNullable: false, scale: 2 }]]) };
  const build =
    (...operators: OperatorOptions[]) =>
    () =>
      createFlow({ name: 'shop', fields, steps: operators.map((operator, index) => ({ fname: `step${index}`, operator })) });

  it('know the fields that the one before them makes', () => {
    expect(build({ kind: 'map', set: { tax: 'amount * 0.19' } }, { kind: 'filter', where: 'tax > 1' })).not.toThrow();
    expect(
      build({ kind: 'project', keep: undefined, drop: [], rename: { amount: 'sum' } }, { kind: 'filter', where: 'amount > 1' }),
    ).toThrow('function step1, with.where: there is no field "amount"');
    expect(build({ kind: 'map', set: { amount: 'string(amount)' } }, { kind: 'filter', where: 'amount > 1' })).toThrow(
      '"amount > 1" compares a text with a number',
    );
  });

  it('are refused with all their mistakes at once', () => {
    expect(build({ kind: 'filter', where: 'amont > 1' }, { kind: 'map', set: { a: '1 +' } })).toThrow(
      /no field "amont"[^]*with\.set\.a: "1 \+" cannot be read/,
    );
  });
});
