import { describe, expect, test } from 'vitest';
import type { Connector, ConnectorSession } from '../../src/connector/contract.ts';
import type { Flow, FlowContext, FlowStep } from '../../src/flow/contract.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { CodedError } from '../../src/lib/error.ts';
import type { StoreTransaction } from '../../src/store/contract.ts';
import { codedErrorOf, makeScope, makeStep } from './scope.ts';

function flowOf(...steps: readonly FlowStep[]): Flow {
  return { name: 'f', isEnabled: true, steps };
}

const pass = (flow: FlowContext, rows: readonly unknown[]): void => flow.commitRowBatch(rows);
const forever = (): never => {
  for (;;);
};
const never = (): Promise<never> => new Promise(() => {});

/** A connector whose sessions do this; it stands for a storage in its failures, which no real one has on demand. */
function connectorOf(session: Partial<ConnectorSession>, guarantee: Connector['guarantee'] = 'exactly-once'): Connector {
  const refuse = async (): Promise<never> => Promise.reject(new Error('not expected'));
  return {
    name: 'c',
    type: 'test',
    guarantee,
    open: async () => {},
    close: async () => {},
    session: () => ({ save: refuse, load: refuse, query: refuse, ...session }),
  };
}

/** A store transaction that notes its statements. */
function notingStore(statements: string[]): StoreTransaction {
  return {
    flavour: 'mysql',
    database: 'd',
    maxPacketBytes: 1e6,
    query: async (sql) => {
      statements.push(sql);
      return { rows: [], affectedRows: 0 };
    },
  };
}

const deadlock = new CodedError('STORE_STATEMENT', 'deadlock', { class: 'retry' });

