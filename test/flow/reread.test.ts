import { expect, it } from 'vitest';
import { buildFlow, type StepOptions } from '../../src/flow/build.ts';
import { findIncrements, requireRereadable } from '../../src/flow/reread.ts';
import { keepsState } from '../../src/flow/operator/make-operator.ts';
import { Registry } from '../../src/flow/registry.ts';
import { MemoryConnector } from '../../src/connector/memory.ts';

const run = (): void => {};
const registry = new Registry();
for (const name of ['code', 'code2']) registry.registerFunction({ name, run });
registry.registerFunction({ name: 'declared', repeatable: true, run });
const memory = { addrs: '', key: 't', params: {} };
registry.registerConnector(new MemoryConnector({ ...memory, name: 'mem', type: 'memory' }));
const own = new MemoryConnector({ ...memory, name: 'own', type: 'memory' });
registry.registerConnector(Object.defineProperty(own, 'type', { value: 'mail' }));

/** Why a flow of one step cannot be read again; undefined: it can. */
function whyNot(step: StepOptions): string | undefined {
  return findIncrements(buildFlow({ name: 'f', steps: [step] }, registry).steps)[0]?.why;
}

const where = 'a > 1';
it.each<[string, StepOptions]>([
  ['filter', { fname: 'x', operator: { kind: 'filter', where } }],
  ['map', { fname: 'x', operator: { kind: 'map', set: { b: 'a' } } }],
  ['dedupe within a batch', { fname: 'x', operator: { kind: 'dedupe', key: ['a'], keep: 'last' } }],
  ['a connector’s own save by key', { fname: 'x', mode: 'Save', connector: 'mem' }],
  ['a connector’s own load', { fname: 'x', mode: 'Load', connector: 'own' }],
  ['code that calculates', { fname: 'code', mode: 'Calculate' }],
  ['code that verifies', { fname: 'code', mode: 'Verify' }],
  ['code that saves and is declared in code', { fname: 'declared', mode: 'Save', connector: 'own' }],
  ['code that saves and is declared in YAML', { fname: 'code', mode: 'Save', connector: 'mem', isRepeatable: true }],
  ['a connector of a project, declared', { fname: 'x', mode: 'Save', connector: 'own', isRepeatable: true }],
])('a flow with %s may be read again', (_what, step) => {
  expect(whyNot(step)).toBeUndefined();
});

it.each<[string, StepOptions, string]>([
  ['dedupe over batches', { fname: 'x', operator: { kind: 'dedupe', key: ['a'], keep: 'first', rememberMs: 1000 } }, 'dedupe'],
  ['a declared operator with state', { fname: 'x', isRepeatable: true, operator: { kind: 'dedupe', key: ['a'], keep: 'first', rememberMs: 1 } }, 'dedupe'], // prettier-ignore
  ['code that saves', { fname: 'code', mode: 'Save' }, 'saves in code'],
  ['code that saves by a connector', { fname: 'code', mode: 'Save', connector: 'mem' }, 'saves in code'],
  ['code that calculates with a connector', { fname: 'code', mode: 'Calculate', connector: 'mem' }, 'uses a connector in code'],
  ['a save by a connector of the project’s own', { fname: 'x', mode: 'Save', connector: 'own' }, 'connector type mail'],
])('a flow with %s may not', (_what, step, why) => {
  expect(whyNot(step)).toContain(why);
});

it.each(['aggregate', 'join', 'window'] as const)('a flow with the operator %s may not', (kind) => {
  const step = { fname: 'x', mode: 'Calculate', definition: { repeatable: true }, connector: undefined } as const;
  expect(findIncrements([{ ...step, operator: { kind, keepsState: keepsState({ kind }) } }])).toMatchObject([{ fname: 'x' }]);
});

it('the refusal names every function that is in the way', () => {
  const steps = [
    { fname: 'code', mode: 'Save' },
    { fname: 'declared', mode: 'Save' },
    { fname: 'code2', mode: 'Save' },
  ] as const;
  const flow = buildFlow({ name: 'shop', steps }, registry);
  expect(() => requireRereadable(flow)).toThrow(/^Flow shop cannot .*: code saves in code.*; code2 saves in code/);
  expect(() => requireRereadable({ ...flow, steps: [] })).not.toThrow();
});
