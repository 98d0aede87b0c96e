import { describe, expect, test } from 'vitest';
import {
  configurationInShadow,
  ownedColumns,
  sharedTables,
  tablesInShadow,
  tablesToRebuild,
} from '../../src/config/shadow-plan.ts';
import { isShadowDatabase, shadowDatabaseOf } from '../../src/row/shadow-database.ts';
import { globalYaml, load, mirrorYaml, sourceYaml } from './conf-directory.ts';

const base = { 'g.yml': globalYaml, 's.yml': sourceYaml };
const lookup = (key: string, type = 'mysql', addrs = 'store'): string =>
  `kistype: func\nfname: find\nfmode: Load\noption: {cname: found}\n---\nkistype: conn\ncname: found\ntype: ${type}\naddrs: ${addrs}\nkey: ${key}\n`;

/** What is asked of flow `a`. */
async function plan(files: Readonly<Record<string, string>>): Promise<unknown> {
  const configuration = await load({ ...base, ...files });
  const flow = configuration.flows.get('a');
  if (flow === undefined) throw new Error('there is no flow a');
  const tables = tablesToRebuild(configuration, flow, 'kisflow');
  const { flows, conns } = configurationInShadow(configuration, flow, { storeDatabase: 'kisflow', tables });
  return { tables, flows: [...flows.keys()], keys: [...conns.values()].map(({ key }) => key) };
}

function withLookup(yaml: string): string {
  return yaml.replace('flows: [', 'flows: [{fname: find}, ');
}

describe('which flows can be rebuilt', () => {
  const mirror = mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders' });

  test('a flow that alone writes tables of the store; others of the configuration are not run in its shadow', async () => {
    const other = mirrorYaml({ flow: 'b', tables: 'shop.orders', key: 'copies' });
    expect(await plan({ 'a.yml': mirror, 'b.yml': other })).toMatchObject({ tables: ['orders'], flows: ['a'] });
  });

  test('a table that is only loaded is read where it is, one that is computed in the shadow', async () => {
    const mine = withLookup(mirror);
    expect(mine).not.toBe(mirror);
    expect(await plan({ 'a.yml': mine, 'l.yml': lookup('rates') })).toMatchObject({ keys: ['orders', 'kisflow.rates'] });
    expect(await plan({ 'a.yml': mine, 'l.yml': lookup('orders') })).toMatchObject({ keys: ['orders', 'orders'] });
  });

  test.each([
    [
      'a key that names a database',
      { 'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'report.orders' }) },
      'report.orders',
    ],
    [
      'a Load that names the store’s database',
      { 'a.yml': withLookup(mirror), 'l.yml': lookup('kisflow.orders') },
      'kisflow.orders',
    ],
    [
      'a Save outside the store',
      {
        'a.yml': mirror.replace('type: mysql', 'type: redis').replace('addrs: store', 'addrs: redis://127.0.0.1:6379'),
      },
      'outside the store',
    ],
    [
      'columns that another flow owns',
      {
        'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders', params: 'columns: x' }),
        'b.yml': mirrorYaml({ flow: 'b', tables: 'shop.orders', key: 'orders', params: 'columns: y' }),
      },
      'the flow b writes orders too',
    ],
    [
      'a Save that changes rows that others make',
      { 'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders', params: 'mode: update' }) },
      'mode: update',
    ],
    [
      'a flow that is disabled',
      { 'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders', status: 0 }) },
      'it is disabled',
    ],
    ['no source', { 'a.yml': mirror.replace(/^source: .*\n/m, '') }, 'has no source'],
  ] as const)('not with %s', async (_what, files, why) => {
    await expect(plan(files)).rejects.toMatchObject({ code: 'REBUILD_IMPOSSIBLE', message: expect.stringContaining(why) });
  });
});

describe('which flows can be computed anew and compared', () => {
  const ofTwo = {
    'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders', params: 'columns: x' }),
    'b.yml': mirrorYaml({ flow: 'b', tables: 'shop.orders', key: 'orders', params: 'columns: y' }),
  };
  const compared = async (files: Readonly<Record<string, string>>): Promise<unknown> => {
    const configuration = await load({ ...base, ...files });
    const flow = configuration.flows.get('a');
    if (flow === undefined) throw new Error('there is no flow a');
    return {
      tables: tablesInShadow(configuration, flow, 'kisflow'),
      shared: [...sharedTables(configuration, flow, 'kisflow')],
      owned: [...ownedColumns(configuration, flow, 'kisflow')],
    };
  };

  test('also one whose table another flow writes other columns of', async () => {
    expect(await compared(ofTwo)).toEqual({
      tables: ['orders'],
      shared: [['orders', 'b']],
      owned: [['orders', new Set(['x'])]],
    });
  });

  test('a disabled flow keeps the columns that it owns of a table, but not those that another one writes in its place', async () => {
    const disabled = (params: string) => mirrorYaml({ flow: 'b', tables: 'shop.orders', key: 'orders', params, status: 0 });
    expect(await compared({ ...ofTwo, 'b.yml': disabled('columns: y') })).toMatchObject({ shared: [['orders', 'b']] });
    await expect(plan({ ...ofTwo, 'b.yml': disabled('columns: y') })).rejects.toMatchObject({ code: 'REBUILD_IMPOSSIBLE' });
    expect(await compared({ ...ofTwo, 'b.yml': disabled('columns: "x, y"') })).toMatchObject({ shared: [] });
    expect(await compared({ ...ofTwo, 'b.yml': disabled('') })).toMatchObject({ shared: [] });
  });

  test('an aggregate owns its fields, and no other column', async () => {
    const sums = mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'totals' })
      .replace('tables:', 'rows: change, tables:')
      .replace('fmode: Save', 'fmode: Save\noperator: aggregate\nwith: {key: [customer], fields: {Total: sum(cents)}}');
    expect(await compared({ 'a.yml': sums })).toMatchObject({ owned: [['totals', new Set(['total'])]] });
  });

  test('not one that reads such a table: the other columns are not there', async () => {
    const reads = { ...ofTwo, 'a.yml': withLookup(ofTwo['a.yml']), 'l.yml': lookup('orders') };
    await expect(compared(reads)).rejects.toMatchObject({
      code: 'REBUILD_IMPOSSIBLE',
      message: expect.stringContaining('find reads orders, of which the flow b writes other columns'),
    });
  });
});

describe('the database of a rebuild', () => {
  test.each([
    ['kisflow', 'totals'],
    ['kisflow', '`; DROP DATABASE x; --'],
    ['s'.repeat(64), 'ü'.repeat(100)],
  ])('%s, %s: has a name that can be one, and is known by it', (store, flow) => {
    const name = shadowDatabaseOf(store, flow);
    expect(name).toMatch(/^\w{1,64}$/);
    expect(isShadowDatabase(store, name)).toBe(true);
    expect(isShadowDatabase('other', name)).toBe(false);
    expect(shadowDatabaseOf(store, `${flow}2`)).not.toBe(name);
  });
});
