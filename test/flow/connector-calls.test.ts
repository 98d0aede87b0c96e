import { describe, expect, test } from 'vitest';
import {
  createFlow,
  defineConnectorCall,
  defineConnectorInit,
  defineFunction,
  loadProject,
  makeMemoryConnector,
  Registry,
  type ConnectorCall,
  type ConnectorInit,
  type CreateFlowOptions,
} from '../../src/index.ts';
import { writeConf } from '../config/conf-directory.ts';
import { codedErrorOf, makeMemory } from './scope.ts';

/** A client that a program opens: a list in place of a server. */
class Client {
  readonly writes: unknown[] = [];
  isOpen = true;
}

const options = { name: 'Cache', type: 'redis', addrs: '127.0.0.1:6379', key: 'score_', params: { db: '3' } };
const initOf = (clients: Client[]): ConnectorInit =>
  defineConnectorInit({
    connector: 'Cache',
    init(connector) {
      const client = new Client();
      clients.push(client);
      connector.metadata.set('client', client);
    },
    close(connector) {
      const client = connector.metadata.get('client');
      if (client instanceof Client) client.isOpen = false;
    },
  });

const put: ConnectorCall = defineConnectorCall({
  connector: 'Cache',
  function: 'Put',
  mode: 'Save',
  call(flow, connector, args) {
    const client = connector.metadata.get('client');
    if (!(client instanceof Client)) throw new Error('not open');
    client.writes.push([flow.flowName, flow.functionName, flow.functionMode, connector.key, connector.params.db, args]);
    return client.writes.length;
  },
});

const putFunction = defineFunction({
  name: 'Put',
  callsConnector: true,
  async run(flow, rows) {
    for (const row of rows) flow.commitRow({ ...row, count: await flow.getConnector().call(row) });
  },
});
const seeFunction = defineFunction({
  name: 'See',
  run(flow, rows) {
    const { metadata, name, type, addrs } = flow.getConnector();
    flow.commitRow({ rows, isClient: metadata.get('client') instanceof Client, name, type, addrs });
  },
});

const steps = [
  { fname: 'Put', mode: 'Save', connector: 'Cache' },
  { fname: 'See', mode: 'Load', connector: 'Cache' },
] as const;

