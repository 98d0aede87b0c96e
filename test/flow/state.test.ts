import { describe, expect, test } from 'vitest';
import { createFlow } from '../../src/flow/driven-flow.ts';
import type { FlowContext } from '../../src/flow/contract.ts';
import { defineFunction } from '../../src/flow/define.ts';
import { StateCache } from '../../src/flow/state-cache.ts';
import { codedErrorOf } from './scope.ts';

type Row = { readonly key: string; readonly n: number };

/** A flow of one function that runs this over its rows. */
function flowOf(run: (flow: FlowContext, rows: readonly Row[]) => Promise<void>, retryTimes = 0) {
  const functions = [defineFunction<Row>({ name: 'count', run })];
  return createFlow({ name: 'f', steps: [{ fname: 'count', retryTimes }], functions });
}

async function runOver<T>(
  flow: { commitRowBatch(rows: readonly T[]): void; run(): Promise<unknown> },
  rows: readonly T[],
): Promise<void> {
  flow.commitRowBatch(rows);
  await flow.run();
}

async function add(flow: FlowContext, rows: readonly Row[]): Promise<void> {
  const known = await flow.state.getMany(rows.map(({ key }) => key));
  const sums = new Map<string, number>();
  for (const { key, n } of rows) sums.set(key, (sums.get(key) ?? Number(known.get(key) ?? 0)) + n);
  for (const [key, sum] of sums) flow.state.set(key, sum);
}

/** A flow that adds up, and what it has added up so far. */
function adder() {
  let seen: ReadonlyMap<string, unknown> = new Map();
  const flow = flowOf(async (context, rows) => {
    if (rows.length > 0) await add(context, rows);
    seen = await context.state.getMany(['a', 'b']);
  });
  return { flow, sums: () => Object.fromEntries(seen) };
}

