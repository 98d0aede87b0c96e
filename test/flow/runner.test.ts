import { describe, expect, test } from 'vitest';
import { abort, ActionDataReuse, ActionJumpFunc, forceNext, jump, reuse } from '../../src/flow/actions.ts';
import type { Flow, FlowContext, FlowStep } from '../../src/flow/contract.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { codedErrorOf, makeScope, makeStep } from './scope.ts';

/** A flow of these steps that notes which function received which rows. */
function traced(steps: readonly (readonly [string, (flow: FlowContext, rows: readonly unknown[]) => void])[]): {
  readonly flow: Flow;
  readonly seen: (readonly [string, readonly unknown[]])[];
} {
  const seen: (readonly [string, readonly unknown[]])[] = [];
  const note = ([fname, run]: (typeof steps)[number]): FlowStep =>
    makeStep(fname, (context, rows) => {
      seen.push([fname, rows]);
      run(context, rows);
    });
  return { flow: { name: 'f', isEnabled: true, steps: steps.map(note) }, seen };
}

const pass = (flow: FlowContext, rows: readonly unknown[]): void => flow.commitRowBatch(rows);
const nothing = (): void => {};

describe('the order of functions', () => {
  test('each function receives what the one before it committed', async () => {
    const { flow, seen } = traced([
      ['a', (context, rows) => rows.forEach((row) => context.commitRow(`${String(row)}a`))],
      ['b', (context, rows) => rows.forEach((row) => context.commitRow(`${String(row)}b`))],
      ['c', nothing],
    ]);
    const result = await runFlow(flow, ['1', '2'], makeScope());
    expect(seen).toEqual([
      ['a', ['1', '2']],
      ['b', ['1a', '2a']],
      ['c', ['1ab', '2ab']],
    ]);
    expect(result.steps).toEqual([
      { fname: 'a', rowsIn: 2, rowsOut: 2 },
      { fname: 'b', rowsIn: 2, rowsOut: 2 },
      { fname: 'c', rowsIn: 2, rowsOut: 0 },
    ]);
  });

  test('a function that commits nothing ends the run', async () => {
    const { flow, seen } = traced([
      ['a', nothing],
      ['b', pass],
    ]);
    await runFlow(flow, [1], makeScope());
    expect(seen).toEqual([['a', [1]]]);
  });

  test('a run without rows still calls the first function', async () => {
    const { flow, seen } = traced([
      ['a', (context) => context.commitRow('made')],
      ['b', nothing],
    ]);
    await runFlow(flow, [], makeScope());
    expect(seen).toEqual([
      ['a', []],
      ['b', ['made']],
    ]);
  });

  test('a disabled flow runs nothing', async () => {
    const { flow, seen } = traced([['a', pass]]);
    expect(await runFlow({ ...flow, isEnabled: false }, [1], makeScope())).toEqual({ steps: [] });
    expect(seen).toEqual([]);
  });

  test('an asynchronous function is waited for, wherever it stands', async () => {
    const order: string[] = [];
    const slow =
      (name: string) =>
      async (context: FlowContext, rows: readonly unknown[]): Promise<void> => {
        await new Promise((resolve) => setImmediate(resolve));
        order.push(name);
        context.commitRowBatch(rows);
      };
    const steps = [makeStep('a', slow('a')), makeStep('b', pass), makeStep('c', slow('c')), makeStep('d', slow('d'))];
    const result = await runFlow({ name: 'f', isEnabled: true, steps }, [1, 2], makeScope());
    expect(order).toEqual(['a', 'c', 'd']);
    expect(result.steps.map((step) => step.rowsOut)).toEqual([2, 2, 2, 2]);
  });
});

