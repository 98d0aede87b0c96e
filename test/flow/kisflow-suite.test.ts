/**
 * The cases of KisFlow's own test suite, under its names of flows and functions, with the results that Go gives. Where ours differ on
 * purpose the test's name says so; docs/kisflow.md has all differences. Its cases on metrics have tests of their own.
 */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  ActionAbort,
  ActionDataReuse,
  ActionForceEntryNext,
  ActionJumpFunc,
  createFlow,
  defineConnectorCall,
  defineConnectorInit,
  defineFunction,
  loadProject,
  type FlowContext,
  type FunctionDefinition,
  type Logger,
  type Project,
  type ProjectOptions,
} from '../../src/index.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { codedErrorOf } from './scope.ts';

const data = [1, 2, 3].map((number) => `This is Data${number} from Test`);
const from = (fname: string, count = 3): string[] =>
  Array.from({ length: count }, (_, index) => `data from funcName[${fname}], index = ${index}`);

/** What ran: each function with the rows that it received and its parameters, and each call of the connector. */
interface Trace {
  readonly calls: (readonly [string, ...(readonly unknown[])])[];
  readonly params: Record<string, unknown>;
  readonly connector: unknown[];
}

/** Its functions: each notes what it receives, and does what its namesake does. */
function functionsFor(trace: Trace): FunctionDefinition[] {
  const define = (name: string, act: (flow: FlowContext, rows: readonly unknown[]) => void | Promise<void>): FunctionDefinition =>
    defineFunction<unknown>({
      name,
      callsConnector: name === 'funcName2',
      run(flow, rows) {
        trace.calls.push([name, ...rows]);
        trace.params[name] = flow.params;
        return act(flow, rows);
      },
    });
  const answer = (flow: FlowContext, rows: readonly unknown[]): void => flow.commitRowBatch(from(flow.functionName, rows.length));
  return [
    define('funcName1', answer),
    define('funcName2', async (flow, rows) => {
      for (const row of rows) await flow.getConnector().call(row);
      answer(flow, rows);
    }),
    define('funcName3', () => {}),
    define('funcName4', answer),
    define('abortFunc', (flow) => flow.next(ActionAbort)),
    define('dataReuseFunc', (flow, rows) => {
      answer(flow, rows);
      flow.next(ActionDataReuse);
    }),
    define('noResultFunc', (flow) => flow.next(ActionForceEntryNext)),
    define('jumpFunc', (flow) => flow.next(ActionJumpFunc('funcName1'))),
  ];
}

const defaults = (fname: string) => ({ default1: `${fname}_param1`, default2: `${fname}_param2` });
const func = (fname: string, fmode: string, option: object = {}, must: readonly string[] = []) => ({
  kistype: 'func',
  fname,
  fmode,
  source: { name: 'UserOrderErrorRate', must },
  option,
});
const flowOf = (flow_name: string, ...steps: readonly (string | object)[]) => ({
  kistype: 'flow',
  status: 1,
  flow_name,
  flows: steps.map((step) => (typeof step === 'string' ? { fname: step } : step)),
});
const keys = (fname: string, number: number) => ({
  fname,
  params: { myKey1: `flowValue${number}-1`, myKey2: `flowValue${number}-2` },
});

/** Its configuration; without `must`, which Go reads and does not look at. */
const documents = [
  flowOf('flowName1', keys('funcName1', 1), keys('funcName2', 2), keys('funcName3', 3)),
  flowOf('flowName2', 'funcName1', 'abortFunc', 'funcName3'),
  flowOf('flowName3', 'funcName1', 'dataReuseFunc', 'funcName3'),
  flowOf('flowName4', 'funcName1', 'noResultFunc', 'funcName3'),
  flowOf('flowName5', 'funcName1', 'funcName2', 'jumpFunc'),
  flowOf(
    'flowFork1',
    { fname: 'funcName1', params: { myKey1: 'flowValue1-1' } },
    { fname: 'funcName3', params: { myKey1: 'flowValue3-1' } },
  ),
  func('funcName1', 'Verify', { default_params: defaults('funcName1') }),
  func('funcName2', 'Save', { cname: 'ConnName1', default_params: defaults('funcName2') }),
  func('funcName3', 'Calculate', { default_params: defaults('funcName3') }),
  ...['abortFunc', 'dataReuseFunc', 'noResultFunc', 'jumpFunc'].map((fname) => func(fname, 'Calculate')),
  {
    kistype: 'conn',
    cname: 'ConnName1',
    addrs: '0.0.0.0:9988,0.0.0.0:9999,0.0.0.0:9990',
    type: 'redis',
    key: 'redis-key',
    params: { args1: 'value1', args2: 'value2' },
    load: null,
    save: ['funcName2'],
  },
];

