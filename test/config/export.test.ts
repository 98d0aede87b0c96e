import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CommandContext } from '../../src/cli/command.ts';
import { exportCommand } from '../../src/cli/export.ts';
import type { Configuration } from '../../src/config/configuration.ts';
import { exportFlow, writeExport } from '../../src/config/export.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { maskSecrets } from '../../src/config/secret.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { runCommand } from '../cli/run-command.ts';
import { globalYaml, load, mirrorYaml, sourceYaml, writeConf } from './conf-directory.ts';

const kisflowConf = fileURLToPath(new URL('fixtures/kisflow-conf', import.meta.url));
const operatorsConf = fileURLToPath(new URL('../../docs/examples/operators/conf', import.meta.url));
const demoConf = fileURLToPath(new URL('../../demo/conf', import.meta.url));
const env = { KISFLOW_SOURCE_URL: 'mysql://u:p@primary:3306', KISFLOW_STORE_URL: 'mysql://u:p@store:3306/kisflow' };

const secrets = { SOURCE_MAIN_URL_SECRET: 'secret', GLOBAL_STORE_URL_SECRET: 'secret' };

const operatorsYaml = `kistype: flow
flow_name: totals
source: {name: main, tables: [shop.orders], rows: change, start: earliest}
flows: [{fname: WithName}, {fname: Big}, {fname: Total}, {fname: Keep}]
---
kistype: func
fname: WithName
fmode: Load
operator: lookup
with: {match: [customer_id], take: {name: full_name}, missing: drop, types: {customer_id: int}}
option: {cname: customers}
---
kistype: func
fname: Big
fmode: Verify
operator: filter
with: {where: 'cents > 10 && name != "a: b # $$\{x}"'}
---
kistype: func
fname: Total
fmode: Save
operator: aggregate
with: {key: {customer: customer_id}, fields: {n: count(), total: sum(cents), least: min(cents)}}
option: {cname: totals}
---
kistype: func
fname: Keep
fmode: Save
option: {cname: cache}
---
kistype: conn
cname: customers
type: mysql
addrs: mysql://reader@h:3306/crm
key: customers
---
kistype: conn
cname: totals
type: mysql
addrs: store
key: totals
---
kistype: conn
cname: cache
type: redis
addrs: redis://h:6379
key: totals
`;

/** Writes a flow's files into a folder of their own and loads them. */
async function exportAndLoad(configuration: Configuration, flow: string, variables: Readonly<Record<string, string>> = env) {
  const exported = exportFlow(configuration, flow);
  if (exported === undefined) throw new Error(`no flow ${flow}`);
  const dir = join(await writeConf({}), 'out');
  await writeExport(exported, dir);
  return { dir, exported, again: await loadConfiguration({ dir, env: variables }) };
}

/** What a flow is, without where it stands. */
function flowOf({ global, flows, funcs, conns, sources }: Configuration, name: string): unknown {
  const flow = flows.get(name);
  const used = (flow?.flows ?? []).map(({ fname }) => funcs.get(fname));
  return {
    flow,
    funcs: used,
    conns: used.map((func) => conns.get(func?.option.cname ?? '')),
    source: sources.get(flow?.source?.name ?? ''),
    store: flow?.source === undefined ? undefined : global.store,
  };
}