describe('a connector that the program opens and calls', () => {
  test('is opened once, shared by all functions, forks and runs that name it, and closed once', async () => {
    const clients: Client[] = [];
    const flow = createFlow({
      name: 'f',
      steps,
      functions: [putFunction, seeFunction],
      connectors: [options],
      connectorInits: [initOf(clients)],
      connectorCalls: [put],
    });
    const fork = flow.fork();
    flow.commitRow({ id: 1 });
    fork.commitRow({ id: 2 });
    await Promise.all([flow.run(), fork.run()]);
    flow.commitRow({ id: 3 });
    const { steps: counts } = await flow.run();
    expect(counts.map(({ rowsOut }) => rowsOut)).toEqual([1, 1]);
    expect(clients).toHaveLength(1);
    expect(clients[0]?.writes).toEqual([1, 2, 3].map((id) => ['f', 'Put', 'Save', 'score_', '3', { id }]));
    await flow.close();
    expect(clients[0]?.isOpen).toBe(false);
  });

  test('keeps nothing over its close: the next run opens it anew', async () => {
    const found: unknown[] = [];
    const init = defineConnectorInit({
      connector: 'Cache',
      init({ metadata }) {
        found.push(metadata.get('client'));
        metadata.set('client', found.length);
      },
    });
    const quiet = defineFunction({ name: 'Quiet', run() {} });
    const flow = createFlow({
      name: 'f',
      steps: [{ fname: 'Quiet', connector: 'Cache' }],
      functions: [quiet],
      connectors: [options],
      connectorInits: [init],
    });
    await flow.run();
    await flow.run();
    await flow.close();
    await flow.run();
    expect(found).toEqual([undefined, undefined]);
  });

  test('gives a function its name, type, address and what its init kept', async () => {
    const seen: unknown[] = [];
    const last = defineFunction({ name: 'Last', run: (_flow, rows) => void seen.push(...rows) });
    const flow = createFlow({
      name: 'f',
      steps: [{ fname: 'See', connector: 'Cache' }, { fname: 'Last' }],
      functions: [seeFunction, last],
      connectors: [options],
      connectorInits: [initOf([])],
    });
    await flow.run();
    expect(seen).toEqual([{ rows: [], isClient: true, name: 'Cache', type: 'redis', addrs: '127.0.0.1:6379' }]);
  });

  test('an init that fails fails the run as CONNECTOR_FAILED and is tried again by the next one', async () => {
    let tries = 0;
    const init = defineConnectorInit({
      connector: 'Cache',
      init() {
        tries += 1;
        if (tries === 1) throw new Error('refused');
      },
    });
    const quiet = defineFunction({ name: 'Quiet', run() {} });
    const flow = createFlow({
      name: 'f',
      steps: [{ fname: 'Quiet', connector: 'Cache' }],
      functions: [quiet],
      connectors: [options],
      connectorInits: [init],
    });
    const error = await codedErrorOf(flow.run());
    expect(error).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
    expect(error.message).toMatch(/Connector Cache: its init failed: refused/);
    await flow.run();
    expect(tries).toBe(2);
  });

  test('saves nothing by itself', async () => {
    const save = defineFunction({ name: 'S', run: async (flow, rows) => flow.getConnector().save(rows) });
    const flow = createFlow({
      name: 'f',
      steps: [{ fname: 'S', connector: 'Cache' }],
      functions: [save],
      connectors: [options],
      connectorInits: [initOf([])],
    });
    expect((await codedErrorOf(flow.run())).message).toMatch(/Connector Cache: .* has no save/);
  });

  test('a call can be put beside a connector that saves and loads: it sees the rows that were saved', async () => {
    const memory = makeMemory();
    const count = defineConnectorCall({
      connector: 'table',
      function: 'Count',
      mode: 'Calculate',
      async call(flow, connector, args) {
        await flow.getConnector().save([args]);
        return `${connector.type}:${memory.rows().length}`;
      },
    });
    const seen: unknown[] = [];
    const counting = defineFunction({
      name: 'Count',
      callsConnector: true,
      async run(flow, rows) {
        for (const row of rows) seen.push(await flow.getConnector().call(row));
      },
    });
    const flow = createFlow({
      name: 'f',
      steps: [{ fname: 'Count', connector: 'table' }],
      functions: [counting],
      connectors: [memory],
      connectorCalls: [count],
    });
    flow.commitRowBatch([{ id: 1 }, { id: 2 }]);
    await flow.run();
    expect(seen).toEqual(['memory:1', 'memory:2']);
  });

  test('a call that throws fails its function, though the function did not wait for it', async () => {
    const failing = defineConnectorCall({
      ...put,
      call() {
        throw new Error('no answer');
      },
    });
    const careless = defineFunction({ name: 'Put', run: (flow) => void flow.getConnector().call(1) });
    const flow = createFlow({
      name: 'f',
      steps: [steps[0]],
      functions: [careless],
      connectors: [options],
      connectorInits: [initOf([])],
      connectorCalls: [failing],
    });
    const error = await codedErrorOf(flow.run());
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', details: { flow: 'f', function: 'Put' } });
    expect(error.message).toContain('no answer');
  });
});

