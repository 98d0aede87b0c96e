import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { findProgram } from '../../src/embedded/server-program.ts';
import type { SqlAddress, SqlServer } from '../../src/embedded/server.ts';
import { createFolder } from '../support/daemon-process.ts';
import { connectTo, createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';

const STARTED_MAX_MS = 20_000; // seconds on an idle machine; tests share the processor

async function ask(server: SqlAddress, sql: string): Promise<RowDataPacket[]> {
  const connection = await connectTo(server);
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows;
}

async function variables(server: SqlAddress, names: readonly string[]): Promise<Record<string, string>> {
  const list = names.map((name) => `'${name}'`).join(', ');
  const rows = await ask(server, `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list})`);
  return Object.fromEntries(rows.map((row) => [row['Variable_name'], row['Value']]));
}

/** Whether its data is on this machine: never, where it runs in a container. */
function hasData({ dataDir }: SqlServer): boolean {
  return dataDir !== undefined && existsSync(dataDir);
}

afterEach(() => vi.unstubAllEnvs());

eachServer((flavour, shared) => {
  test('is what its name says', async () => {
    const [row] = await ask(shared, 'SELECT VERSION() AS version');
    expect(/mariadb/i.test(String(row?.['version']))).toBe(flavour === 'mariadb');
    expect(row?.['version']).toBe(shared.version);
  });

  test('starts in seconds, with a binlog that a source can read', async () => {
    const begun = Date.now();
    const server = await startPrivateServer(flavour);
    expect(Date.now() - begun).toBeLessThan(STARTED_MAX_MS);
    const names = ['log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'sync_binlog', 'gtid_mode'];
    expect(await variables(server, names)).toEqual({
      log_bin: 'ON',
      binlog_format: 'ROW',
      binlog_row_image: 'FULL',
      binlog_row_metadata: 'FULL',
      sync_binlog: '1',
      ...(flavour === 'mysql' ? { gtid_mode: 'ON' } : {}),
    });
  });

  test("takes the caller's settings, in either spelling", async () => {
    const settings = { server_id: 77, 'binlog-row-image': 'MINIMAL', max_binlog_size: 4096 };
    const server = await startPrivateServer(flavour, settings);
    expect(await variables(server, ['server_id', 'binlog_row_image', 'max_binlog_size'])).toEqual({
      server_id: '77',
      binlog_row_image: 'MINIMAL',
      max_binlog_size: '4096',
    });
  });

  test('has no binlog where the caller removes it', async () => {
    const server = await startPrivateServer(flavour, { log_bin: null });
    expect(await variables(server, ['log_bin'])).toEqual({ log_bin: 'OFF' });
  });

  test('says what the server said when a setting is refused, and leaves no data', async () => {
    const folder = await createFolder();
    vi.stubEnv('TMPDIR', folder);
    const attempt = startPrivateServer(flavour, { no_such_setting: 1 });
    await expect(attempt).rejects.toMatchObject({
      code: 'SERVER_FAILED',
      message: expect.stringMatching(/no[-_]such[-_]setting/),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test('two at once are two servers', async () => {
    const [one, two] = await Promise.all([startPrivateServer(flavour), startPrivateServer(flavour, { server_id: 2 })]);
    expect(one.port).not.toBe(two.port);
    await ask(one, 'CREATE DATABASE only_here');
    expect(await ask(two, "SHOW DATABASES LIKE 'only_here'")).toEqual([]);
    if (flavour === 'mysql') {
      const uuid = async (server: SqlAddress) => (await variables(server, ['server_uuid']))['server_uuid'];
      expect(await uuid(one)).not.toBe(await uuid(two));
    }
  });

  describe('a life', () => {
    test('a restart keeps port, data and settings, and can change a setting', async () => {
      const server = await startPrivateServer(flavour, { max_connections: 55 });
      const { port, pid } = server;
      await ask(server, 'CREATE DATABASE kept');
      await server.restart({ server_id: 5 });
      expect(server.port).toBe(port);
      if (pid !== undefined) expect(server.pid).not.toBe(pid);
      expect(await ask(server, "SHOW DATABASES LIKE 'kept'")).toHaveLength(1);
      expect(await variables(server, ['server_id', 'max_connections'])).toEqual({ server_id: '5', max_connections: '55' });
    });

    test('a kill loses nothing that was committed', async () => {
      const server = await startPrivateServer(flavour);
      await ask(server, 'CREATE DATABASE d');
      await ask(server, 'CREATE TABLE d.t (a INT PRIMARY KEY)');
      await ask(server, 'INSERT INTO d.t VALUES (1), (2)');
      await server.kill();
      await expect(ask(server, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await server.restart();
      expect(await ask(server, 'SELECT a FROM d.t ORDER BY a')).toEqual([{ a: 1 }, { a: 2 }]);
    });

    test('a paused server answers when it is resumed, and not before', async () => {
      const server = await startPrivateServer(flavour);
      const connection = await connectTo(server);
      await server.pauseProcess();
      let isAnswered = false;
      const answer = connection.query('SELECT 1').then(() => (isAnswered = true));
      const { host, port, user, password } = server;
      await expect(createConnection({ host, port, user, password, connectTimeout: 300 })).rejects.toThrow(/ETIMEDOUT/);
      expect(isAnswered).toBe(false);
      await server.resumeProcess();
      await answer;
    });

    test('a stop frees the port and removes the data; a second one does nothing', async () => {
      const server = await startPrivateServer(flavour);
      await server.stop();
      await server.stop();
      expect(hasData(server)).toBe(false);
      await expect(ask(server, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });

    test('an abort after the start kills the server', async () => {
      const abort = new AbortController();
      const server = await startPrivateServer(flavour, {}, { signal: abort.signal });
      abort.abort();
      await waitFor(() => !hasData(server));
      await waitFor(() =>
        ask(server, 'SELECT 1').then(
          () => false,
          (error) => error.code === 'ECONNREFUSED',
        ),
      );
    });

    test("a folder of the caller's outlives the server and is taken up again", async ({ skip }) => {
      skip((await findProgram(flavour)) === undefined, 'a server in a container keeps no data');
      const dataDir = join(await createFolder(), 'data');
      const first = await startPrivateServer(flavour, {}, { dataDir });
      await ask(first, 'CREATE DATABASE kept');
      await first.stop();
      const second = await startPrivateServer(flavour, {}, { dataDir, port: first.port });
      expect(second.port).toBe(first.port);
      expect(await ask(second, "SHOW DATABASES LIKE 'kept'")).toHaveLength(1);
    });

    test('an aborted start leaves nothing running', async () => {
      const folder = await createFolder();
      vi.stubEnv('TMPDIR', folder);
      const abort = new AbortController();
      const start = startPrivateServer(flavour, {}, { signal: abort.signal });
      abort.abort(new Error('changed my mind'));
      await expect(start).rejects.toThrow('changed my mind');
      expect(await readdir(folder)).toEqual([]);
    });
  });

  test('a test database is its own, and other tests do not see it', async () => {
    const one = await createDatabase(shared);
    const two = await createDatabase(shared);
    expect(one.name).not.toBe(two.name);
    await one.connection.query('CREATE TABLE t (a INT PRIMARY KEY)');
    await expect(two.connection.query('SELECT * FROM t')).rejects.toMatchObject({ code: 'ER_NO_SUCH_TABLE' });
  });
});

test('at least one SQL server is here: the run would be empty otherwise', () => {
  const { mysql, mariadb } = inject('servers');
  expect(mysql ?? mariadb).toBeDefined();
});