describe('an exported flow', () => {
  test.each([
    [
      kisflowConf,
      'ErrorRate',
      [
        'conn-RateCache.yaml',
        'flow-ErrorRate.yaml',
        'func-PrintErrorRate.yaml',
        'func-SaveErrorRate.yaml',
        'func-VerifyOrder.yaml',
      ],
    ],
    [kisflowConf, 'Off', undefined],
    [demoConf, 'CalStuAvgScore', undefined],
    [demoConf, 'CustomerValue', undefined],
    [operatorsConf, 'CustomerFigures', undefined],
  ])('loads again to the same flow, under KisFlow’s file names: %s %s', async (conf, flow, names) => {
    const configuration = await loadConfiguration({ dir: conf, env });
    const { dir, again, exported } = await exportAndLoad(configuration, flow);
    expect(flowOf(again, flow)).toEqual(flowOf(configuration, flow));
    expect([...again.flows.keys()]).toEqual([flow]);
    if (names !== undefined) expect((await readdir(dir)).toSorted()).toEqual(names);
    expect(exported.variables).toEqual([]);
  });

  test('exported again is the same, to the letter', async () => {
    const configuration = await loadConfiguration({ dir: demoConf, env });
    const { again, exported } = await exportAndLoad(configuration, 'CustomerValue');
    expect(exportFlow(again, 'CustomerValue')).toEqual(exported);
  });

  test('keeps references as they were written, and texts as they are', async () => {
    const configuration = await load(
      {
        'a.yml':
          'kistype: flow\nflow_name: f\nflows: [{fname: a, params: {scale: 1.10, n: 007, yes: "true", none: "", dollar: "$${x}"}}]\n',
        'b.yml': 'kistype: func\nfname: a\nfmode: Save\noption: {cname: c, timeout: "${LIMIT:-50}"}\n',
        'c.yml': 'kistype: conn\ncname: c\ntype: mysql\naddrs: "mysql://${USER}:${PASS}@h:3306/${DB:-shop}"\nkey: t\n',
      },
      { env: { USER: 'u', PASS: 'hidden', DB: '' } },
    );
    const { exported, again } = await exportAndLoad(configuration, 'f', { USER: 'u', PASS: 'hidden' });
    const text = exported.files.map((file) => file.text).join('');
    expect(text).toContain('addrs: mysql://${USER}:${PASS}@h:3306/${DB:-shop}\n');
    expect(text).toContain('timeout: ${LIMIT:-50}\n');
    expect(text).not.toContain('hidden');
    expect(exported.variables).toEqual([]);
    expect(flowOf(again, 'f')).toEqual(flowOf(configuration, 'f'));
    expect(again.flows.get('f')?.flows[0]?.params).toEqual({ scale: '1.10', n: '007', yes: 'true', none: '', dollar: '${x}' });
  });

  test('has no secret: one that stood in a file becomes a variable', async () => {
    const configuration = await load({
      'all.yml': `${globalYaml}---\n${sourceYaml}---\n${mirrorYaml({ flow: 'mirror', tables: 'shop.orders', key: 'orders', params: 'api_key: hidden' })}`,
    });
    const variables = ['CONN_CONN_MIRROR_PARAMS_API_KEY_SECRET', 'SOURCE_MAIN_URL_SECRET', 'GLOBAL_STORE_URL_SECRET'];
    const given = Object.fromEntries(variables.map((name) => [name, name.startsWith('CONN') ? 'hidden' : 'secret']));
    const { exported, again } = await exportAndLoad(configuration, 'mirror', given);
    expect(exported.variables).toEqual(variables);
    expect(JSON.stringify(exported.files)).not.toMatch(/hidden|:secret@/);
    expect(flowOf(again, 'mirror')).toEqual(flowOf(configuration, 'mirror'));
  });

  test('keeps every text, whatever it holds', async () => {
    const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31);
    console.info(`fast-check seed ${seed}`);
    const special = fc.constantFrom(
      'null',
      '~',
      'true',
      '1.10',
      '- x',
      'a: b',
      '# c',
      ' lead',
      'trail ',
      '${A}',
      '$${A}',
      '$',
      '"',
      "'",
      '\n',
      'a\n\n b\n',
      '<<',
      '\u0085',
      '\t',
    );
    const text = fc.oneof(
      special,
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }).filter((one) => !/\p{Cs}/u.test(one)),
    );
    const params = fc.dictionary(
      text.filter((key) => maskSecrets(key, 'x', () => 'X') === 'x' && key !== '__proto__'),
      text.filter((value) => maskSecrets('', value, () => 'X') === value),
    );
    const property = fc.asyncProperty(params, async (given) => {
      const flow = { kistype: 'flow', flow_name: 'f', flows: [{ fname: 'a', params: given }] };
      const configuration = await loadConfiguration({ documents: [flow, { kistype: 'func', fname: 'a', fmode: 'Save' }], env: {} });
      expect(configuration.flows.get('f')?.flows[0]?.params).toEqual(given);
      const { again } = await exportAndLoad(configuration, 'f', {});
      expect(again.flows.get('f')?.flows[0]?.params).toEqual(given);
    });
    await fc.assert(property, { seed, numRuns: 300 });
  });

  test('has what its operators name: the tables that they look up and keep', async () => {
    const configuration = await load({ 'all.yml': `${globalYaml}---\n${sourceYaml}---\n${operatorsYaml}` });
    const { again, exported } = await exportAndLoad(configuration, 'totals', { ...env, ...secrets });
    expect(exported.files.map(({ name }) => name)).toEqual([
      'flow-totals.yaml',
      ...['WithName', 'Big', 'Total', 'Keep'].map((name) => `func-${name}.yaml`),
      ...['customers', 'totals', 'cache'].map((name) => `conn-${name}.yaml`),
      'source-main.yaml',
      'global.yaml',
    ]);
    expect(flowOf(again, 'totals')).toEqual(flowOf(configuration, 'totals'));
    expect(again.funcs.get('Total')?.operator).toMatchObject({ kind: 'aggregate', fields: { n: 'count()', least: 'min(cents)' } });
    const withoutOrigins = { ...configuration, origins: new Map() };
    const { again: made } = await exportAndLoad(withoutOrigins, 'totals', { ...env, ...secrets });
    expect(flowOf(made, 'totals')).toEqual(flowOf(configuration, 'totals'));
  });

  test('has the address of its Redis where only the global document says it', async () => {
    const configuration = await load({
      'a.yml': 'kistype: global\nredis: {url: "redis://h:6379"}\n---\nkistype: flow\nflow_name: f\nflows: [{fname: a}]\n',
      'b.yml': 'kistype: func\nfname: a\nfmode: Save\noption: {cname: c}\n---\nkistype: conn\ncname: c\ntype: redis\nkey: t\n',
    });
    const { again } = await exportAndLoad(configuration, 'f', {});
    expect(again.global.redis?.url).toBe('redis://h:6379');
  });

  test('comes from documents of a program too', async () => {
    const documents = [
      { kistype: 'flow', flow_name: 'f/1', status: 1, flows: [{ fname: 'a', params: { n: 1.5, on: true, text: '${x}' } }] },
      { kistype: 'func', fname: 'a', fmode: 'Calculate', option: { retry_times: 2, cname: null } },
    ];
    const configuration = await loadConfiguration({ documents, env: {} });
    expect(configuration.flows.get('f/1')?.flows[0]?.params).toEqual({ n: '1.5', on: 'true', text: '${x}' });
    const { exported, again } = await exportAndLoad(configuration, 'f/1');
    expect(exported.files.map(({ name }) => name)).toEqual(['flow-f%2f1.yaml', 'func-a.yaml']);
    expect(flowOf(again, 'f/1')).toEqual(flowOf(configuration, 'f/1'));
    const withoutOrigins = { ...configuration, origins: new Map() };
    expect(flowOf((await exportAndLoad(withoutOrigins, 'f/1')).again, 'f/1')).toEqual(flowOf(configuration, 'f/1'));
  });
});