describe('a function that throws', () => {
  test.each([
    [
      'at once',
      (): void => {
        throw new TypeError('bad score');
      },
    ],
    [
      'later',
      async (): Promise<void> => {
        await Promise.resolve();
        throw new TypeError('bad score');
      },
    ],
  ])('%s is FUNCTION_FAILED with the names of flow and function, and its cause', async (_when, run) => {
    const error = await codedErrorOf(runFlow(flowOf(makeStep('a', pass), makeStep('b', run)), [1], makeScope()));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', class: 'stop', details: { flow: 'f', function: 'b' } });
    expect(error.message).toBe('Flow f: function b failed: bad score');
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  test('what is no error is told too', async () => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- user code may
    const error = await codedErrorOf(runFlow(flowOf(makeStep('a', () => Promise.reject('text'))), [1], makeScope()));
    expect(error.message).toBe('Flow f: function a failed: text');
  });

  test('a CodedError of its own passes unchanged, so a function can refuse a row', async () => {
    const refusal = new CodedError('ROW_INVALID', 'no such student', { class: 'row' });
    expect(
      await codedErrorOf(
        runFlow(
          flowOf(
            makeStep(
              'a',
              () => {
                throw refusal;
              },
              { retryTimes: 3 },
            ),
          ),
          [1],
          makeScope(),
        ),
      ),
    ).toBe(refusal);
  });
});

describe('retries', () => {
  test('a function is tried again as often as it says, with nothing left of the failed tries', async () => {
    let tries = 0;
    const seen: unknown[] = [];
    const flaky = makeStep(
      'a',
      (flow, rows) => {
        tries += 1;
        flow.commitRow(`try ${tries}`);
        if (tries < 4) throw new Error('flaky');
        flow.commitRowBatch(rows);
      },
      { retryTimes: 3, retryDelayMs: 1 },
    );
    const last = makeStep('b', (_flow, rows) => void seen.push(...rows));
    const result = await runFlow(flowOf(flaky, last), ['row'], makeScope());
    expect(seen).toEqual(['try 4', 'row']);
    expect(result.steps.map((step) => step.fname)).toEqual(['a', 'b']);
  });

  test('a function that fails every time is FUNCTION_FAILED after its last try', async () => {
    let tries = 0;
    const step = makeStep(
      'a',
      async () => {
        tries += 1;
        throw new Error('down');
      },
      { retryTimes: 2 },
    );
    expect((await codedErrorOf(runFlow(flowOf(step), [1], makeScope()))).code).toBe('FUNCTION_FAILED');
    expect(tries).toBe(3);
  });

  test('L1: what a failed try wrote into the batch transaction is undone before the next one', async () => {
    const statements: string[] = [];
    let tries = 0;
    const store = notingStore(statements);
    const connector = connectorOf({ query: async (sql) => (await store.query(sql)).rows });
    const step = makeStep(
      'a',
      async (flow) => {
        tries += 1;
        await flow.getConnector().query(`total = total + 1 (${tries})`);
        if (tries === 1) throw new Error('after writing');
      },
      { connector, retryTimes: 1 },
    );
    await runFlow(flowOf(step), [1], makeScope({ store }));
    expect(statements).toEqual([
      'SAVEPOINT kisflow_step',
      'total = total + 1 (1)',
      'ROLLBACK TO SAVEPOINT kisflow_step',
      'SAVEPOINT kisflow_step',
      'total = total + 1 (2)',
    ]);
  });

  test.each([
    ['passes it on', async (flow: FlowContext): Promise<void> => flow.getConnector().save([])],
    [
      'catches it',
      async (flow: FlowContext): Promise<void> => {
        await flow
          .getConnector()
          .save([])
          .catch(() => {});
      },
    ],
    ['does not wait for it', (flow: FlowContext): void => void flow.getConnector().save([])],
    [
      'catches it and throws another',
      async (flow: FlowContext): Promise<void> => {
        await flow
          .getConnector()
          .save([])
          .catch(() => {});
        throw new Error('other');
      },
    ],
  ])('L1: a lost transaction reaches the caller unchanged, once, though the function %s', async (_how, run) => {
    let tries = 0;
    const connector = connectorOf({
      save: async () => {
        tries += 1;
        throw deadlock;
      },
    });
    const error = await codedErrorOf(runFlow(flowOf(makeStep('a', run, { connector, retryTimes: 5 })), [1], makeScope()));
    expect(error).toBe(deadlock);
    expect(tries).toBe(1);
  });

  test('an error that wraps one of the store keeps its class and is not tried again here', async () => {
    let tries = 0;
    const step = makeStep(
      'a',
      () => {
        tries += 1;
        throw new Error('saving', { cause: deadlock });
      },
      { retryTimes: 5 },
    );
    const error = await codedErrorOf(runFlow(flowOf(step), [1], makeScope()));
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', class: 'retry' });
    expect(tries).toBe(1);
  });

  test('a Save without code tries a storage outside the transaction again, but never the store', async () => {
    let tries = 0;
    const failing = (error: CodedError): Connector =>
      connectorOf({
        save: async () => {
          tries += 1;
          if (tries < 3) throw error;
        },
      });
    const saveStep = (error: CodedError): FlowStep =>
      makeStep('s', undefined, { mode: 'Save', connector: failing(error), retryTimes: 5 });
    await runFlow(flowOf(saveStep(new CodedError('CONNECTOR_FAILED', 'redis', { class: 'retry' }))), [{}], makeScope());
    expect(tries).toBe(3);
    tries = 0;
    expect(await codedErrorOf(runFlow(flowOf(saveStep(deadlock)), [{}], makeScope()))).toBe(deadlock);
    expect(tries).toBe(1);
  });
});

describe('connector calls that nobody waits for', () => {
  test('a step ends only when its connector calls have ended', async () => {
    let isSaved = false;
    const connector = connectorOf({
      save: async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        isSaved = true;
      },
    });
    const first = makeStep(
      'a',
      (flow, rows) => {
        void flow.getConnector().save(rows);
        pass(flow, rows);
      },
      { connector },
    );
    await runFlow(
      flowOf(
        first,
        makeStep('b', () => expect(isSaved).toBe(true)),
      ),
      [1],
      makeScope(),
    );
  });

  test('L3: a failure that nobody looked at fails the step, even when it came before the end', async () => {
    const refused = new CodedError('STORE_CONSTRAINT', 'null', { class: 'row' });
    const connector = connectorOf({
      save: async () => {
        throw refused;
      },
    });
    const careless = makeStep(
      'a',
      async (flow) => {
        void flow.getConnector().save([]);
        await new Promise((resolve) => setTimeout(resolve, 5));
      },
      { connector },
    );
    expect(await codedErrorOf(runFlow(flowOf(careless), [1], makeScope()))).toBe(refused);
    const careful = makeStep(
      'a',
      async (flow) => {
        await flow
          .getConnector()
          .save([])
          .catch(() => {});
      },
      { connector },
    );
    await runFlow(flowOf(careful), [1], makeScope());
  });

  test('nothing is written after the function’s time is over', async () => {
    let writes = 0;
    let refusal: unknown;
    const connector = connectorOf({
      save: async () => {
        writes += 1;
      },
    });
    const step = makeStep(
      'a',
      async (flow) => {
        const session = flow.getConnector();
        await new Promise((resolve) => flow.signal.addEventListener('abort', resolve));
        await session.save([]).catch((error: unknown) => {
          refusal = error;
        });
      },
      { connector, timeoutMs: 20 },
    );
    expect((await codedErrorOf(runFlow(flowOf(step), [1], makeScope()))).code).toBe('FUNCTION_TIMEOUT');
    await expect.poll(() => String(refusal)).toMatch(/after its function had ended/);
    expect(writes).toBe(0);
  });
});

