import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defineFunction } from '../../../src/flow/define.ts';
import { createFlow } from '../../../src/flow/driven-flow.ts';
import type { OperatorOptions } from '../../../src/flow/operator/make-operator.ts';
import { startsOf } from '../../../src/flow/operator/window.ts';
import type { WindowOptions } from '../../../src/flow/operator/window-options.ts';
import { makeChange, type Change, type Row } from '../../../src/row/change.ts';
import { codedErrorOf } from '../scope.ts';
import { inOrder } from './tables.ts';
import { cut, histories, makeWindowFlow, sessions, sliding, tumbling, windowAll } from './windows.ts';

/** Set FAST_CHECK_SEED to the seed that a failure printed to run the same cases again. */
const seed = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 2 ** 31);

const shapes: readonly WindowOptions[] = [tumbling, sliding, sessions];
const cases = shapes.flatMap((options) => [
  { name: options.shape, options },
  { name: `${options.shape} that closes`, options: { ...options, latenessMs: 5000 } },
  { name: `${options.shape} that closes at once, and drops`, options: { ...options, latenessMs: 0, late: 'drop' } as const },
]);

/** Applies changes to rows by their key and window; each must fit what is there. */
function applyTo(rows: Map<string, Row>, changes: readonly Change[]): void {
  const idOf = (row: Row): string => JSON.stringify([row['id'], row['who'], row['window_start']]);
  for (const { before, after, key } of changes) {
    expect(key).toEqual(['id', 'window_start']);
    if (before !== null) {
      expect(rows.get(idOf(before))).toEqual(before);
      rows.delete(idOf(before));
    }
    if (after === null) continue;
    expect(rows.has(idOf(after))).toBe(false);
    rows.set(idOf(after), after);
  }
}

describe('windows are what they are over all rows, however these fall into batches', () => {
  test.each(cases)('$name', { timeout: 120_000 }, async ({ options }) => {
    const property = fc.asyncProperty(histories, fc.array(fc.nat({ max: 60 }), { maxLength: 12 }), async (changes, places) => {
      const flow = makeWindowFlow(options);
      const rows = new Map<string, Row>();
      for (const batch of cut(changes, places)) applyTo(rows, await flow.run(batch));
      const all = windowAll(options, changes);
      expect(inOrder(rows.values())).toEqual(inOrder(all.rows));
      expect(flow.dead).toEqual(all.dead);
      if (options.shape === 'session') expect(await flow.count('S')).toBe(all.open);
    });
    await fc.assert(property, { seed, numRuns: 400 });
  });
});

/** What a window makes of these rows. */
async function run(operator: OperatorOptions, rows: readonly unknown[]): Promise<readonly unknown[]> {
  const seen: unknown[] = [];
  const collect = defineFunction<unknown>({ name: 'Collect', run: (_flow, given) => void seen.push(...given) });
  const flow = createFlow({ name: 'shop', steps: [{ fname: 'Window', operator }, { fname: 'Collect' }], functions: [collect] });
  flow.commitRowBatch(rows);
  await flow.run();
  return seen;
}

const hourly: WindowOptions = { ...tumbling, sizeMs: 3_600_000, everyMs: 3_600_000 };

