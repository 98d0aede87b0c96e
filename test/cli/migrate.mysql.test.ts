import { expect, test } from 'vitest';
import { migrate } from '../../src/cli/migrate.ts';
import { ownMigrations } from '../../src/store/schema.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { globalYaml } from './project-yaml.ts';
import { documentOf, runCommand } from './run-command.ts';

eachServer((_flavour, server) => {
  test('migrations are applied in name order and named with their time; a second run says that nothing is to do', async () => {
    const { url, connection } = await createDatabase(server);
    const files = {
      'conf/global.yml': globalYaml(url),
      'migrations/0002-more.sql': 'ALTER TABLE a ADD COLUMN x INT; INSERT INTO a VALUES (1, 2);',
      'migrations/0001-a.sql': 'CREATE TABLE a (id INT PRIMARY KEY);',
    };
    const all = ownMigrations.length + 2;
    const first = await runCommand(migrate, { files });
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^0001-a\.sql +1 +\d.*\n0002-more\.sql +2 +\d/m);
    expect(first.out).toMatch(new RegExp(`${all} migrations applied to .*; 0 applied before\\.`));
    expect((await connection.query('SELECT x FROM a'))[0]).toEqual([{ x: 2 }]);
    expect((await runCommand(migrate, { files })).out).toContain(`Nothing to do: all ${all} migrations were applied`);
    expect(documentOf(await runCommand(migrate, { files, json: true }))).toMatchObject({ applied: [], appliedBefore: all });
  });

  test('without a folder only kisflow’s own tables are made, and the output says so', async () => {
    const { url } = await createDatabase(server);
    const { out } = await runCommand(migrate, { files: { 'conf/global.yml': globalYaml(url) } });
    expect(out).toMatch(/There is no folder .*migrations/);
    expect(out).toMatch(/^kisflow:0001-flows/m);
  });

  test('a migration that fails ends in its code, with file, line and statement', async () => {
    const { url } = await createDatabase(server);
    const files = { 'conf/global.yml': globalYaml(url), 'migrations/0001.sql': 'SELECT 1;\n\nCREATE TABEL a (id INT);' };
    await expect(runCommand(migrate, { files })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(/0001\.sql, line 3: .*CREATE TABEL/s),
    });
  });
});