describe('state in a program without a store', () => {
  test('lives from run to run, for the flow and its forks', async () => {
    const { flow, sums } = adder();
    await runOver(flow, [{ key: 'a', n: 1 }]);
    await runOver(flow.fork(), [
      { key: 'a', n: 2 },
      { key: 'b', n: 5 },
    ]);
    expect(sums()).toEqual({ a: 3, b: 5 });
  });

  test('belongs to one function: another one of the flow does not see it', async () => {
    const seen: unknown[] = [];
    const flow = createFlow({
      name: 'f',
      steps: [{ fname: 'writer' }, { fname: 'reader' }],
      functions: [
        defineFunction({
          name: 'writer',
          run(context, rows) {
            context.state.set('k', 1);
            context.commitRowBatch(rows);
          },
        }),
        defineFunction({
          name: 'reader',
          async run(context) {
            seen.push(await context.state.get('k'));
          },
        }),
      ],
    });
    await runOver(flow, [{}]);
    await runOver(flow, [{}]);
    expect(seen).toEqual([undefined, undefined]);
  });

  test('a function sees what it has set and deleted itself, and gets copies', async () => {
    const seen: unknown[] = [];
    const flow = flowOf(async ({ state }) => {
      const value = { list: [1], at: new Date(5), bytes: Buffer.from([7]), big: 2n ** 70n };
      state.set('k', value);
      value.list.push(2);
      const first = await state.get('k');
      if (typeof first === 'object' && first !== null) Reflect.set(first, 'list', 'spoiled');
      seen.push(await state.get('k'));
      state.delete('k');
      seen.push(await state.get('k'), [...(await state.getMany(['k', 'other'])).keys()]);
    });
    await runOver(flow, [{ key: 'a', n: 1 }]);
    expect(seen).toEqual([{ list: [1], at: new Date(5), bytes: Buffer.from([7]), big: 2n ** 70n }, undefined, []]);
  });

  test('L1: a try that fails leaves nothing, and neither does a run that fails', async () => {
    const seen: unknown[] = [];
    let tries = 0;
    const flow = flowOf(async ({ state }) => {
      seen.push(await state.get('k'));
      state.set('k', (tries += 1));
      if (tries === 1) throw new Error('first try');
      if (tries === 3 || tries === 4) throw new Error('second run');
    }, 1);
    await runOver(flow, [{ key: 'a', n: 1 }]);
    expect((await codedErrorOf(runOver(flow, [{ key: 'a', n: 1 }]))).code).toBe('FUNCTION_FAILED');
    await runOver(flow, [{ key: 'a', n: 1 }]);
    expect(seen).toEqual([undefined, undefined, 2, 2, 2]);
  });

  test('groups by prefix and the first keys are there as they are in a store, over what the function has changed itself', async () => {
    const seen: unknown[] = [];
    const flow = flowOf(async ({ state }, rows) => {
      const { n } = rows[0] ?? { n: 0 };
      if (n === 1) for (const key of ['b2', 'a1', 'a\u{10000}', 'a\uffff', 'b1']) state.set(key, key.length);
      if (n === 2) state.delete('a1');
      if (n === 2) state.set('a0', 0);
      seen.push(await state.getGroups(['a', 'b', 'c'], 5), [...(await state.getFirst('a', 2)).keys()]);
      expect(await state.getGroups(['a'], 2).catch((error: unknown) => error)).toMatchObject({ code: 'STATE_TOO_LARGE' });
    });
    await runOver(flow, [{ key: 'a', n: 1 }]);
    await runOver(flow, [{ key: 'a', n: 2 }]);
    const group = (...keys: string[]) => new Map(keys.map((key) => [key, key === 'a0' ? 0 : key.length]));
    const b = group('b1', 'b2');
    expect(seen).toEqual([
      new Map([
        ['a', group('a1', 'a\uffff', 'a\u{10000}')],
        ['b', b],
        ['c', new Map()],
      ]),
      ['a1', 'a\uffff'],
      new Map([
        ['a', group('a0', 'a\uffff', 'a\u{10000}')],
        ['b', b],
        ['c', new Map()],
      ]),
      ['a0', 'a\uffff'],
    ]);
  });

  test('what has expired is not there any more', async () => {
    const seen: unknown[] = [];
    const flow = flowOf(async ({ state }, rows) => {
      if (rows[0]?.n === 1) {
        state.set('short', 'x', 1);
        state.set('long', 'y', 60_000);
      }
      const until = Date.now() + 2;
      while (Date.now() < until);
      seen.push(await state.get('short'), await state.get('long'));
    });
    await runOver(flow, [{ key: 'a', n: 1 }]);
    await runOver(flow, [{ key: 'a', n: 2 }]);
    expect(seen).toEqual([undefined, 'y', undefined, 'y']);
  });

  test.each([
    ['a function', { a: () => 1 }, 'cannot be kept as JSON'],
    ['undefined', undefined, 'cannot be undefined'],
  ])('a value that cannot be kept is refused where it is set: %s', async (_what, value, message) => {
    const flow = flowOf(async ({ state }) => state.set('k', value));
    expect((await codedErrorOf(runOver(flow, [{ key: 'a', n: 1 }]))).message).toContain(message);
  });

  test.each([
    ['longer than 1,024 bytes', 'ä'.repeat(513)],
    ['half a surrogate pair', 'a\ud800'],
  ])('a key that cannot be kept is refused: %s', async (_what, key) => {
    const flow = flowOf(async ({ state }) => state.set(key, 1));
    expect((await codedErrorOf(runOver(flow, [{ key: 'a', n: 1 }]))).code).toBe('FUNCTION_FAILED');
    const longest = flowOf(async ({ state }) => state.set('ä'.repeat(512), 1));
    await runOver(longest, [{ key: 'a', n: 1 }]);
  });

  test('a function that runs on after its end changes nothing any more', async () => {
    let late: Promise<unknown> = Promise.resolve();
    let release = (): void => {};
    const flow = flowOf(async ({ state }) => {
      const gate = new Promise<void>((resolve) => (release = resolve));
      late = gate.then(() => state.set('k', 1));
      late.catch(() => {});
    });
    await runOver(flow, [{ key: 'a', n: 1 }]);
    release();
    await expect(late).rejects.toThrow('after it had ended');
  });
});

describe('the cache of a state', () => {
  test('holds no more entries and no more bytes than it may, and gives up what was used longest ago', () => {
    const cache = new StateCache({ entriesMax: 3, bytesMax: 10_000 });
    const entry = (text: string) => ({ text, expiresAt: Number.POSITIVE_INFINITY });
    for (const id of ['a', 'b', 'c']) cache.set(id, entry(id));
    expect(cache.get('a')?.text).toBe('a');
    cache.set('d', entry('d'));
    expect(['a', 'b', 'c', 'd'].map((id) => cache.get(id)?.text)).toEqual(['a', undefined, 'c', 'd']);
    cache.set('large', entry('x'.repeat(4900)));
    expect([cache.size, cache.get('large')?.text?.length]).toEqual([1, 4900]);
    cache.set('larger', entry('x'.repeat(20_000)));
    expect(cache.size).toBe(0);
  });
});