/** What its test package registers when it starts. */
function registrationsFor(trace: Trace) {
  return {
    functions: functionsFor(trace),
    connectorInits: [
      defineConnectorInit({ connector: 'ConnName1', init: ({ addrs }) => void trace.connector.push(['init', addrs]) }),
    ],
    connectorCalls: [
      defineConnectorCall({
        connector: 'ConnName1',
        function: 'funcName2',
        mode: 'Save',
        call: (flow, { name, params }, args) => void trace.connector.push([flow.flowName, name, params, args]),
      }),
    ],
  };
}

function newTrace(): Trace {
  return { calls: [], params: {}, connector: [] };
}

async function load(trace: Trace, over: Partial<ProjectOptions> = {}): Promise<Project> {
  return loadProject({ documents, ...registrationsFor(trace), ...over });
}

/** Runs a flow of the configuration over the three rows. */
async function runFlow(name: string): Promise<Trace> {
  const trace = newTrace();
  const flow = (await load(trace)).getFlow(name);
  for (const row of data) flow.commitRow(row);
  await flow.run();
  return trace;
}

describe('actions', () => {
  test('TestActionAbort: funcName3 is not called', async () => {
    expect((await runFlow('flowName2')).calls).toEqual([
      ['funcName1', ...data],
      ['abortFunc', ...from('funcName1')],
    ]);
  });

  test('TestActionDataReuse: funcName3 receives what funcName1 committed', async () => {
    expect((await runFlow('flowName3')).calls).toEqual([
      ['funcName1', ...data],
      ['dataReuseFunc', ...from('funcName1')],
      ['funcName3', ...from('funcName1')],
    ]);
  });

  test('TestActionForceEntry: funcName3 is called with no rows', async () => {
    expect((await runFlow('flowName4')).calls).toEqual([
      ['funcName1', ...data],
      ['noResultFunc', ...from('funcName1')],
      ['funcName3'],
    ]);
  });

  test('TestActionJumpFunc: each round has the same rows; Go runs for ever, ours ends with FUNCTION_JUMP', async () => {
    const trace = newTrace();
    const flow = (await load(trace)).getFlow('flowName5');
    flow.commitRowBatch(data);
    const error = await codedErrorOf(flow.run());
    expect(error).toMatchObject({ code: 'FUNCTION_JUMP', class: 'stop', details: { flow: 'flowName5', function: 'jumpFunc' } });
    const round = [
      ['funcName1', ...data],
      ['funcName2', ...from('funcName1')],
      ['jumpFunc', ...from('funcName2')],
    ];
    expect(trace.calls).toHaveLength(3 * 1001);
    expect(trace.calls.slice(0, 6)).toEqual([...round, ...round]);
    expect(trace.calls.slice(-3)).toEqual(round);
  });
});

describe('typed rows', () => {
  const averages: unknown[] = [];
  // A field that the row lacks is 0 in Go.
  const score = z.object({
    stu_id: z.number(),
    score_1: z.number().default(0),
    score_2: z.number().default(0),
    score_3: z.number().default(0),
  });
  const functions = [
    defineFunction({
      name: 'AvgStuScore',
      input: score,
      run(flow, rows) {
        for (const row of rows) flow.commitRow({ stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2 + row.score_3) / 3 });
      },
    }),
    defineFunction({
      name: 'PrintStuAvgScore',
      input: z.object({ stu_id: z.number(), avg_score: z.number() }),
      run: (_flow, rows) => void averages.push(...rows.map((row) => [row.stu_id, row.avg_score])),
    }),
  ];
  const object = { stu_id: 100, score_1: 1, score_2: 2, score_3: 3 };

  test('TestAutoInjectParamWithConfig: objects and JSON texts arrive as typed rows', async () => {
    averages.length = 0;
    const must = ['stu_id'];
    const project = await loadProject({
      documents: [
        flowOf('StuAvg', 'AvgStuScore', 'PrintStuAvgScore'),
        func('AvgStuScore', 'Calculate', {}, must),
        func('PrintStuAvgScore', 'Expand', {}, must),
      ],
      functions,
    });
    const flow = project.getFlow('StuAvg');
    for (const row of [object, { ...object }, '{"stu_id":101}']) flow.commitRow(row);
    await flow.run();
    expect(averages).toEqual([
      [100, 2],
      [100, 2],
      [101, 0],
    ]);
  });

  test('TestAutoInjectParam: the same in a flow built from code', async () => {
    averages.length = 0;
    const steps = ['AvgStuScore', 'PrintStuAvgScore'].map((fname) => ({ fname }));
    const flow = createFlow({ name: 'cal_stu_avg_score', steps, functions });
    for (const row of [object, '{"stu_id":101}', { ...object }]) flow.commitRow(row);
    await flow.run();
    expect(averages).toEqual([
      [100, 2],
      [101, 0],
      [100, 2],
    ]);
  });

  test('a row that is not of the type: Go calls the function with no rows, ours is ROW_INVALID', async () => {
    const flow = createFlow({ name: 'f', steps: [{ fname: 'AvgStuScore' }], functions });
    flow.commitRow('{"stu_id":"x"}');
    expect(await codedErrorOf(flow.run())).toMatchObject({ code: 'ROW_INVALID', class: 'row', details: { fields: 'stu_id' } });
  });
});