describe('a window', () => {
  test.each([
    ['2024-05-01 10:59:59.999999', '2024-05-01 10:00:00', '2024-05-01 11:00:00'],
    ['2024-05-01 10:00:00', '2024-05-01 10:00:00', '2024-05-01 11:00:00'],
    ['2024-12-31', '2024-12-31 00:00:00', '2024-12-31 01:00:00'],
    ['2024-02-29 00:00:00', '2024-02-29 00:00:00', '2024-02-29 01:00:00'],
    ['1969-12-31 23:30:00', '1969-12-31 23:00:00', '1970-01-01 00:00:00'],
    ['9999-12-31 22:00:01', '9999-12-31 22:00:00', '9999-12-31 23:00:00'],
  ])('of a text has its start and end as texts in UTC: %s', async (at, start, end) => {
    expect(await run(hourly, [{ at }])).toEqual([{ at, window_start: start, window_end: end }]);
  });

  test('of a part of a second has it in its start', async () => {
    const [first] = await run({ ...tumbling, sizeMs: 250, everyMs: 250 }, [{ at: '2024-05-01 10:00:00.6' }]);
    expect(first).toMatchObject({ window_start: '2024-05-01 10:00:00.500', window_end: '2024-05-01 10:00:00.750' });
  });

  test.each([
    ['s', 1_714_557_599, 1_714_554_000],
    ['ms', 1_714_557_599_999, 1_714_554_000_000],
    ['ms', '1714557599999', 1_714_554_000_000],
  ] as const)('of an integer that counts %s has it as an integer', async (unit, at, start) => {
    expect(await run({ ...hourly, unit, as: { start: 'hour', end: 'until' } }, [{ at }])).toMatchObject([{ at, hour: start }]);
  });

  test('that slides holds each row as often as it is long', () => {
    expect(startsOf(25, { sizeMs: 20, everyMs: 5 })).toEqual([10, 15, 20, 25]);
    expect(startsOf(24, { sizeMs: 20, everyMs: 5 })).toEqual([5, 10, 15, 20]);
    expect(startsOf(-1, { sizeMs: 10, everyMs: 10 })).toEqual([-10]);
  });

  test.each([
    ['0000-00-00 00:00:00', 'at is 0000-00-00 00:00:00, which is no time'],
    ['2024-02-30', 'which is no time'],
    ['2023-02-29', 'which is no time'],
    ['2024-13-01', 'which is no time'],
    ['2024-05-01 24:00:00', 'which is no time'],
    ['2024-05-01 10:60:00', 'which is no time'],
    ['10:00:00', 'which is no time'],
    ['soon', 'at is soon, which is no time'],
    [1_714_557_599_999, 'which is more seconds than there are; write with.unit: ms'],
    [1.5, 'which is no time'],
    [null, 'at is NULL, so it is in no window'],
  ])('refuses a row without a time: %s', async (at, message) => {
    const error = await codedErrorOf(run(hourly, [{ at: '2024-05-01' }, { at }]));
    expect(error).toMatchObject({ code: 'ROW_INVALID', class: 'row' });
    expect(error.message).toContain(message);
  });

  test('names every late row of a batch, and drops them where it is told to', async () => {
    const rows = [{ at: 100 }, { at: 30 }, { at: 94 }, { at: 89 }, { at: null }, { at: 200 }, { at: 101 }];
    const error = await codedErrorOf(run({ ...tumbling, latenessMs: 5000 }, rows));
    expect(error).toMatchObject({ code: 'ROW_LATE', class: 'row', details: { flow: 'shop', function: 'Window', row: 1 } });
    expect(error.message).toContain('its window to 40 is closed: at is 30 (and 3 more rows)');
    expect(await run({ ...tumbling, latenessMs: 5000, late: 'drop' }, rows)).toMatchObject([{ at: 100 }, { at: 94 }, { at: 200 }]);
  });

  test('of sessions needs whole changes with a key', async () => {
    expect((await codedErrorOf(run(sessions, [{ id: 1, at: 1, who: 'a' }]))).message).toContain('write source.rows: change');
    const after = { id: 1, at: 1, who: 'a' };
    const keyless = makeChange({ op: 'insert', table: 'shop.clicks', key: [], before: null, after, position: 'b.1:4', time: 0 });
    expect(await codedErrorOf(run(sessions, [keyless]))).toMatchObject({ code: 'OPERATOR_MISMATCH', class: 'stop' });
  });

  test('that refuses a change of a session judges the rows behind it as if it had not come', async () => {
    const click = (after: Row, before: Row | null = null): Change =>
      makeChange({
        op: before === null ? 'insert' : 'update',
        table: 'shop.clicks',
        key: ['id'],
        before,
        after,
        position: 'b.1:4',
        time: 0,
      });
    const first = { id: 1, who: 'a', at: 95 };
    const rows = [
      click(first),
      click({ id: 2, who: 'b', at: 100 }),
      click({ ...first, at: 50 }, first),
      click({ id: 3, who: 'a', at: 94 }),
    ];
    const error = await codedErrorOf(run({ ...sessions, latenessMs: 0 }, rows));
    expect(error).toMatchObject({ code: 'ROW_LATE', details: { row: 2 }, rows: [{ index: 2 }] });
  });

  test('removes closed sessions of keys that nothing touches any more', async () => {
    const flow = makeWindowFlow({ ...sessions, latenessMs: 0 });
    const click = (id: number, who: string, at: number): Change =>
      makeChange({
        op: 'insert',
        table: 'shop.clicks',
        key: ['id'],
        before: null,
        after: { id, who, at },
        position: 'b.1:4',
        time: 0,
      });
    await flow.run(Array.from({ length: 5000 }, (_, n) => click(n, `u${n}`, 100)));
    expect([await flow.count('S'), await flow.count('I')]).toEqual([5000, 5000]);
    for (const [batch, left] of [4001, 3002, 2003, 1004, 5, 6].entries()) {
      await flow.run([click(10_000 + batch, `new${batch}`, 106)]);
      expect([await flow.count('S'), await flow.count('I')]).toEqual([left, left]);
    }
  });
});
