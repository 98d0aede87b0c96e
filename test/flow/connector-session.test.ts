import { describe, expect, test } from 'vitest';
import type { BatchScope, Connector } from '../../src/connector/contract.ts';
import { jump } from '../../src/flow/actions.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { CodedError } from '../../src/lib/error.ts';
import { codedErrorOf, makeScope, makeStep } from './scope.ts';

/** A connector of a project's own, which notes for which step each session is, and fails as it is told. */
function makeOwn(over: { readonly guarantee?: Connector['guarantee']; readonly failures?: Error[] } = {}): {
  readonly connector: Connector;
  readonly sessions: (number | undefined)[];
} {
  const sessions: (number | undefined)[] = [];
  const { guarantee = 'at-least-once', failures = [] } = over;
  const answer = async (): Promise<void> => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
  };
  const connector: Connector = {
    name: 'own',
    type: 'own',
    guarantee,
    open: async () => {},
    session(batch: BatchScope) {
      sessions.push(batch.step);
      return { save: answer, load: async () => [], query: async () => [] };
    },
    close: async () => {},
  };
  return { connector, sessions };
}

describe('sessions outside the store', () => {
  test('each try of a step has one, and all tries of a step have its number; a jump counts on', async () => {
    const { connector, sessions } = makeOwn();
    let calls = 0;
    const twice = makeStep(
      'Twice',
      async (flow) => {
        await flow.getConnector().save([1]);
        await flow.getConnector().save([2]);
        calls += 1;
        if (calls === 1) throw new Error('once more');
        flow.commitRow({});
        if (calls === 2) flow.next(jump('Twice'));
      },
      { connector, retryTimes: 1 },
    );
    const save = makeStep('Save', undefined, { mode: 'Save', connector });
    await runFlow({ name: 'f', isEnabled: true, steps: [twice, save] }, [{}], makeScope());
    expect(sessions).toEqual([0, 0, 1, 2]);
  });

  test('on the store one serves the batch', async () => {
    const { connector, sessions } = makeOwn({ guarantee: 'exactly-once' });
    const save = makeStep('Save', undefined, { mode: 'Save', connector });
    await runFlow({ name: 'f', isEnabled: true, steps: [save, save] }, [{}], makeScope());
    expect(sessions).toEqual([undefined]);
  });
});

describe('what a connector of a project’s own throws', () => {
  const flowOf = (connector: Connector, retryTimes: number) => ({
    name: 'f',
    isEnabled: true,
    steps: [makeStep('Save', undefined, { mode: 'Save', connector, retryTimes })],
  });

  test('a plain error is tried again as often as the function says, then CONNECTOR_FAILED, which stops', async () => {
    const passing = makeOwn({ failures: [new Error('disk full')] });
    await runFlow(flowOf(passing.connector, 1), [{}], makeScope());
    const lasting = makeOwn({ failures: [new Error('disk full'), new Error('disk full')] });
    const error = await codedErrorOf(runFlow(flowOf(lasting.connector, 1), [{}], makeScope()));
    expect(error).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'stop' });
    expect(error.message).toBe('Flow f: connector own of function Save failed: disk full');
  });

  test('a coded error is what it says', async () => {
    const { connector } = makeOwn({ failures: [new CodedError('ROW_INVALID', 'no', { class: 'row' })] });
    expect(await codedErrorOf(runFlow(flowOf(connector, 5), [{}], makeScope()))).toMatchObject({
      code: 'ROW_INVALID',
      class: 'row',
    });
  });
});