describe('actions', () => {
  test('reuse passes the input on and drops what was committed', async () => {
    const { flow, seen } = traced([
      [
        'a',
        (context) => {
          context.commitRow('dropped');
          context.next(reuse());
        },
      ],
      ['b', nothing],
    ]);
    const result = await runFlow(flow, ['kept'], makeScope());
    expect(seen[1]).toEqual(['b', ['kept']]);
    expect(result.steps[0]).toEqual({ fname: 'a', rowsIn: 1, rowsOut: 1 });
  });

  test('reuse of an empty input ends the run', async () => {
    const { flow, seen } = traced([
      ['a', (context) => context.next(ActionDataReuse)],
      ['b', nothing],
    ]);
    await runFlow(flow, [], makeScope());
    expect(seen.map(([name]) => name)).toEqual(['a']);
  });

  test('forceNext runs the next function with no rows', async () => {
    const { flow, seen } = traced([
      ['a', (context) => context.next(forceNext())],
      ['b', nothing],
    ]);
    await runFlow(flow, [1], makeScope());
    expect(seen[1]).toEqual(['b', []]);
  });

  test('forceNext leaves committed rows alone', async () => {
    const { flow, seen } = traced([
      [
        'a',
        (context) => {
          context.commitRow('x');
          context.next(forceNext());
        },
      ],
      ['b', nothing],
    ]);
    await runFlow(flow, [1], makeScope());
    expect(seen[1]).toEqual(['b', ['x']]);
  });

  test('abort ends the run behind the function, though it committed rows', async () => {
    const { flow, seen } = traced([
      [
        'a',
        (context, rows) => {
          pass(context, rows);
          context.next(abort());
        },
      ],
      ['b', nothing],
    ]);
    await runFlow(flow, [1], makeScope());
    expect(seen.map(([name]) => name)).toEqual(['a']);
  });

  test('a jump back gives the function its own input again', async () => {
    let rounds = 0;
    const { flow, seen } = traced([
      ['a', (context) => context.commitRow('from a')],
      ['b', (context) => context.commitRow('from b')],
      [
        'c',
        (context) => {
          rounds += 1;
          if (rounds < 3) context.next(jump('b'));
        },
      ],
    ]);
    await runFlow(flow, ['source'], makeScope());
    const round = [
      ['b', ['from a']],
      ['c', ['from b']],
    ];
    expect(seen).toEqual([['a', ['source']], ...round, ...round, ...round]);
  });

  test('a jump to the first function gives it the rows of the run', async () => {
    let isFirst = true;
    const { flow, seen } = traced([
      ['a', pass],
      [
        'b',
        (context) => {
          if (isFirst) context.next(ActionJumpFunc('a'));
          isFirst = false;
        },
      ],
    ]);
    await runFlow(flow, ['source'], makeScope());
    expect(seen.map(([name]) => name)).toEqual(['a', 'b', 'a', 'b']);
    expect(seen[2]).toEqual(['a', ['source']]);
  });

  test('reuse and jump together: the next function later receives the reused rows', async () => {
    let isFirst = true;
    const { flow, seen } = traced([
      ['a', pass],
      [
        'b',
        (context) => {
          context.next(...(isFirst ? [reuse(), jump('a')] : [reuse()]));
          isFirst = false;
        },
      ],
      ['c', nothing],
    ]);
    await runFlow(flow, [7], makeScope());
    expect(seen.map(([name]) => name)).toEqual(['a', 'b', 'a', 'b', 'c']);
    expect(seen.at(-1)).toEqual(['c', [7]]);
  });

  test('abort wins over reuse, forceNext and jump', async () => {
    const { flow, seen } = traced([
      ['a', pass],
      ['b', (context) => context.next(abort(), reuse(), forceNext(), jump('a'))],
      ['c', nothing],
    ]);
    await runFlow(flow, [1], makeScope());
    expect(seen.map(([name]) => name)).toEqual(['a', 'b']);
  });

  test('forceNext and reuse together pass the input on, even an empty one', async () => {
    const { flow, seen } = traced([
      ['a', (context) => context.next(forceNext(), reuse())],
      ['b', nothing],
    ]);
    await runFlow(flow, [], makeScope());
    await runFlow(flow, [1], makeScope());
    expect(seen).toEqual([
      ['a', []],
      ['b', []],
      ['a', [1]],
      ['b', [1]],
    ]);
  });

  test('the last next() of a function counts', async () => {
    const { flow, seen } = traced([
      [
        'a',
        (context) => {
          context.next(abort());
          context.next(forceNext());
        },
      ],
      ['b', nothing],
    ]);
    await runFlow(flow, [1], makeScope());
    expect(seen.map(([name]) => name)).toEqual(['a', 'b']);
  });

  test('a jump to a function that the flow does not have is FUNCTION_JUMP and names both', async () => {
    const { flow } = traced([['a', (context) => context.next(jump('nowhere'))]]);
    const error = await codedErrorOf(runFlow(flow, [1], makeScope()));
    expect(error).toMatchObject({ code: 'FUNCTION_JUMP', class: 'stop' });
    expect(error.message).toMatch(/Flow f: function a jumps to nowhere/);
  });

  test('a jump over a function to one that has received nothing is FUNCTION_JUMP', async () => {
    const { flow } = traced([
      ['a', (context) => context.next(jump('c'))],
      ['b', pass],
      ['c', nothing],
    ]);
    expect((await codedErrorOf(runFlow(flow, [1], makeScope()))).code).toBe('FUNCTION_JUMP');
  });

  test('jumps that never end are FUNCTION_JUMP', async () => {
    const { flow, seen } = traced([['a', (context) => context.next(jump('a'))]]);
    const error = await codedErrorOf(runFlow(flow, [1], makeScope()));
    expect(error.code).toBe('FUNCTION_JUMP');
    expect(seen).toHaveLength(1001);
  });
});

