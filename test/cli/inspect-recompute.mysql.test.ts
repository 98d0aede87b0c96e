import { expect, test } from 'vitest';
import { inspect } from '../../src/cli/inspect.ts';
import { UsageError } from '../../src/cli/command.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { globalYaml, sourceYaml } from './project-yaml.ts';
import { documentOf, runCommand, type CommandOutcome } from './run-command.ts';
import { createStoredFlows } from './stored-flows.ts';

const stateful = `import { defineFunction } from 'kisflow';
export default defineFunction({ name: 'Stateful', async run(flow, rows) { await flow.state.get('x'); flow.commitRowBatch(rows); } });
`;
const byHand = `import { defineFunction } from 'kisflow';
export default defineFunction({ name: 'ByHand', async run(flow) { await flow.getConnector().query('TRUNCATE TABLE hand'); } });
`;
const half = `import { defineFunction } from 'kisflow';
export default defineFunction({ name: 'Half', run(flow, rows) { for (const row of rows) flow.commitRow({ id: row.id, half: row.cents / 2 }); } });
`;

function flow(name: string, steps: readonly string[], table: string): string {
  const functions = steps.map((fname) => `{fname: ${fname}}`).join(', ');
  return `kistype: flow\nflow_name: ${name}\nsource: {name: main, tables: [${table}], start: latest}\nflows: [${functions}]\n---\n`;
}

function func(fname: string, more: string): string {
  return `kistype: func\nfname: ${fname}\n${more}\n---\n`;
}

function save(key: string): string {
  return `${func(`Save_${key}`, `fmode: Save\noption: {cname: ${key}}`)}kistype: conn\ncname: ${key}\ntype: mysql\naddrs: store\nkey: ${key}\n---\n`;
}

/** Orders at the source, and what flows of each kind have made of them. */
async function createProject(server: SqlAddress) {
  const { store, url } = await createStoredFlows(server);
  const source = await createDatabase(server, 'shop');
  await source.connection.query(
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, cents INT, name VARCHAR(20)); INSERT INTO orders VALUES (1, 5, 'Ä'), (2, 6, 'b'), (9007199254740993, 7, 'c')",
  );
  for (const table of ['twice', 'kept', 'hand'])
    await store.query(`CREATE TABLE ${table} (id BIGINT PRIMARY KEY, cents INT, name VARCHAR(20), other INT DEFAULT 3)`);
  await store.query('CREATE TABLE halves (id BIGINT PRIMARY KEY, half DECIMAL(5,2))');
  await store.query("INSERT INTO twice VALUES (1, 10, 'Ä', 4), (2, 13, 'b', 3), (9007199254740993, 14, 'c', 3), (8, 1, 'gone', 3)");
  await store.query("INSERT INTO kept VALUES (1, 5, 'Ä', 3)");
  await store.query("INSERT INTO hand VALUES (1, 5, 'Ä', 3)");
  await store.query('INSERT INTO halves VALUES (1, 2.50), (2, 2.99)');
  const orders = `${source.name}.orders`;
  const files = {
    'conf/global.yml': globalYaml(url),
    'conf/source.yml': sourceYaml(server.url),
    'conf/flows.yml':
      flow('twice', ['Double', 'Save_twice'], orders) +
      flow('kept', ['Stateful', 'Save_kept'], orders) +
      flow('hand', ['ByHand'], orders) +
      flow('halves', ['Half', 'Save_halves'], orders) +
      func('Double', 'fmode: Calculate\noperator: map\nwith: {set: {cents: cents * 2}}') +
      func('Stateful', 'fmode: Calculate') +
      func('Half', 'fmode: Calculate') +
      func('ByHand', 'fmode: Save\noption: {cname: hand}') +
      save('twice') +
      save('kept') +
      save('halves') +
      'kistype: conn\ncname: hand\ntype: mysql\naddrs: store\nkey: hand\n',
    'functions/Stateful.ts': stateful,
    'functions/ByHand.ts': byHand,
    'functions/Half.ts': half,
  };
  const run = (table: string, key: string | undefined, json = false): Promise<CommandOutcome> =>
    runCommand(inspect, { files, positionals: [table], json, options: { recompute: true, ...(key === undefined ? {} : { key }) } });
  return { store, run };
}

eachServer((_flavour, server) => {
  test('a row is compared with what its flow would make of the source row now: the same ends with 0, another with 1, and nothing is written', async () => {
    const { store, run } = await createProject(server);
    const before = (await store.query('SELECT * FROM twice')).rows;
    expect(await run('twice', '1')).toMatchObject({ code: 0, out: expect.stringContaining('flow twice, recomputed now:') });
    expect((await run('twice', '9007199254740993')).code).toBe(0);
    const wrong = await run('twice', '2');
    expect(wrong.code).toBe(1);
    expect(wrong.out).toMatch(/^cents +13 +12 +differs$/m);
    expect(wrong.out).not.toMatch(/^other .*differs$/m);
    expect(documentOf(await run('twice', '2', true))).toMatchObject({
      recomputed: [
        { flow: 'twice', kind: 'fields', fields: [{ isSame: true }, { field: 'cents', stored: 13, recomputed: 12 }, {}] },
      ],
    });
    const gone = await run('twice', '8');
    expect(gone.code).toBe(1);
    expect(gone.out).toMatch(/^flow twice: there would be no such row now: .*\.orders has no row with this key$/m);
    expect((await run('halves', '1')).code).toBe(0);
    expect((await run('halves', '2')).out).toMatch(/^half +2\.99 +3\.00 +differs$/m);
    expect((await store.query('SELECT * FROM twice')).rows).toEqual(before);
  });

  test('what one row cannot tell is said, and nothing of it is done', async () => {
    const { store, run } = await createProject(server);
    expect(await run('kept', '1')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^flow kept: not recomputed: .*Stateful.*keyed state.*verify/m),
    });
    expect(await run('hand', '1')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^flow hand: not recomputed: .*own SQL.*verify/m),
    });
    expect((await store.query('SELECT id FROM hand')).rows).toEqual([{ id: 1 }]);
    await expect(run('twice', undefined)).rejects.toThrow(UsageError);
    await expect(run('twice', '77')).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
    await expect(run('twice', 'x')).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
  });
});