describe('configuration', () => {
  test('TestConfigImportYaml, TestForkFlowCommitBatch: one by one or as a batch, all rows pass all functions', async () => {
    const single = await runFlow('flowName1');
    const trace = newTrace();
    const flow = (await load(trace)).getFlow('flowName1');
    flow.commitRowBatch(data);
    await flow.run();
    expect(trace).toEqual(single);
    expect(trace.calls).toEqual([
      ['funcName1', ...data],
      ['funcName2', ...from('funcName1')],
      ['funcName3', ...from('funcName2')],
    ]);
  });

  test('TestParams: the defaults of each function, overlaid by the flow’s', async () => {
    const { params } = await runFlow('flowName1');
    for (const [index, fname] of ['funcName1', 'funcName2', 'funcName3'].entries()) {
      expect(params[fname]).toEqual({ ...defaults(fname), ...keys(fname, index + 1).params });
    }
  });

  test('TestNewFuncConfig, TestNewFlowConfig, TestNewConnConfig: what is written is what is configured', async () => {
    const option = {
      cname: 'connectorName1',
      retry_times: 3,
      return_duration: 300,
      default_params: { param1: 'value1', param2: 'value2' },
    };
    const conn = {
      cname: 'connectorName1',
      addrs: '0.0.0.0:9987,0.0.0.0:9997',
      type: 'redis',
      key: 'key',
      params: { param1: 'value1' },
    };
    const { funcs, flows, conns } = await loadConfiguration({
      documents: [
        func('funcName1', 'Save', option, ['order_id', 'user_id']),
        func('funcName2', 'Save', { cname: 'connectorName1' }),
        flowOf(
          'flowName1',
          { fname: 'funcName1', params: { flowSetFunParam1: 'value1' } },
          { fname: 'funcName2', params: { default: 'value1' } },
        ),
        { kistype: 'conn', ...conn },
      ],
      env: {},
    });
    expect(funcs.get('funcName1')).toMatchObject({ fmode: 'Save', source: { must: ['order_id', 'user_id'] }, option });
    expect(flows.get('flowName1')?.flows.map(({ params }) => params)).toEqual([
      { flowSetFunParam1: 'value1' },
      { default: 'value1' },
    ]);
    expect(conns.get('connectorName1')).toMatchObject(conn);
  });
});

