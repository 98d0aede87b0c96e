import { describe, expect, test } from 'vitest';
import type { FlowChange } from '../../src/config/flow-change.ts';
import { planChange, planReset } from '../../src/cli/flow/plan-change.ts';
import { globalYaml, load, problemsOf, sourceYaml } from './conf-directory.ts';

const files = {
  'all.yml': `${globalYaml}---\n${sourceYaml}---
kistype: flow
flow_name: chain
source: {name: main, tables: [shop.orders], start: latest}
flows:
  - fname: A
  - fname: C
    params: {x: "1"}
---
{kistype: func, fname: A, fmode: Calculate}
---
{kistype: func, fname: B, fmode: Calculate}
---
{kistype: func, fname: C, fmode: Calculate}
`,
};
const functionNames = new Set(['A', 'B', 'C']);
const add = (fname: string, place: 'end' | 'before' | 'after' = 'end', anchor = ''): FlowChange => ({
  kind: 'add-function',
  flow: 'chain',
  fname,
  place: place === 'end' ? { kind: 'end' } : { kind: place, fname: anchor },
  params: { by: 'command' },
});
const remove = (fname: string): FlowChange => ({ kind: 'remove-function', flow: 'chain', fname });
const status = (value: 0 | 1): FlowChange => ({ kind: 'set-status', flow: 'chain', status: value });

async function chainWith(changes: readonly FlowChange[]): Promise<string> {
  const flow = (await load(files, { functionNames, changes })).flows.get('chain');
  return `${flow?.status} ${flow?.flows.map(({ fname, params }) => `${fname}${JSON.stringify(params)}`).join(' ')}`;
}

describe('changes by command', () => {
  test('lie over the file, in the order in which they were made', async () => {
    expect(await chainWith([])).toBe('1 A{} C{"x":"1"}');
    expect(await chainWith([add('B')])).toBe('1 A{} C{"x":"1"} B{"by":"command"}');
    expect(await chainWith([add('B', 'before', 'C')])).toBe('1 A{} B{"by":"command"} C{"x":"1"}');
    expect(await chainWith([add('B', 'after', 'A'), remove('A'), status(0)])).toBe('0 B{"by":"command"} C{"x":"1"}');
    expect(await chainWith([remove('C'), add('C', 'before', 'A'), status(0), status(1)])).toBe('1 C{"by":"command"} A{}');
  });

  test('of a flow that another daemon has are left alone', async () => {
    expect(await chainWith([{ kind: 'remove-function', flow: 'elsewhere', fname: 'Z' }])).toBe('1 A{} C{"x":"1"}');
  });

  test.each([
    [[remove('B')], 'the flow has no function B; its chain is A, C'],
    [[add('A')], 'the flow has the function A already'],
    [[remove('A'), add('B', 'after', 'A')], 'the flow has no function A'],
  ])('that do not fit are refused with what they were, where the flow stands: %j', async (changes, reason) => {
    const [problem] = await problemsOf(files, { functionNames, changes });
    expect(problem).toMatchObject({ file: 'all.yml', line: 12, path: 'flows', message: expect.stringContaining(reason) });
    expect(problem?.message).toContain('`kisflow flow ');
    expect(problem?.remedy).toContain('`kisflow flow reset chain`');
  });

  test('that make the configuration wrong are refused as a file would be, and lines of the file stay right', async () => {
    const unknown = await problemsOf(files, { functionNames, changes: [add('Bb', 'before', 'A')] });
    expect(unknown).toEqual([expect.objectContaining({ line: 12, path: 'flows[0].fname', message: 'no function "Bb"' })]);
    const withoutCode = await problemsOf(files, { functionNames: new Set(['A', 'C']), changes: [add('B', 'before', 'A')] });
    expect(withoutCode).toEqual([expect.objectContaining({ path: 'fname', message: 'no code for "B"' })]);
    expect(await problemsOf(files, { functionNames, changes: [remove('A'), remove('C')] })).toEqual([
      expect.objectContaining({ path: 'flows', message: 'missing' }),
    ]);
  });

  test('are kept as a short list: the last status, and nothing of what was taken back', () => {
    const stored = [status(0), add('B', 'after', 'A'), remove('C')].map((change, index) => ({ id: index + 1, change }));
    expect(planChange(stored, status(1))).toEqual({
      next: [...stored.slice(1).map(({ change }) => change), status(1)],
      instead: [1],
      added: status(1),
    });
    expect(planChange(stored, remove('B'))).toEqual({ next: [status(0), remove('C')], instead: [2], added: undefined });
    expect(planChange(stored, remove('A'))).toMatchObject({ instead: [], added: remove('A') });
    const anchored = [...stored, { id: 4, change: add('D', 'after', 'B') }];
    expect(planChange(anchored, remove('B'))).toMatchObject({ instead: [], added: remove('B') });
    const other: FlowChange = { kind: 'set-status', flow: 'other', status: 0 };
    expect(planReset([...stored, { id: 9, change: other }], 'chain')).toEqual({
      next: [other],
      instead: [1, 2, 3],
      added: undefined,
    });
  });
});
