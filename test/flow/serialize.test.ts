import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createFlow, defineFunction, reuse, type RowSerializer } from '../../src/index.ts';
import { codedErrorOf } from './scope.ts';

/** Rows as `id;score`. */
const semicolons: RowSerializer = {
  decode(row) {
    const match = /^(\d+);(\d+)$/.exec(String(row));
    if (match === null) throw new Error('not id;score');
    return { id: Number(match[1]), score: Number(match[2]) };
  },
  encode(row) {
    const { id, score } = z.object({ id: z.number(), score: z.number() }).parse(row);
    return `${id};${score}`;
  },
};

describe('a function with a serialisation of its own', () => {
  test('receives decoded rows, which must and the schema see, and commits encoded ones', async () => {
    const seen: unknown[] = [];
    const double = defineFunction({
      name: 'Double',
      serialize: semicolons,
      input: z.object({ id: z.number(), score: z.number().max(50) }),
      run(flow, rows) {
        seen.push(...flow.input);
        for (const row of rows) flow.commitRow({ id: row.id, score: row.score * 2 });
        flow.commitRowBatch(rows);
      },
    });
    const last = defineFunction<unknown>({ name: 'Last', run: (_flow, rows) => void seen.push(...rows) });
    const flow = createFlow({
      name: 'f',
      steps: [{ fname: 'Double', must: ['id', 'score'] }, { fname: 'Last' }],
      functions: [double, last],
    });
    flow.commitRowBatch(['7;40', '8;50']);
    await flow.run();
    expect(seen).toEqual(['7;40', '8;50', '7;80', '8;100', '7;40', '8;50']);
  });

  test('that cannot decode a row says which: ROW_INVALID of class row', async () => {
    const quiet = defineFunction({ name: 'Quiet', serialize: semicolons, run() {} });
    const flow = createFlow({ name: 'f', steps: [{ fname: 'Quiet' }], functions: [quiet] });
    flow.commitRowBatch(['7;40', '{"id":8}']);
    const error = await codedErrorOf(flow.run());
    expect(error).toMatchObject({ code: 'ROW_INVALID', class: 'row', details: { flow: 'f', function: 'Quiet', row: 1 } });
    expect(error.message).toContain('cannot be decoded (not id;score): {"id":8}');
  });

  test('that cannot encode a row fails, and reuse passes rows on as they came', async () => {
    const wrong = defineFunction({ name: 'F', serialize: semicolons, run: (flow) => flow.commitRow({ id: 'x' }) });
    const failing = createFlow({ name: 'f', steps: [{ fname: 'F' }], functions: [wrong] });
    failing.commitRow('1;2');
    expect((await codedErrorOf(failing.run())).code).toBe('FUNCTION_FAILED');
    const seen: unknown[] = [];
    const passing = createFlow({
      name: 'f',
      steps: [{ fname: 'P' }, { fname: 'L' }],
      functions: [
        defineFunction({ name: 'P', serialize: semicolons, run: (flow) => flow.next(reuse()) }),
        defineFunction<unknown>({ name: 'L', run: (_flow, rows) => void seen.push(...rows) }),
      ],
    });
    passing.commitRow('1;2');
    await passing.run();
    expect(seen).toEqual(['1;2']);
  });
});
