import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { abort, forceNext, jump, reuse } from '../../src/flow/actions.ts';
import type { Action } from '../../src/flow/contract.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { makeScope, makeStep } from './scope.ts';

const actionName = z.enum(['reuse', 'forceNext', 'abort', 'jump']);
const call = z.tuple([z.string()], z.string());

/** What KisFlow itself did (at 69aa70b, run by Go) in a flow a, b, c over one row, for each combination of what b may do. */
const recorded = z
  .array(
    z.object({
      /** b receives no rows: a forces it. */
      emptyInput: z.boolean(),
      /** b commits a row. */
      commits: z.boolean(),
      /** What b gives to next(); a jump leads to a, once. */
      actions: z.array(actionName),
      /** Functions in the order of their calls, each with the rows that it received. */
      calls: z.array(call),
      error: z.string().optional(),
    }),
  )
  .parse(JSON.parse(readFileSync(new URL('fixtures/kisflow-actions.json', import.meta.url), 'utf8')));

type Recorded = (typeof recorded)[number];

const actionOf: Readonly<Record<z.infer<typeof actionName>, Action>> = {
  reuse: reuse(),
  forceNext: forceNext(),
  abort: abort(),
  jump: jump('a'),
};

/** The same flow here. */
async function run({ emptyInput, commits, actions }: Recorded): Promise<Recorded['calls']> {
  const calls: Recorded['calls'] = [];
  let visits = 0;
  const note = (name: string, rows: readonly unknown[]): void => void calls.push([name, ...rows.map(String)]);
  const steps = [
    makeStep('a', (flow, rows) => {
      note('a', rows);
      if (emptyInput) flow.next(forceNext());
      else flow.commitRow('from a');
    }),
    makeStep('b', (flow, rows) => {
      note('b', rows);
      visits += 1;
      if (visits > 1) return;
      if (commits) flow.commitRow('from b');
      flow.next(...actions.map((name) => actionOf[name]));
    }),
    makeStep('c', (_flow, rows) => note('c', rows)),
  ];
  await runFlow({ name: 'f', isEnabled: true, steps }, ['source'], makeScope());
  return calls;
}

/** The rows that c receives here, where b forces it and Go drops them (or loses its place: `error`). */
function keptRows({ emptyInput, commits, actions }: Recorded): readonly string[] {
  const isForced = actions.includes('forceNext') && !actions.includes('abort') && !actions.includes('jump');
  if (!isForced) return [];
  if (actions.includes('reuse')) return emptyInput ? [] : ['from a'];
  return commits ? ['from b'] : [];
}

describe('actions alone and together, with and without rows', () => {
  const differing = recorded.filter((one) => keptRows(one).length > 0 || one.error !== undefined);

  test('are all recorded, and 5 of them differ on purpose', () => {
    expect(recorded).toHaveLength(64);
    expect(differing.map(({ emptyInput, commits, actions }) => [emptyInput, commits, actions.join()])).toEqual([
      [false, false, 'reuse,forceNext'],
      [false, true, 'forceNext'],
      [false, true, 'reuse,forceNext'],
      [true, true, 'forceNext'],
      [true, true, 'reuse,forceNext'],
    ]);
  });

  test.each(recorded.filter((one) => !differing.includes(one)))(
    'call what they call in Go: empty input $emptyInput, commits $commits, $actions',
    async (one) => {
      expect(await run(one)).toEqual(one.calls);
    },
  );

  test.each(differing)('pass on the rows that Go drops: empty input $emptyInput, commits $commits, $actions', async (one) => {
    const inGo = one.calls.filter(([name]) => name !== 'c');
    expect(await run(one)).toEqual([...inGo, ['c', ...keptRows(one)]]);
  });
});
