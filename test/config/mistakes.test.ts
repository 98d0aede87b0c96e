import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { ConfigurationError, formatProblem } from '../../src/config/problem.ts';
import { globalYaml, mirrorYaml, places, problemsOf, sourceYaml, writeConf } from './conf-directory.ts';

const seed = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 2 ** 31);

const tenMistakes = {
  'broken.yml': 'kistype: func\nfname: broken\n  fmode: Save\n',
  'flow-a.yml': `kistype: flow
flow_name: a
source:
  name: mian
  tabels: [shop.orders]
  tables: [orders]
  start: tomorrow
flows:
  - fname: saveOrders
  - fname: broken
`,
  'flow-b.yml':
    'kistype: flow\nflow_name: b\nstatus: 7\nsource: {name: main, tables: [shop.x], start: latest, on_purged: snapshot}\nflows: [{fname: SaveOrders}]\n',
  'func.yml': `kistype: func
fname: SaveOrders
fmode: save
option:
  cname: Ordres
  retry_times: often
---
kistype: func
fname: SaveOrders
fmode: Calculate
---
kistype: fnuc
fname: other
fmode: Load
---
fname: nothing
`,
  'conn.yml': 'kistype: conn\ncname: Orders\ntype: mysql\naddrs: store\nkey: {table: orders}\n',
  'global.yml': 'kistype: global\nprometheus_enable: maybe\n---\nkistype: global\n',
  'source.yml': 'kistype: source\nname: main\ntype: mysql-binlog\nurl: mysql://${SOURCE_HOST}/\n',
};

test('a conf directory with ten different mistakes gives ten errors at once', async () => {
  const problems = await problemsOf(tenMistakes, { functionNames: new Set() });
  expect(problems.map(formatProblem)).toEqual([
    'broken.yml:3: not YAML: bad indentation of a mapping entry; mend the syntax there or in the line before',
    'conn.yml:5: key: is a mapping; write a text',
    'flow-a.yml:4: source.name: no source "mian"; did you mean "main"?',
    'flow-a.yml:5: source.tabels: unknown key; did you mean "tables"?',
    'flow-a.yml:6: source.tables[0]: "orders" is no table pattern; write db.table, db.* or a glob such as shop_*.order_?',
    'flow-a.yml:7: source.start: "tomorrow" is no start; write snapshot, earliest, latest, <file>:<offset>, a GTID set or an ISO time',
    'flow-a.yml:9: flows[0].fname: no function "saveOrders"; did you mean "SaveOrders"?',
    'flow-b.yml:3: status: is "7", not one of 0, 1; write one of them',
    'flow-b.yml:4: source.on_purged: is snapshot, and its start is latest: its tables hold what has changed from there on, and a snapshot would make them hold every row; write start: snapshot, or stop',
    'func.yml:3: fmode: is "save", not one of Verify, Load, Calculate, Save, Expand; did you mean "Save"?',
    'func.yml:5: option.cname: no connector "Ordres"; did you mean "Orders"?',
    'func.yml:6: option.retry_times: is "often"; write a whole number from 0 to 1000',
    'func.yml:9: fname: there is a func "SaveOrders" already, in func.yml:1; rename one of the two, or remove it',
    'func.yml:12: kistype: "fnuc" is no kistype; did you mean "func"?',
    'func.yml:12: option.cname: a Load function needs code or a connector, and "other" has neither; name a connector, or write functions/other.ts',
    'func.yml:16: kistype: missing; write one of global, source, flow, func, conn',
    'global.yml:2: prometheus_enable: is "maybe"; write true or false',
    'global.yml:4: kistype: there is a global document already, in global.yml:1; make one of the two',
    'source.yml:4: url: the environment variable SOURCE_HOST is not set; set it, or write ${SOURCE_HOST:-default}',
  ]);
});

