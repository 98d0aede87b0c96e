import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkConnectorTypes } from '../../src/config/connector-types.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { globalYaml, load, mirrorYaml, problemsOf, sourceYaml } from './conf-directory.ts';

const kisflowConf = fileURLToPath(new URL('fixtures/kisflow-conf', import.meta.url));

describe('a KisFlow conf directory', () => {
  test('without a start a flow begins with a snapshot', async () => {
    const flow = 'kistype: flow\nflow_name: f\nsource: {name: main, tables: [shop.orders]}\nflows: [{fname: Pass}]\n';
    const { flows } = await load({
      'g.yml': globalYaml,
      's.yml': sourceYaml,
      'f.yml': `${flow}---\nkistype: func\nfname: Pass\nfmode: Calculate\n`,
    });
    expect(flows.get('f')?.source?.start).toBe('snapshot');
  });

  test('loads as it is', async () => {
    const configuration = await loadConfiguration({ dir: kisflowConf, env: {} });
    expect([...configuration.flows.keys()]).toEqual(['ErrorRate', 'Off']);
    expect([...configuration.funcs.keys()]).toEqual(['PrintErrorRate', 'SaveErrorRate', 'VerifyOrder']);
    expect(configuration.global).toMatchObject({ prometheus_enable: true, prometheus_serve: '127.0.0.1:20004', stop_deadline: 20 });
    expect(configuration.conns.get('RateCache')).toMatchObject({ type: 'redis', load: [], save: ['SaveErrorRate'] });
    expect(configuration.flows.get('Off')).toMatchObject({ status: 0, flow_id: 'flow-17' });
  });

  test('its parameters are the texts that stand in the file', async () => {
    const { flows, conns } = await loadConfiguration({ dir: kisflowConf, env: {} });
    expect(flows.get('ErrorRate')?.flows[0]?.params).toEqual({ limit: '007', ratio: '1.10', strict: 'true' });
    expect(conns.get('RateCache')?.params).toEqual({ pool: 'small', db: '3' });
  });

  test('an empty cname is none, and absent options have their defaults', async () => {
    const { funcs } = await loadConfiguration({ dir: kisflowConf, env: {} });
    expect(funcs.get('PrintErrorRate')?.option.cname).toBeUndefined();
    expect(funcs.get('SaveErrorRate')?.option).toEqual({
      cname: 'RateCache',
      retry_times: 3,
      return_duration: 0,
      timeout: 30_000,
      missing: 'null',
      wait_ms: 60_000,
      default_params: {},
      repeatable: false,
    });
  });

  test('its redis connector is known; a type that is not built yet is refused only where it would be opened', async () => {
    const configuration = await loadConfiguration({ dir: kisflowConf, env: {} });
    expect(checkConnectorTypes(configuration)).toEqual([]);
    const conns = new Map([...configuration.conns].map(([name, conn]) => [name, { ...conn, type: 'kafka' }]));
    expect(checkConnectorTypes({ ...configuration, conns }).map(formatProblem)).toEqual([
      `${kisflowConf}/conn/conn-RateCache.yml:4: type: connectors of type kafka are not built yet; use one of mysql, tidb, redis, memory`,
    ]);
    expect(checkConnectorTypes({ ...configuration, conns }, ['kafka'])).toEqual([]);
  });

  test('a redis connector has an address, or the global document has one', async () => {
    const configuration = await loadConfiguration({ dir: kisflowConf, env: {} });
    const conns = new Map([...configuration.conns].map(([name, conn]) => [name, { ...conn, addrs: '' }]));
    expect(checkConnectorTypes({ ...configuration, conns })).toMatchObject([{ path: 'addrs', message: 'missing' }]);
    const global = { ...configuration.global, redis: { url: 'redis://h' } };
    expect(checkConnectorTypes({ ...configuration, conns, global })).toEqual([]);
  });
});