describe('documents of a program', () => {
  test('are one configuration with the files, and mistakes in both are reported together', async () => {
    const dir = await writeConf({ 'a.yml': 'kistype: func\nfname: a\nfmode: Verify\n' });
    const flow = { kistype: 'flow', flow_name: 'f', flows: [{ fname: 'a' }] };
    expect((await loadConfiguration({ dir, documents: [flow], env: {} })).flows.has('f')).toBe(true);
    const wrong = loadConfiguration({
      dir,
      documents: [flow, { ...flow, flwos: 1 }, { kistype: 'func', fname: 'a', fmode: 'Save' }],
      env: {},
    });
    await expect(wrong).rejects.toThrow(/document 2 of the program: flwos: unknown key; did you mean "flows"\?/);
    await expect(wrong).rejects.toThrow(
      /document 2 of the program: flow_name: there is a flow "f" already, in document 1 of the program/,
    );
    await expect(wrong).rejects.toThrow(/document 3 of the program: fname: there is a func "a" already, in .*a\.yml:1/);
  });
});

describe('secrets', () => {
  test.each([
    ['addrs', 'mysql://u:pw@h/d', 'mysql://u:${X}@h/d'],
    ['addrs', 'mysql://u:p@w@h:3306/d?ssl=verify', 'mysql://u:${X}@h:3306/d?ssl=verify'],
    ['addrs', 'redis://:pw@h:6379', 'redis://:${X}@h:6379'],
    ['addrs', 'mysql://u@h/d', 'mysql://u@h/d'],
    ['addrs', 'mysql://u:@h/d', 'mysql://u:@h/d'],
    ['addrs', 'mysql://u:${PW}@h/d', 'mysql://u:${PW}@h/d'],
    ['addrs', 'mysql://u:${PW:-pw}@h/d', 'mysql://u:${PW}@h/d'],
    ['addrs', 'mysql://u:a${PW}b@h/d', 'mysql://u:${X}@h/d'],
    ['url', '${URL:-mysql://u:pw@h/d}', '${URL}'],
    ['url', '${URL:-mysql://u@h/d}', '${URL:-mysql://u@h/d}'],
    ['url', '$${URL}', '$${URL}'],
    ['addrs', 'root:pw@tcp(127.0.0.1:3306)/d', 'root:${X}@tcp(127.0.0.1:3306)/d'],
    ['addrs', '0.0.0.0:9988,0.0.0.0:9999', '0.0.0.0:9988,0.0.0.0:9999'],
    ['addrs', 'http://h/x?token=abc&n=1', 'http://h/x?token=${X}&n=1'],
    ['addrs', 'a://u:p1@h,b://u:p2@h', 'a://u:${X}@h,b://u:${X}@h'],
    ['password', 'pw', '${X}'],
    ['password', '${PW}', '${PW}'],
    ['password', '${PW:-pw}', '${PW}'],
    ['password', '', ''],
    ['accessKey', 'k', '${X}'],
    ['key', 'stu_score', 'stu_score'],
  ])('%s: %s becomes %s', (key, text, masked) => {
    expect(maskSecrets(key, text, () => 'X')).toBe(masked);
  });
});

