import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { reuse } from '../../src/flow/actions.ts';
import type { Flow, FlowStep } from '../../src/flow/contract.ts';
import { defineFunction } from '../../src/flow/define.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { isChange, makeChange } from '../../src/row/change.ts';
import { codedErrorOf, makeScope, makeStep } from './scope.ts';

function flowOf(...steps: readonly FlowStep[]): Flow {
  return { name: 'scores', isEnabled: true, steps };
}

const change = makeChange({
  op: 'delete',
  table: 's.t',
  before: { id: 1, n: 2 },
  after: null,
  key: ['id'],
  position: 'b.1:4',
  time: 0,
});

describe('must', () => {
  const must = { must: ['stu_id', 'score'] };

  test('a row without a must field is ROW_INVALID of class row, and names the fields and the row', async () => {
    const step = makeStep('Avg', () => {}, must);
    const error = await codedErrorOf(
      runFlow(
        flowOf(step),
        [
          { stu_id: 1, score: 2 },
          { stu_id: 77, name: 'x' },
        ],
        makeScope(),
      ),
    );
    expect(error).toMatchObject({
      code: 'ROW_INVALID',
      class: 'row',
      details: { flow: 'scores', function: 'Avg', row: 1, fields: 'score' },
    });
    expect(error.message).toContain('"stu_id":77');
  });

  test.each([
    ['a text', 'plain text'],
    ['broken JSON', '{broken'],
    ['a JSON list', '[1]'],
    ['null', null],
    ['a number', 7],
    ['undefined', undefined],
    ['an object of other fields', { id: 1n, self: [1n] }],
  ])('a row that has none of the fields is ROW_INVALID: %s', async (_what, row) => {
    const error = await codedErrorOf(runFlow(flowOf(makeStep('Avg', () => {}, must)), [row], makeScope()));
    expect(error).toMatchObject({ code: 'ROW_INVALID', details: { fields: 'stu_id, score' } });
  });

  test('a field that is NULL is there', async () => {
    await runFlow(flowOf(makeStep('Avg', () => {}, must)), [{ stu_id: null, score: 0 }], makeScope());
  });

  test('of a delete the row before it is looked at', async () => {
    await runFlow(flowOf(makeStep('Avg', () => {}, { must: ['n'] })), [change], makeScope());
    expect((await codedErrorOf(runFlow(flowOf(makeStep('Avg', () => {}, must)), [change], makeScope()))).code).toBe('ROW_INVALID');
  });
});

describe('input rows', () => {
  test('the JSON text of an object arrives as the object; other text and flow.input stay what they are', async () => {
    const seen: unknown[] = [];
    const step = makeStep('a', (flow, rows) => void seen.push(rows, flow.input));
    const input = ['{"a":1}', 'text', '{no json', { b: 2 }];
    await runFlow(flowOf(step), input, makeScope());
    expect(seen).toEqual([[{ a: 1 }, 'text', '{no json', { b: 2 }], input]);
  });

  test('rows that need no parsing are not copied', async () => {
    const input = [{ a: 1 }];
    await runFlow(flowOf(makeStep('a', (_flow, rows) => expect(rows).toBe(input))), input, makeScope());
  });

  test('a schema gives the function typed rows', async () => {
    const totals: number[] = [];
    const definition = defineFunction({
      name: 'sum',
      input: z.object({ n: z.coerce.number(), note: z.string().default('none') }),
      run(_flow, rows) {
        for (const row of rows) totals.push(row.n + row.note.length);
      },
    });
    await runFlow(flowOf(makeStep('sum', undefined, { definition })), ['{"n":"5"}', { n: 1, note: 'ab' }], makeScope());
    expect(totals).toEqual([9, 3]);
  });

  test('a row that does not fit the schema is ROW_INVALID and names the fields', async () => {
    const definition = defineFunction({
      name: 'sum',
      input: z.object({ n: z.number(), deep: z.object({ x: z.string() }) }),
      run() {},
    });
    const error = await codedErrorOf(
      runFlow(flowOf(makeStep('sum', undefined, { definition })), [{ n: 'x', deep: {} }], makeScope()),
    );
    expect(error).toMatchObject({ code: 'ROW_INVALID', class: 'row', details: { row: 0, fields: 'n, deep.x' } });
  });

  test('a schema whose own code throws is FUNCTION_FAILED', async () => {
    const input = z.object({
      n: z.number().refine(() => {
        throw new TypeError('odd');
      }),
    });
    const definition = defineFunction({ name: 'sum', input, run() {} });
    const error = await codedErrorOf(runFlow(flowOf(makeStep('sum', undefined, { definition })), [{ n: 1 }], makeScope()));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', class: 'stop' });
  });

  test('reuse passes on the rows as they came, not as the schema made them', async () => {
    const definition = defineFunction({ name: 'a', input: z.object({ n: z.number() }), run: (flow) => flow.next(reuse()) });
    const seen: unknown[] = [];
    const last = makeStep('b', (flow) => void seen.push(...flow.input));
    await runFlow(flowOf(makeStep('a', undefined, { definition }), last), ['{"n":1,"m":2}'], makeScope());
    expect(seen).toEqual(['{"n":1,"m":2}']);
  });

  test('a change given to a schema stays a whole change', async () => {
    const input = z.object({ op: z.string(), before: z.object({ id: z.number() }) });
    const definition = defineFunction({
      name: 'a',
      input,
      run(_flow, rows) {
        expect(rows[0]).toMatchObject({ op: 'delete', table: 's.t', before: { id: 1 }, key: ['id'] });
        expect(isChange(rows[0])).toBe(true);
      },
    });
    await runFlow(flowOf(makeStep('a', undefined, { definition })), [change], makeScope());
  });
});