describe('what is registered twice, is missing, or fits nothing is an error at load', () => {
  const all: CreateFlowOptions = {
    name: 'f',
    steps,
    functions: [putFunction, seeFunction],
    connectors: [options],
    connectorInits: [initOf([])],
    connectorCalls: [put],
  };

  test.each<[string, Partial<CreateFlowOptions>, RegExp]>([
    ['two inits', { connectorInits: [initOf([]), initOf([])] }, /two inits of connector Cache/],
    ['two calls', { connectorCalls: [put, put] }, /two calls of connector Cache for function Put in mode Save/],
    ['two functions', { functions: [putFunction, putFunction, seeFunction] }, /two functions named Put/],
    ['two connectors', { connectors: [options, options] }, /two connectors named Cache/],
    ['no init', { connectorInits: [] }, /connector Cache has no init/],
    ['no call', { connectorCalls: [] }, /function Put calls the connector Cache, and no call is registered for it in mode Save/],
    ['no function', { functions: [putFunction] }, /function See has no code/],
    [
      'an init of no connector',
      { connectorInits: [initOf([]), { connector: 'Csche', init() {} }] },
      /connector Csche, which there is not/,
    ],
    ['an init of a made connector', { connectors: [makeMemoryConnector(options)] }, /has made already/],
    [
      'a call of another mode',
      { connectorCalls: [put, { ...put, mode: 'Load' as const }] },
      /function Put, mode Load: the function's mode is Save/,
    ],
    [
      'a call of no function',
      { connectorCalls: [put, { ...put, function: 'Pot' }] },
      /function Pot, mode Save: there is no such function/,
    ],
    ['a call of no connector', { connectorCalls: [put, { ...put, connector: 'C' }] }, /connector C, .*there is no such connector/],
  ])('%s', (_what, change, message) => {
    expect(() => createFlow({ ...all, ...change })).toThrow(message);
  });

  test('a function that calls and names no connector', () => {
    expect(() => createFlow({ name: 'f', steps: [{ fname: 'Put' }], functions: [putFunction] })).toThrow(
      /function Put calls a connector and names none/,
    );
  });

  test('a Save without code needs a connector that saves', () => {
    const bare = {
      ...all,
      functions: [putFunction, seeFunction],
      steps: [...steps, { fname: 'Bare', mode: 'Save', connector: 'Cache' }] as const,
    };
    expect(() => createFlow(bare)).toThrow(/function Bare has no code: .*a connector that saves and loads by itself/);
  });

  test('a call that nobody declared and nobody registered fails the function and says what to do', async () => {
    const undeclared = defineFunction({ name: 'Put', run: async (flow) => void (await flow.getConnector().call()) });
    const flow = createFlow({ ...all, steps: [steps[0]], functions: [undeclared], connectorCalls: [] });
    const error = await codedErrorOf(flow.run());
    expect(error.code).toBe('FUNCTION_FAILED');
    expect(error.message).toMatch(/no call of connector Cache is registered for function Put in mode Save/);
  });

  test('the registry takes each init and call once', () => {
    const registry = new Registry();
    registry.registerConnectorInit(initOf([]));
    registry.registerConnectorCall(put);
    expect(() => registry.registerConnectorInit(initOf([]))).toThrow(/two inits/);
    expect(() => registry.registerConnectorCall(put)).toThrow(/two calls/);
    expect(registry.getConnectorCall('Cache', 'Put', 'Save')).toBe(put);
    expect(registry.getConnectorCall('Cache', 'Put', 'Load')).toBeUndefined();
  });
});

describe('a configured connector that the program opens', () => {
  const files = {
    'flow.yml': 'kistype: flow\nflow_name: f\nflows: [{fname: Put}]\n',
    'func.yml': 'kistype: func\nfname: Put\nfmode: Save\noption: {cname: Cache}\n',
    'conn.yml': 'kistype: conn\ncname: Cache\ntype: kafka\naddrs: "h:1,h:2"\nkey: score_\nparams: {db: 3}\n',
  };

  test('may be of a type that is not built in', async () => {
    const clients: Client[] = [];
    const project = await loadProject({
      conf: await writeConf(files),
      functions: [putFunction],
      connectorInits: [initOf(clients)],
      connectorCalls: [put],
    });
    const flow = project.getFlow('f');
    flow.commitRow('{"id":1}');
    await flow.run();
    expect(clients[0]?.writes).toEqual([['f', 'Put', 'Save', 'score_', '3', { id: 1 }]]);
    await project.close();
    expect(clients[0]?.isOpen).toBe(false);
  });

  test('needs the call that its function makes, and nothing that fits no function', async () => {
    const conf = await writeConf(files);
    const base = { conf, functions: [putFunction], connectorInits: [initOf([])] };
    expect((await codedErrorOf(loadProject(base))).message).toMatch(/no call is registered for it in mode Save/);
    const stray = { ...put, function: 'Get' };
    const error = await codedErrorOf(loadProject({ ...base, connectorCalls: [put, stray] }));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toMatch(/function Get, mode Save: there is no such function/);
  });
});