describe('a function that never returns', () => {
  test.each([
    ['an endless loop', forever],
    [
      'an endless loop that catches everything',
      (): void => {
        for (;;) {
          try {
            forever();
          } catch {
            /* goes on */
          } finally {
            forever();
          }
        }
      },
    ],
    ['an endless loop in an async function', async (): Promise<void> => forever()],
    ['a promise that never settles', never],
  ])('%s is FUNCTION_TIMEOUT and names the function', async (_what, run) => {
    const flow = flowOf(makeStep('a', pass, { timeoutMs: 100 }), makeStep('hung', run, { timeoutMs: 100 }));
    const startedAt = performance.now();
    const error = await codedErrorOf(runFlow(flow, [1], makeScope()));
    expect(error).toMatchObject({
      code: 'FUNCTION_TIMEOUT',
      class: 'stop',
      details: { flow: 'f', function: 'hung', timeoutMs: 100 },
    });
    expect(performance.now() - startedAt).toBeGreaterThan(85);
  });

  test('a schema that never returns is FUNCTION_TIMEOUT too', async () => {
    const definition = { name: 'a', input: { safeParse: forever }, run() {} };
    const error = await codedErrorOf(runFlow(flowOf(makeStep('a', undefined, { definition, timeoutMs: 50 })), [1], makeScope()));
    expect(error.code).toBe('FUNCTION_TIMEOUT');
  });

  test('L4: other runs that are under way at the time go on', async () => {
    const slow = makeStep('slow', async (flow, rows) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      pass(flow, rows);
    });
    const others = Array.from({ length: 20 }, () => runFlow(flowOf(slow, slow, slow), [1], makeScope()));
    const hung = codedErrorOf(runFlow(flowOf(makeStep('a', forever, { timeoutMs: 100 })), [1], makeScope()));
    for (const result of await Promise.all(others)) expect(result.steps).toHaveLength(3);
    expect((await hung).code).toBe('FUNCTION_TIMEOUT');
  });

  test('its signal aborts when its time is over', async () => {
    const aborted = new Promise<unknown>((resolve) => {
      const step = makeStep(
        'a',
        (flow) => {
          flow.signal.addEventListener('abort', () => resolve(flow.signal.reason));
          return never();
        },
        { timeoutMs: 10 },
      );
      void codedErrorOf(runFlow(flowOf(step), [1], makeScope()));
    });
    expect(await aborted).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
  });

  test('L11: a stop from outside ends the run at once and aborts the function’s signal', async () => {
    const stop = new AbortController();
    let seen: AbortSignal | undefined;
    const step = makeStep('a', (flow) => {
      seen = flow.signal;
      return never();
    });
    const outcome = codedErrorOf(runFlow(flowOf(step), [1], makeScope({ signal: stop.signal })));
    stop.abort();
    expect((await outcome).code).toBe('STOP_DEADLINE');
    expect(seen?.aborted).toBe(true);
    expect((await codedErrorOf(runFlow(flowOf(step), [1], makeScope({ signal: stop.signal })))).code).toBe('STOP_DEADLINE');
  });

  test('without a time limit a function may take what it needs', async () => {
    const busy = (): void => {
      const end = performance.now() + 30;
      while (performance.now() < end);
    };
    await runFlow(flowOf(makeStep('a', busy, { timeoutMs: 0 })), [1], makeScope());
    expect((await codedErrorOf(runFlow(flowOf(makeStep('a', busy, { timeoutMs: 5 })), [1], makeScope()))).code).toBe(
      'FUNCTION_TIMEOUT',
    );
  });
});
