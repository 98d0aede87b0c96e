import { describe, expect, test } from 'vitest';
import { computedTables, findCycles, flowGraph, storeDatabaseOf } from '../../src/config/plan.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { globalYaml, load, mirrorYaml, problemsOf, sourceYaml } from './conf-directory.ts';

const base = { 'g.yml': globalYaml, 's.yml': sourceYaml };

describe('computed tables', () => {
  test('are what Save functions write into the store, in the store’s database unless written otherwise', async () => {
    const configuration = await load({
      ...base,
      'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders' }),
      'b.yml': mirrorYaml({ flow: 'b', tables: 'shop.orders', key: 'report.orders' }),
      'c.yml':
        'kistype: conn\ncname: elsewhere\ntype: mysql\naddrs: mysql://other/x\nkey: t\n---\nkistype: func\nfname: c\nfmode: Save\noption: {cname: elsewhere}\n',
    });
    expect(storeDatabaseOf(configuration)).toBe('kisflow');
    expect([...computedTables(configuration, 'kisflow')]).toEqual(['kisflow.orders', 'report.orders']);
  });
});

describe('L9: flows that feed themselves', () => {
  test('a flow that names its own computed table is refused', async () => {
    const problems = await problemsOf({ ...base, 'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.x, kisflow.t', key: 't' }) });
    expect(problems.map(formatProblem)).toEqual([
      'a.yml:4: source.tables[1]: FLOW_CYCLE: the flow reads what it writes: a → kisflow.t → a; take kisflow.t out of source.tables, or write to another table',
    ]);
  });

  test('a ring of flows is refused once, with the way round', async () => {
    const problems = await problemsOf({
      ...base,
      'a.yml': mirrorYaml({ flow: 'a', tables: 'kisflow.c', key: 'a' }),
      'b.yml': mirrorYaml({ flow: 'b', tables: 'kisflow.a', key: 'b' }),
      'c.yml': mirrorYaml({ flow: 'c', tables: 'kisflow.b', key: 'c' }),
    });
    expect(problems.map((problem) => [problem.file, problem.code, problem.message])).toEqual([
      ['a.yml', 'FLOW_CYCLE', 'the flow reads what it writes: a → kisflow.a → b → kisflow.b → c → kisflow.c → a'],
    ]);
  });

  test('a chain of flows through tables is allowed', async () => {
    const configuration = await load({
      ...base,
      'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'a' }),
      'b.yml': mirrorYaml({ flow: 'b', tables: 'kisflow.a', key: 'b' }),
    });
    const graph = flowGraph(configuration, { storeDatabase: 'kisflow', isOnStoreServer: () => true });
    expect(graph.map((node) => [node.flow, node.reads.map((read) => read.table), node.writes.map((write) => write.table)])).toEqual(
      [
        ['a', ['shop.orders'], ['kisflow.a']],
        ['b', ['kisflow.a'], ['kisflow.b']],
      ],
    );
    expect(findCycles(graph)).toEqual([]);
  });

  test('a wildcard over the store’s database is no cycle, as it never matches a computed table', async () => {
    await expect(load({ ...base, 'a.yml': mirrorYaml({ flow: 'a', tables: 'kisflow.*', key: 't' }) })).resolves.toBeDefined();
  });

  test('a table of the same name on another server is another table, until the servers turn out to be one', async () => {
    const configuration = await load({
      'g.yml': globalYaml.replace('@db:', '@elsewhere:'),
      's.yml': sourceYaml,
      'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'shop.orders' }),
    });
    const graph = flowGraph(configuration, { storeDatabase: 'kisflow', isOnStoreServer: () => true });
    expect(findCycles(graph)).toEqual([[{ flow: 'a', table: 'shop.orders' }]]);
  });

  test('kisflow’s own tables cannot be read by name', async () => {
    const problems = await problemsOf({ ...base, 'a.yml': mirrorYaml({ flow: 'a', tables: 'kisflow.kis_checkpoint', key: 't' }) });
    expect(problems.map((problem) => [problem.code, problem.path])).toEqual([['FLOW_CYCLE', 'source.tables[0]']]);
  });
});

describe('L10: one owner per field', () => {
  const pair = (first: string, second: string, status: 0 | 1 = 1): Record<string, string> => ({
    ...base,
    'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.x', key: 'customer', params: first }),
    'b.yml': mirrorYaml({ flow: 'b', tables: 'shop.y', key: 'kisflow.customer', params: second, status }),
  });

  test('two flows that write one table are refused where neither says which columns it owns', async () => {
    expect((await problemsOf(pair('', ''))).map(formatProblem)).toEqual([
      'b.yml:5: flows[0].fname: FLOW_OWNER_CLASH: kisflow.customer is also written by flow "a", in a.yml:1; let one flow own the table, or name the columns that each one owns in the parameter columns of their connectors',
    ]);
  });

  test('a flow that names no columns owns the whole table', async () => {
    expect((await problemsOf(pair('columns: "total"', ''))).map((problem) => problem.code)).toEqual(['FLOW_OWNER_CLASH']);
  });

  test('different columns of one table may have different owners', async () => {
    await expect(load(pair('columns: "total, orders"', 'columns: "score"'))).resolves.toBeDefined();
  });

  test('a column with two owners is named', async () => {
    const problems = await problemsOf(pair('columns: "total, Score"', 'columns: "score,rank"'));
    expect(problems.map((problem) => problem.message)).toEqual([
      expect.stringContaining('kisflow.customer (score) is also written by flow "a"'),
    ]);
  });

  test('a disabled flow owns nothing', async () => {
    await expect(load(pair('', '', 0))).resolves.toBeDefined();
  });
});
