import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CodedError } from '../../src/lib/error.ts';
import { migrate } from '../../src/store/migrate.ts';
import { ownMigrations } from '../../src/store/schema.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

eachServer((_flavour, server) => {
  async function project(files: Readonly<Record<string, string>>) {
    const { url } = await createDatabase(server);
    const dir = await mkdtemp(join(tmpdir(), 'migrations-'));
    onEnd(() => rm(dir, { recursive: true }));
    const write = (name: string, sql: string) => writeFile(join(dir, name), sql);
    for (const [name, sql] of Object.entries(files)) await write(name, sql);
    const open = async (): Promise<Store> => {
      const store = await openStore({ url });
      onEnd(() => store.close());
      return store;
    };
    const store = await open();
    return { dir, write, open, store, migrate: () => migrate({ store, dir }) };
  }

  async function fail(work: Promise<unknown>): Promise<CodedError> {
    const error: unknown = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof CodedError) return error;
    throw new Error(`expected a CodedError, not ${String(error)}`, { cause: error });
  }

  const own = ownMigrations.map(({ name }) => name);
  const ownTables = ownMigrations.flatMap(({ statements }) =>
    statements.flatMap((sql) => /CREATE TABLE IF NOT EXISTS (\w+)/.exec(sql)?.[1] ?? []),
  );

  describe('migrations', () => {
    it('are applied in name order, once, after the own tables', async () => {
      const {
        store,
        write,
        migrate: run,
      } = await project({
        '0002-fill.sql': 'INSERT INTO a VALUES (1);',
        '0001-make.sql': '-- the table\nCREATE TABLE a (i INT);',
        'readme.txt': 'no SQL',
      });
      expect(await run()).toEqual({ applied: [...own, '0001-make.sql', '0002-fill.sql'], skipped: 0 });
      expect(await run()).toEqual({ applied: [], skipped: own.length + 2 });
      await write('0003-more.sql', 'INSERT INTO a VALUES (2)');
      expect(await run()).toEqual({ applied: ['0003-more.sql'], skipped: own.length + 2 });
      expect((await store.query('SELECT i FROM a ORDER BY i')).rows).toEqual([{ i: 1 }, { i: 2 }]);
      const { rows } = await store.query("SHOW TABLES LIKE 'kis\\_%'");
      expect(rows.flatMap((row) => Object.values(row))).toEqual([...ownTables, 'kis_migration'].toSorted());
    });

    it('without a folder, only the own tables are made; every column of theirs is explained', async () => {
      const { store } = await project({});
      expect(await migrate({ store })).toEqual({ applied: own, skipped: 0 });
      const { rows } = await store.query(
        "SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = DATABASE() AND column_comment = ''",
      );
      expect(rows.map((row) => `${String(row['t'])}.${String(row['c'])}`)).toEqual([]);
    });

    it('are applied once by processes that start together', async () => {
      const { dir, open } = await project({ '1.sql': 'CREATE TABLE a (i INT); INSERT INTO a VALUES (1);' });
      const stores = await Promise.all([open(), open(), open(), open()]);
      const reports = await Promise.all(stores.map((store) => migrate({ store, dir })));
      expect(reports.flatMap(({ applied }) => applied)).toEqual([...own, '1.sql']);
      expect((await stores[0]?.query('SELECT COUNT(*) AS n FROM a'))?.rows).toEqual([{ n: 1 }]);
    });

    it('an applied file that was edited is MIGRATION_FAILED and named; comments between statements are free', async () => {
      const { write, migrate: run } = await project({ '1.sql': 'CREATE TABLE a (i INT);' });
      await run();
      await write('1.sql', '-- explained\nCREATE TABLE a (i INT);\n');
      await run();
      for (const edited of ['CREATE TABLE a (i BIGINT);', 'CREATE TABLE a (i INT); CREATE TABLE b (i INT);', '']) {
        await write('1.sql', edited);
        const error = await fail(run());
        expect(error).toMatchObject({ code: 'MIGRATION_FAILED', class: 'stop' });
        expect(error.message).toContain('1.sql');
      }
    });

    it('a failing statement is named with file and line; later files wait; mended, it goes on where it failed', async () => {
      const {
        store,
        write,
        migrate: run,
      } = await project({
        '1.sql': 'CREATE TABLE a (i INT);\nINSERT INTO a VALUES (1);\n\nINSERT INTO\n  nowhere VALUES (1);',
        '2.sql': 'INSERT INTO a VALUES (2)',
      });
      const error = await fail(run());
      expect(error).toMatchObject({ code: 'MIGRATION_FAILED', details: { file: '1.sql', line: 4 } });
      expect(error.message).toMatch(/1\.sql, line 4: .*nowhere.*statement: INSERT INTO nowhere VALUES \(1\)$/);
      expect((await store.query('SELECT i FROM a')).rows).toEqual([{ i: 1 }]);
      await write('1.sql', 'CREATE TABLE a (i INT);\nINSERT INTO a VALUES (7);');
      expect((await fail(run())).message).toContain('up to statement 2');
      await write('1.sql', 'CREATE TABLE a (i INT);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (3);');
      expect((await run()).applied).toEqual(['1.sql', '2.sql']);
      expect((await store.query('SELECT i FROM a ORDER BY i')).rows).toEqual([{ i: 1 }, { i: 2 }, { i: 3 }]);
    });

    it('make triggers and procedures with DELIMITER', async () => {
      const { store, migrate: run } = await project({
        '1.sql': `CREATE TABLE a (i INT, j INT);
DELIMITER //
CREATE PROCEDURE fill() BEGIN INSERT INTO a VALUES (1, 2); INSERT INTO a VALUES (3, 4); END//
DELIMITER ;
CALL fill();`,
      });
      await run();
      expect((await store.query('SELECT i FROM a ORDER BY i')).rows).toEqual([{ i: 1 }, { i: 3 }]);
    });

    it('need no right to make tables once they are applied', async () => {
      const { store, dir, migrate: run } = await project({ '1.sql': 'CREATE TABLE a (i INT)' });
      await run();
      const { connection, url } = await createDatabase(server);
      const user = `u${Math.random().toString(36).slice(2, 10)}`;
      await connection.query(
        `CREATE USER '${user}'@'%' IDENTIFIED BY 'pw'; GRANT SELECT ON \`${store.database}\`.* TO '${user}'@'%'`,
      );
      onEnd(async () => {
        await connection.query(`DROP USER '${user}'@'%'`);
      });
      expect(url).not.toContain(user);
      const reader = await openStore({ url: `mysql://${user}:pw@${server.host}:${server.port}/${store.database}` });
      onEnd(() => reader.close());
      expect(await migrate({ store: reader, dir })).toEqual({ applied: [], skipped: own.length + 1 });
    });

    it('of kisflow itself that alter a table keep its rows, and go on behind a crash between a statement and its record', async () => {
      const { store, migrate: run } = await project({});
      await run();
      // a store of before: without what 0008 adds, and with a dead row
      const name = 'kisflow:0008-dead-row-wishes';
      await store.query('DELETE FROM kis_migration WHERE name = ?', [name]);
      await store.query(
        'ALTER TABLE kis_dead_row DROP KEY flow_wish, DROP COLUMN tries, DROP COLUMN wish, DROP COLUMN ended_at, DROP COLUMN ended_by, MODIFY state VARCHAR(8) NOT NULL',
      );
      await store.query(
        `INSERT INTO kis_dead_row (flow, fname, code, message, source_table, row_key, op, position, parts, row_change, created_at, state)
         VALUES ('f', 'g', 'ROW_INVALID', 'bad', 's.t', '{"id":1}', 'insert', 'b.1:4', 0, '{"before":null,"after":{"id":1}}', NOW(), 'dead')`,
      );
      expect((await run()).applied).toEqual([name]);
      const columns = 'state, park_keys, tries, wish, ended_at, ended_by';
      const kept = { state: 'dead', park_keys: null, tries: 1, wish: null, ended_at: null, ended_by: null };
      expect((await store.query(`SELECT ${columns} FROM kis_dead_row`)).rows).toEqual([kept]);
      await store.query('DELETE FROM kis_migration WHERE name = ?', [name]);
      expect((await run()).applied).toEqual([name]);
      expect((await run()).applied).toEqual([]);
    });
  });
});