describe('kisflow export', () => {
  const files = {
    'conf/a.yml': 'kistype: flow\nflow_name: f\nflows: [{fname: a}]\n',
    'conf/b.yml': 'kistype: func\nfname: a\nfmode: Save\noption: {cname: c}\n',
    'conf/c.yml': 'kistype: conn\ncname: c\ntype: mysql\naddrs: "mysql://u:pw@h/d"\nkey: t\n',
  };

  test('writes the files and says which variables to set', async () => {
    const dir = join(await writeConf({}), 'out');
    const { code, out } = await runCommand(exportCommand, { files, positionals: ['f'], options: { to: dir } });
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      `${dir}/flow-f.yaml`,
      `${dir}/func-a.yaml`,
      `${dir}/conn-c.yaml`,
      'set CONN_C_ADDRS_SECRET where it is loaded: it stands for a secret',
    ]);
    expect(await readFile(join(dir, 'conn-c.yaml'), 'utf8')).toBe(
      'kistype: conn\ncname: c\ntype: mysql\naddrs: mysql://u:${CONN_C_ADDRS_SECRET}@h/d\nkey: t\n',
    );
    const json = await runCommand(exportCommand, { files, positionals: ['f'], options: { to: dir }, json: true });
    expect(JSON.parse(json.out)).toMatchObject({ flow: 'f', variables: ['CONN_C_ADDRS_SECRET'] });
  });

  test('names the nearest flow, and does not write beside the files it was made from', async () => {
    const dir = join(await writeConf({}), 'out');
    const near = {
      files: { ...files, 'conf/a.yml': files['conf/a.yml'].replace('flow_name: f', 'flow_name: Scores') },
      options: { to: dir },
    };
    await expect(runCommand(exportCommand, { ...near, positionals: ['Score'] })).rejects.toThrow(/Scores/);
    const conf = await writeConf({});
    for (const to of [join(conf, 'x'), conf]) {
      await expect(exportCommand.run(contextOf({ conf, to }))).rejects.toThrow(/every document would be there twice/);
    }
  });
});

function contextOf({ conf, to }: { readonly conf: string; readonly to: string }): CommandContext {
  const never = new AbortController().signal;
  const folders = { conf, connectors: 'connectors', functions: 'functions', migrations: 'migrations' };
  const output = { json: false, print: () => {}, progress: () => {}, logger: silentLogger };
  return { ...folders, ...output, env: {}, options: { to }, positionals: ['f'], stop: never, abort: never };
}