describe('mistakes', () => {
  test('a source and a store connector without a store are two mistakes', async () => {
    const problems = await problemsOf({
      's.yml': sourceYaml,
      'm.yml': mirrorYaml({ flow: 'm', tables: 'shop.orders', key: 'orders' }),
    });
    expect(problems.map(formatProblem)).toEqual([
      'm.yml:4: source: a flow with a source keeps its checkpoint in the store, and there is none; write store: {url: …} in the global document',
      'm.yml:15: addrs: there is no store; write store: {url: …} in the global document',
    ]);
  });

  test('the error’s message lists every problem, one a line, with the code that ends in exit 78', async () => {
    const dir = await writeConf({ 'a.yml': 'kistype: flow\nflow_name: f\nsorce: {}\nstatis: 1\n' });
    const error = await loadConfiguration({ dir, env: {} }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigurationError);
    if (!(error instanceof ConfigurationError)) return;
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toBe(
      [
        'the configuration has 2 mistakes:',
        `${dir}/a.yml:3: sorce: unknown key; did you mean "source"?`,
        `${dir}/a.yml:4: statis: unknown key; did you mean "status"?`,
      ].join('\n'),
    );
  });

  test('broken YAML in one document hides neither the documents beside it nor the names in it', async () => {
    const problems = await problemsOf({
      'a.yml':
        'kistype: flow\nflow_name: f\nflows: [{fname: x}, {fname: y}]\n---\nkistype: func\nfname: x\n  fmode: Verify\n---\nkistype: func\nfname: y\nfmode: Verfy\n',
    });
    expect(places(problems)).toEqual(['a.yml:7 ', 'a.yml:11 fmode']);
  });

  test('a document that is wrong in one key is still checked in the others', async () => {
    const problems = await problemsOf({ 'a.yml': 'kistype: func\nfname: x\nfmode: save\noption: {cname: nowhere, timeout: 0}\n' });
    expect(places(problems)).toEqual(['a.yml:3 fmode', 'a.yml:4 option.timeout', 'a.yml:4 option.cname']);
  });

  test('a name in a document that cannot be used is not said to be missing', async () => {
    const problems = await problemsOf({
      'a.yml':
        'kistype: flow\nflow_name: f\nflows: [{fname: x}]\n---\nkistype: func\nfname: x\nfmode: Save\noption: {cname: c}\n---\nkistype: conn\ncname: c\n',
    });
    expect(problems.map(formatProblem)).toEqual(['a.yml:10: type: missing; write mysql or memory']);
  });

  test.each([
    ['a list for a document', '- a\n', 'a.yml:1: is no mapping; write keys and values, with kistype among them'],
    ['a list for a text', 'kistype: flow\nflow_name: [a]\n', 'a.yml:2: flow_name: is a list; write a text'],
    ['a text for a list', 'kistype: flow\nflow_name: a\nflows: x\n', 'a.yml:3: flows: is "x"; write a list'],
    [
      'a text for a mapping',
      'kistype: func\nfname: a\nfmode: Load\nsource: x\n',
      'a.yml:4: source: is "x"; its keys are name, must',
    ],
    [
      'a duplicate key',
      'kistype: flow\nflow_name: a\nflow_name: b\n',
      'a.yml:3: not YAML: duplicated mapping key; write --- between two documents, and each key once in a mapping',
    ],
    [
      'an alias that contains itself',
      'kistype: flow\nflow_name: a\nflows: &x [*x]\n',
      expect.stringContaining('an alias that contains itself'),
    ],
    [
      'a store without a database',
      'kistype: global\nstore: {url: "mysql://db:3306"}\n',
      'a.yml:2: store.url: names no database; write mysql://user:pass@host:3306/kisflow',
    ],
    [
      'a source type that is none',
      'kistype: source\nname: s\ntype: mysql\nurl: mysql://db\n',
      'a.yml:3: type: is "mysql", not one of mysql-binlog; did you mean "mysql-binlog"?',
    ],
    [
      'a batch without a row',
      'kistype: flow\nflow_name: a\nbatch: {rows: 0}\n',
      'a.yml:3: batch.rows: is "0"; write a whole number from 1 to 1000000',
    ],
  ])('%s is refused with what to write instead', async (_what, yaml, expected) => {
    const lines = (await problemsOf({ 'a.yml': yaml })).map(formatProblem);
    expect(lines[0]).toEqual(expected);
  });

  test('a Save without code needs a connector, a Calculate in an enabled flow needs code', async () => {
    const files = {
      'a.yml': 'kistype: flow\nflow_name: f\nflows: [{fname: save}, {fname: sum}, {fname: load}]\n',
      'f.yml': ['Save save', 'Calculate sum', 'Calculate unused', 'Load load']
        .map((line) => `kistype: func\nfmode: ${line.split(' ')[0]}\nfname: ${line.split(' ')[1]}\n`)
        .join('---\n'),
    };
    const problems = await problemsOf(files, { functionNames: new Set(['load', 'sums']) });
    expect(problems.map(formatProblem)).toEqual([
      'f.yml:1: option.cname: a Save function needs code or a connector, and "save" has neither; name a connector, or write functions/save.ts',
      'f.yml:7: fname: no code for "sum"; did you mean "sums"?',
    ]);
    await expect(loadConfiguration({ dir: await writeConf(files), env: {} })).resolves.toBeDefined();
  });

  test('missing belongs to a Load function without code', async () => {
    const option = 'option: {cname: c, missing: wait}\n';
    const files = {
      'a.yml': ['Load', 'Save', 'Load']
        .map((mode, i) => `kistype: func\nfmode: ${mode}\nfname: f${i}\n${option}---\n`)
        .join('')
        .concat('kistype: conn\ncname: c\ntype: memory\n'),
    };
    const problems = await problemsOf(files, { functionNames: new Set(['f2']) });
    expect(places(problems)).toEqual(['a.yml:9 option.missing', 'a.yml:14 option.missing']);
  });

  test('a key with a letter too many, too few or swapped is traced to the one that was meant', async () => {
    console.info(`fast-check seed ${seed}`);
    const keys = ['flow_name', 'status', 'source', 'batch', 'flows'];
    const typo = fc.tuple(fc.constantFrom(...keys), fc.nat(3), fc.constantFrom('drop', 'double', 'swap')).map(([key, at, kind]) => {
      const [left, sign = '', right] = [key.slice(0, at), key[at], key.slice(at + 1)];
      const wrong =
        kind === 'drop'
          ? left + right
          : kind === 'double'
            ? left + sign + sign + right
            : left + right.slice(0, 1) + sign + right.slice(1);
      return { key, wrong };
    });
    const dir = await writeConf({});
    const { writeFile } = await import('node:fs/promises');
    await fc.assert(
      fc.asyncProperty(typo, async ({ key, wrong }) => {
        fc.pre(!keys.includes(wrong));
        await writeFile(`${dir}/a.yml`, `kistype: flow\nflow_name: f\n${wrong}: {}\n`);
        const error = await loadConfiguration({ dir, env: {} }).catch((reason: unknown) => reason);
        expect(error instanceof ConfigurationError && error.problems[0]?.remedy).toBe(`did you mean "${key}"?`);
      }),
      { seed, numRuns: 60 },
    );
  });

  describe('a flow that applies a TRUNCATE to its computed tables', () => {
    const base = { 'g.yml': globalYaml, 's.yml': sourceYaml };
    const mirror = (params = ''): string =>
      mirrorYaml({ flow: 'm', tables: 'shop.orders', key: 'orders', params }).replace(
        ', start: earliest',
        ', start: earliest, rows: change, on_truncate: apply',
      );
    const other = mirrorYaml({ flow: 'o', tables: 'shop.items', key: 'items' });
    const refusal = async (files: Readonly<Record<string, string>>, code: readonly string[] = []): Promise<readonly string[]> =>
      (await problemsOf({ ...base, ...files }, { functionNames: new Set(code) }).catch(() => [])).map(formatProblem);
    const refused = (why: string) => [
      `m.yml:4: source.on_truncate: is apply, which deletes every row of the computed tables, and ${why}; write ignore or stop`,
    ];

    test('is let be where they mirror one source table', async () => {
      expect(await refusal({ 'm.yml': mirror(), 'o.yml': other })).toEqual([]);
    });

    test.each([
      [
        'other tables',
        { 'm.yml': mirror().replace('[shop.orders]', '[shop.orders, shop.old]') },
        'their rows may come from other source tables too: the flow reads more than one',
      ],
      [
        'a pattern',
        { 'm.yml': mirror().replace('[shop.orders]', '["shop.order*"]') },
        'their rows may come from other source tables too: the flow reads more than one',
      ],
      ['deleted rows', { 'm.yml': mirror().replace('rows: change', 'rows: after') }, 'the flow keeps deleted rows: rows is after'],
      [
        'other storages',
        { 'm.yml': mirror().replace('addrs: store', 'addrs: mysql://a:b@c/d') },
        'conn_m writes outside the store, where nothing can be deleted with the checkpoint',
      ],
      ['mode: update', { 'm.yml': mirror('mode: update') }, 'conn_m only updates rows that others insert (mode: update)'],
      ['some columns', { 'm.yml': mirror('columns: "a, b"') }, 'the flow owns only some columns of kisflow.orders'],
    ])('is refused with %s', async (_what, files, why) => expect(await refusal(files)).toEqual(refused(why)));

    test('is refused with code, and with other flows of its table', async () => {
      const why = 'save_m is no Save function without code: what it computes from the rows is its own';
      expect(await refusal({ 'm.yml': mirror() }, ['save_m'])).toEqual(refused(why));
      const shared = mirrorYaml({ flow: 'o', tables: 'shop.items', key: 'orders' });
      expect(await refusal({ 'm.yml': mirror(), 'o.yml': shared })).toContain(refused('the flow o writes kisflow.orders too')[0]);
    });
  });
});