describe('the context', () => {
  test('a function sees its flow, its name, its parameters and the batch', async () => {
    const seen: unknown[] = [];
    const step = makeStep(
      'a',
      (flow) => {
        seen.push(flow.flowName, flow.functionName, flow.batchId, flow.params, flow.param('scale'), flow.param('none'), flow.input);
      },
      { params: { scale: '2' } },
    );
    await runFlow({ name: 'f', isEnabled: true, steps: [step] }, [1], makeScope());
    expect(seen).toEqual(['f', 'a', 'batch-1', { scale: '2' }, '2', '', [1]]);
  });

  test('many runs of one flow at once share nothing but its cache', async () => {
    const collected: string[] = [];
    const first = makeStep('a', async (flow, rows) => {
      flow.metadata.set('row', rows[0]);
      flow.cache.set('runs', Number(flow.cache.get('runs') ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
      flow.commitRowBatch(rows);
    });
    const last = makeStep('b', (flow, rows) => {
      collected.push(`${String(rows[0])}=${String(flow.metadata.get('row'))}=${flow.batchId}`);
      flow.metadata.set('runs', flow.cache.get('runs'));
      if (rows.length === 1) flow.next(abort());
    });
    const flow: Flow = { name: 'f', isEnabled: true, steps: [first, last] };
    const ids = Array.from({ length: 50 }, (_, index) => String(index));
    await Promise.all(ids.map((id) => runFlow(flow, [id], makeScope({ id }))));
    expect(collected.toSorted()).toEqual(ids.map((id) => `${id}=${id}=${id}`).toSorted());
    await runFlow(
      { ...flow, steps: [makeStep('c', (context) => expect(context.cache.get('runs')).toBeUndefined())] },
      [],
      makeScope(),
    );
  });

  test('a cached value is gone when its time is over', async () => {
    const seen: unknown[] = [];
    const step = makeStep('a', async (flow) => {
      flow.cache.set('short', 1, 1);
      flow.cache.set('long', 2);
      await expect.poll(() => flow.cache.get('short')).toBeUndefined();
      seen.push(flow.cache.get('long'));
    });
    await runFlow({ name: 'f', isEnabled: true, steps: [step] }, [1], makeScope());
    expect(seen).toEqual([2]);
  });

  test('a function without a connector that asks for one fails and is named', async () => {
    const step = makeStep('a', (flow) => void flow.getConnector());
    const error = await codedErrorOf(runFlow({ name: 'f', isEnabled: true, steps: [step] }, [1], makeScope()));
    expect(error.code).toBe('FUNCTION_FAILED');
    expect(error.message).toMatch(/function a has no connector/);
  });

  test('a row committed after the function has ended is refused', async () => {
    let late: (() => void) | undefined;
    const step = makeStep('a', (flow) => {
      late = () => flow.commitRow(1);
    });
    await runFlow({ name: 'f', isEnabled: true, steps: [step] }, [1], makeScope());
    expect(() => late?.()).toThrow(/after it had ended/);
  });
});
