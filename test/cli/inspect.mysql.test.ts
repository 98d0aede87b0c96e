import { expect, test } from 'vitest';
import { inspect } from '../../src/cli/inspect.ts';
import { eachServer } from '../support/servers.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';
import { documentOf, runCommand, type CommandOutcome } from './run-command.ts';
import { createStoredFlows } from './stored-flows.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';

/** A store with a computed table of one flow, and a table of another flow that is not there. */
async function createProject(server: SqlAddress): Promise<(...args: readonly string[]) => Promise<CommandOutcome>> {
  const { store, url, hold } = await createStoredFlows(server);
  await hold('average');
  await store.query(
    'CREATE TABLE scores (stu INT, term VARCHAR(10), score DECIMAL(5,2), twice DECIMAL(6,2) AS (score * 2), raw VARBINARY(4), PRIMARY KEY (stu, term))',
  );
  await store.query("INSERT INTO scores (stu, term, score, raw) VALUES (0, 'a', 1, NULL), (101, '2026-1', 90.50, x'0aff')");
  await store.query('CREATE TABLE plain (id BIGINT PRIMARY KEY, name VARCHAR(20))');
  await store.query("INSERT INTO plain VALUES (9007199254740993, 'large'), (0, 'zero')");
  const files = {
    'conf/global.yml': globalYaml(url),
    'conf/source.yml': sourceYaml('mysql://nobody@127.0.0.1:1'),
    'conf/average.yml': mirrorYaml({ flow: 'average', tables: ['school.score'], key: 'scores' }),
    'conf/plain.yml': mirrorYaml({ flow: 'plain', tables: ['school.plain'], key: 'plain' }),
    'conf/absent.yml': mirrorYaml({ flow: 'absent', tables: ['school.x'], key: 'absent' }),
  };
  return (...args) => {
    const keyAt = args.indexOf('--key');
    const options = keyAt === -1 ? {} : { key: args[keyAt + 1] ?? '' };
    const positionals = keyAt === -1 ? args.filter((arg) => arg !== '--json') : args.slice(0, keyAt);
    return runCommand(inspect, { files, positionals, options, json: args.includes('--json') });
  };
}

eachServer((_flavour, server) => {
  test('without a table, every computed table is listed with its flow, rows and freshness', async () => {
    const run = await createProject(server);
    const { code, out } = await run();
    expect(code).toBe(0);
    expect(out).toMatch(/\.scores +2 +average +running +40 ms +[\d.]+ m?s +2026-01-31T12:00:00.000Z +binlog\.000007:1234$/m);
    expect(out).toMatch(/\.plain +2 +plain +never run +- +- +- +-$/m);
    expect(out).toMatch(/\.absent +missing +absent/m);
    expect(out).toContain('kisflow migrate');
    expect(documentOf(await run('--json'))).toMatchObject({
      tables: [{ exists: false }, { rows: 2 }, { rows: 2, isExact: true, owners: [{ flow: 'average' }] }],
    });
  });

  test('a table is shown with its columns, its key and the flow that owns each column', async () => {
    const run = await createProject(server);
    const { out } = await run('scores');
    expect(out).toMatch(/scores: 2 rows\nwritten by flow average: running, lag 40 ms/);
    expect(out).toMatch(/^term +varchar\(10\) +key 2 +NOT NULL +- +average$/m);
    expect(out).toMatch(/^twice .* generated +average$/m);
  });

  test('a row is found by its whole primary key and shown with all fields, its owner and the owner’s position', async () => {
    const run = await createProject(server);
    const { out } = await run('scores', '--key', '101,2026-1');
    expect(out).toMatch(/^score +90\.50$/m);
    expect(out).toMatch(/^raw +0x0aff$/m);
    expect(out).toMatch(/written by flow average: running.* at binlog\.000007:1234/);
    const outcome = await run('scores', '--json', '--key', '["101","2026-1"]');
    expect(documentOf(outcome)).toMatchObject({ row: { stu: 101, score: '90.50', raw: '0x0aff' } });
  });

  test('a key beyond 2^53 is compared exactly', async () => {
    const run = await createProject(server);
    expect((await run('plain', '--key', '9007199254740993')).out).toMatch(/^name +large$/m);
    await expect(run('plain', '--key', '9007199254740992')).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
  });

  test('a key that does not fit finds no other row: a word is not 0, a part is not the whole', async () => {
    const run = await createProject(server);
    await expect(run('plain', '--key', 'abc')).rejects.toMatchObject({
      code: 'NAME_UNKNOWN',
      message: expect.stringContaining('is a number'),
    });
    await expect(run('scores', '--key', '101')).rejects.toMatchObject({ message: expect.stringContaining('(stu, term)') });
    await expect(run('scores', '--key', '7,x')).rejects.toMatchObject({
      message: expect.stringContaining('no row with the key 7,x'),
    });
  });

  test('a table that nobody computes is refused with the nearest name; one that is not there ends in its code', async () => {
    const run = await createProject(server);
    await expect(run('score')).rejects.toMatchObject({ code: 'NAME_UNKNOWN', message: expect.stringContaining('"scores"') });
    await expect(run('absent')).rejects.toMatchObject({ code: 'STORE_TABLE_MISSING' });
  });
});