describe('loading', () => {
  test('several documents of a file and files of several folders are one configuration', async () => {
    const configuration = await load({
      'all.yml': `${globalYaml}---\n${sourceYaml}`,
      'deep/er/mirror.yaml': mirrorYaml({ flow: 'mirror', tables: 'shop.orders', key: 'orders' }),
      'notes.txt': 'not: [yaml',
      '.hidden/x.yml': 'not: [yaml',
    });
    expect(configuration.flows.get('mirror')).toEqual({
      kistype: 'flow',
      flow_name: 'mirror',
      status: 1,
      source: {
        name: 'main',
        tables: ['shop.orders'],
        rows: 'after',
        columns: [],
        row_image: 'full',
        start: 'earliest',
        snapshot: { tables: 2, chunks: 1 },
        on_truncate: 'stop',
        on_drop: 'stop',
        on_purged: 'stop',
      },
      batch: { rows: 5000, bytes: 4_194_304 },
      on_bad_row: 'dead-row',
      dead_rows: { per_minute: 1000, max: 50_000 },
      lineage: false,
      flows: [{ fname: 'save_mirror', params: {} }],
    });
    expect(configuration.sources.get('main')).toMatchObject({ type: 'mysql-binlog', server_id: 0 });
  });

  test('without a global document the defaults hold', async () => {
    const { global } = await load({ 'a.yml': 'kistype: flow\nflow_name: f\n' });
    expect(global).toMatchObject({ kistype: 'global', prometheus_enable: false, stop_deadline: 20 });
    expect(global.store).toBeUndefined();
  });

  test('empty documents and aliases are taken as YAML means them', async () => {
    const { flows } = await load({
      'a.yml':
        '---\nkistype: flow\nflow_name: f\nflows:\n  - {fname: x, params: &p {k: v}}\n  - fname: x\n    params: {<<: *p, m: n}\n---\n',
      'b.yml': 'kistype: func\nfname: x\nfmode: Calculate\n',
      'c.yml': '# nothing yet\n',
    });
    expect(flows.get('f')?.flows[1]?.params).toEqual({ k: 'v', m: 'n' });
  });

  test('a directory that is not there, and one without a file, are said to be so', async () => {
    expect((await problemsOf({}, { dir: '/nowhere/conf' })).map(formatProblem)).toEqual([
      '/nowhere/conf: no such directory; name the configuration directory with --conf',
    ]);
    expect((await problemsOf({ 'readme.md': '' }))[0]?.message).toBe('holds no .yml or .yaml file');
  });
});

describe('variables', () => {
  test('are read from the environment, with defaults for unset and empty ones, and a number stays a number', async () => {
    const source =
      'kistype: source\nname: ${NAME}\ntype: mysql-binlog\nurl: mysql://${USER:-root}:${PW}@db\nserver_id: "${ID:-0}"\n';
    const { sources } = await load({ 'a.yml': source }, { env: { NAME: 'main', USER: '', PW: '12345' } });
    expect(sources.get('main')).toMatchObject({ url: 'mysql://root:12345@db', server_id: 0 });
    const numbered = await load({ 'a.yml': source }, { env: { NAME: 'main', PW: 'x', ID: '77' } });
    expect(numbered.sources.get('main')?.server_id).toBe(77);
  });

  test('an empty default switches an optional thing off', async () => {
    const { global } = await load({ 'a.yml': 'kistype: global\nredis: {url: "${REDIS:-}"}\n' });
    expect(global.redis?.url).toBeUndefined();
  });

  test('a doubled dollar is a literal one', async () => {
    const { flows } = await load({ 'a.yml': 'kistype: flow\nflow_name: "$${x}"\n' });
    expect([...flows.keys()]).toEqual(['${x}']);
  });

  test('every unset variable is named, once, and nothing else is said of its key', async () => {
    const problems = await problemsOf({
      'a.yml': 'kistype: source\nname: main\ntype: mysql-binlog\nurl: mysql://${USER}:${PW}@db\n',
    });
    expect(problems.map(formatProblem)).toEqual([
      'a.yml:4: url: the environment variable USER is not set; set it, or write ${USER:-default}',
      'a.yml:4: url: the environment variable PW is not set; set it, or write ${PW:-default}',
    ]);
  });

  test('what is no variable is said to be none', async () => {
    const problems = await problemsOf({ 'a.yml': 'kistype: flow\nflow_name: "${a b}"\n' });
    expect(problems.map((problem) => problem.message)).toEqual(['"${a b}" is no variable']);
  });

  test('a value from the environment is never printed', async () => {
    const env = { URL: 'postgres://u:hunter2@db/x' };
    const problems = await problemsOf({ 'a.yml': 'kistype: global\nstore: {url: "${URL}"}\n' }, { env });
    expect(problems[0]?.message).toBe('is no mysql:// address');
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });
});