describe('flows from code', () => {
  const trace = newTrace();
  const functions = functionsFor(trace);

  test('TestNewKisFlow, TestNewKisFunction: without rows the first function is called, and nothing behind it', async () => {
    trace.calls.length = 0;
    await createFlow({
      name: 'flowName1',
      steps: [{ fname: 'funcName1' }, { fname: 'funcName4', mode: 'Verify' }],
      functions,
    }).run();
    await createFlow({ name: 'flowName1', steps: [{ fname: 'funcName1' }], functions }).run();
    expect(trace.calls).toEqual([['funcName1'], ['funcName1']]);
  });

  test('TestNewKisFlowData, TestNewKisPool: funcName4 receives what funcName1 committed', async () => {
    trace.calls.length = 0;
    const flow = createFlow({
      name: 'flowName1',
      steps: [{ fname: 'funcName1' }, { fname: 'funcName4', mode: 'Expand' }],
      functions,
    });
    for (const row of data) flow.commitRow(row);
    const { steps } = await flow.run();
    expect(trace.calls[1]).toEqual(['funcName4', ...from('funcName1')]);
    expect(steps).toEqual([
      { fname: 'funcName1', rowsIn: 3, rowsOut: 3 },
      { fname: 'funcName4', rowsIn: 3, rowsOut: 3 },
    ]);
  });

  test('TestNewKisConnector: the connector is opened once and called for each row', async () => {
    const called = newTrace();
    const flow = createFlow({
      name: 'flowName1',
      steps: [
        { fname: 'funcName1' },
        { fname: 'funcName2', mode: 'Save', connector: 'ConnName1' },
        { fname: 'funcName3', mode: 'Expand' },
      ],
      connectors: [{ name: 'ConnName1', type: 'redis', addrs: '0.0.0.0:9998', key: 'redis-key', params: {} }],
      ...registrationsFor(called),
    });
    for (let run = 0; run < 2; run += 1) {
      flow.commitRowBatch(data);
      await flow.run();
    }
    const calls = from('funcName1').map((row) => ['flowName1', 'ConnName1', {}, row]);
    expect(called.connector).toEqual([['init', '0.0.0.0:9998'], ...calls, ...calls]);
  });

  test('TestForkFlow, TestForkFlowWithLink: a fork has the parameters of its flow and rows of its own', async () => {
    const called = newTrace();
    const flow = (await load(called)).getFlow('flowFork1');
    flow.commitRow(data[2]);
    const fork = flow.fork();
    fork.commitRow(data[0]);
    await fork.run();
    expect(called.calls).toEqual([
      ['funcName1', data[0]],
      ['funcName3', ...from('funcName1', 1)],
    ]);
    expect(called.params).toEqual({
      funcName1: { ...defaults('funcName1'), myKey1: 'flowValue1-1' },
      funcName3: { ...defaults('funcName3'), myKey1: 'flowValue3-1' },
    });
    expect(fork.flow.steps.map(({ params }) => params)).toEqual(flow.flow.steps.map(({ params }) => params));
  });

  test('TestKisLogger: functions log through the logger that was given', async () => {
    const lines: unknown[] = [];
    const loggerWith = (fields: object): Logger => ({
      ...silentLogger,
      info: (more, message) => void lines.push([message, { ...fields, ...more }]),
      error: (more, message) => void lines.push([message, { ...fields, ...more }]),
      child: (more) => loggerWith({ ...fields, ...more }),
    });
    const logging = defineFunction({
      name: 'L',
      run(flow) {
        flow.logger.info({ n: 1 }, 'info');
        flow.logger.error({ n: 2 }, 'error');
        flow.logger.debug({ n: 3 }, 'debug');
      },
    });
    await createFlow({ name: 'f', steps: [{ fname: 'L' }], functions: [logging], logger: loggerWith({}) }).run();
    expect(lines).toEqual([
      ['info', { function: 'L', n: 1 }],
      ['error', { function: 'L', n: 2 }],
    ]);
  });
});

describe('what Go panics at, or finds out when it runs, is CONFIG_INVALID when it is loaded', () => {
  const trace = newTrace();
  const all = registrationsFor(trace);
  const [first = defineFunction({ name: 'none', run() {} })] = all.functions;

  test.each<[string, Partial<ProjectOptions>, RegExp]>([
    ['a function that is not registered', { functions: all.functions.slice(1) }, /no code for "funcName1"/],
    ['a function that is registered twice', { functions: [...all.functions, first] }, /two functions named funcName1/],
    ['a connector call that is not registered', { connectorCalls: [] }, /no call is registered for it in mode Save/],
    ['a connector call that is registered twice', { connectorCalls: [...all.connectorCalls, ...all.connectorCalls] }, /two calls/],
    ['a connector init that is registered twice', { connectorInits: [...all.connectorInits, ...all.connectorInits] }, /two inits/],
    ['a flow that is there twice', { documents: [...documents, flowOf('flowName1')] }, /there is a flow "flowName1" already/],
    [
      'a function that is not configured',
      { documents: [...documents, flowOf('f', 'funcNmae1')] },
      /no function "funcNmae1"; did you mean/,
    ],
  ])('%s', async (_what, change, message) => {
    const error = await codedErrorOf(load(trace, change));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toMatch(message);
  });

  test('a flow that nobody configured: Go gives nil, ours names those that there are', async () => {
    const project = await load(trace);
    expect(() => project.getFlow('flowName9')).toThrow(/There is no flow flowName9.* Known: flowName1, flowName2/);
  });

  test('a flow of status 0: Go does not load it, ours loads it and runs nothing', async () => {
    const called = newTrace();
    const project = await load(called, { documents: [...documents, { ...flowOf('off', 'funcName1'), status: 0 }] });
    const flow = project.getFlow('off');
    flow.commitRow(1);
    expect(await flow.run()).toEqual({ steps: [] });
    expect(called.calls).toEqual([]);
  });

  test('a row without a must field: Go does not look, ours is ROW_INVALID', async () => {
    const called = newTrace();
    const strict = documents.map((document) =>
      document === documents[6] ? func('funcName1', 'Verify', {}, ['order_id', 'user_id']) : document,
    );
    const flow = (await load(called, { documents: strict })).getFlow('flowName1');
    flow.commitRowBatch(data);
    expect(await codedErrorOf(flow.run())).toMatchObject({ code: 'ROW_INVALID', details: { fields: 'order_id, user_id' } });
    expect(called.calls).toEqual([]);
  });
});
