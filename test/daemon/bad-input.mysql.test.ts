import type { RowDataPacket } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import type { SqlAddress, SqlFlavour } from '../../src/embedded/server.ts';
import { spawnDaemon, startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { createShopProject, disagreements, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

/** Runs the project until it is current or fails; gives the exit code and all that it said. */
async function runOnce(
  project: ShopProject,
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; said: string }> {
  const daemon = await startCommand(['run', '--until-current'], { cwd: project.folder, env: { ...project.env, ...env } });
  const { code } = await daemon.waitForExit(60_000);
  return { code, said: [...daemon.stdout, ...daemon.stderr].join('\n') };
}

async function expectCode(project: ShopProject, code: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const result = await runOnce(project, env);
  expect(result.said).toContain(code);
  expect(result.code).toBe(1);
  return result.said;
}

/** A project that is current, with its tables made. */
async function readyProject(server: SqlAddress): Promise<ShopProject> {
  const project = await createShopProject({ source: server, store: server });
  expect(await runOnce(project)).toMatchObject({ code: 0 });
  return project;
}

async function startRunning(project: ShopProject): Promise<DaemonProcess> {
  const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
  await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
  return daemon;
}

async function storeCount(project: ShopProject, table: string): Promise<number> {
  const [rows] = await project.store.connection.query<(RowDataPacket & { n: number })[]>(`SELECT COUNT(*) AS n FROM ${table}`);
  return rows[0]?.n ?? -1;
}

eachServer((flavour: SqlFlavour, server) => {
  describe('a source that cannot be read ends in its code', () => {
    it('unreachable', async () => {
      const project = await createShopProject({ source: server, store: server });
      await expectCode(project, 'SOURCE_UNREACHABLE', { SOURCE_URL: 'mysql://u:p@127.0.0.1:1' });
    });

    it('wrong password', async () => {
      const project = await createShopProject({ source: server, store: server });
      const url = `mysql://${server.user}:wrong@${server.host}:${server.port}`;
      const said = await expectCode(project, 'SOURCE_ACCESS_DENIED', { SOURCE_URL: url });
      expect(said).not.toContain('wrong@');
    });

    it('missing grant', async () => {
      const project = await createShopProject({ source: server, store: server });
      const user = `u${Date.now() % 1_000_000}`;
      await project.source.connection.query(
        `CREATE USER ${user}@'%' IDENTIFIED BY 'p'; GRANT SELECT ON \`${project.source.name}\`.* TO ${user}@'%'`,
      );
      try {
        await expectCode(project, 'SOURCE_GRANT_MISSING', { SOURCE_URL: `mysql://${user}:p@${server.host}:${server.port}` });
      } finally {
        await project.source.connection.query(`DROP USER ${user}@'%'`);
      }
    });

    it.each([
      ['SOURCE_BINLOG_OFF', { log_bin: null, gtid_mode: null, enforce_gtid_consistency: null }],
      ['SOURCE_STATEMENT_FORMAT', { binlog_format: 'STATEMENT' }],
    ] as const)('%s', async (code, settings) => {
      const broken = flavour === 'mariadb' && 'log_bin' in settings ? { log_bin: null } : settings;
      const source = await startPrivateServer(flavour, { ...broken });
      const project = await createShopProject({ source, store: server });
      await expectCode(project, code);
    });

    it('a partial row image in the middle of the stream stops the flow that needs what is absent, and no other; its checkpoint stays before it (L3)', async () => {
      const project = await readyProject(server);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await project.source.connection.query("SET SESSION binlog_row_image = 'MINIMAL'; UPDATE orders SET cents = 200 WHERE id = 1");
      await project.source.connection.query("SET SESSION binlog_row_image = 'FULL'; INSERT INTO orders VALUES (2, 1, 100, NULL)");
      await expectCode(project, 'SOURCE_ROW_IMAGE');
      await expectCode(project, 'SOURCE_ROW_IMAGE');
      expect(await storeCount(project, 'orders_copy WHERE id = 1 AND cents = 200 AND customer = 1')).toBe(1);
      expect(await storeCount(project, 'orders_copy WHERE id = 2')).toBe(1);
      expect(await storeCount(project, 'totals')).toBe(0);
    });

    it('purged position', async () => {
      const source = await startPrivateServer(flavour);
      const project = await createShopProject({ source, store: server });
      expect((await runOnce(project)).code).toBe(0);
      await project.source.connection.query(
        'INSERT INTO orders VALUES (1, 1, 100, NULL); FLUSH LOGS; INSERT INTO orders VALUES (2, 1, 100, NULL); FLUSH LOGS',
      );
      const last = flavour === 'mysql' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
      const [rows] = await project.source.connection.query<(RowDataPacket & { File: string })[]>(last);
      await waitFor(async () => {
        await project.source.connection.query(`PURGE BINARY LOGS TO '${rows[0]?.File}'`);
        const [logs] = await project.source.connection.query<never[]>('SHOW BINARY LOGS');
        return logs.length === 1;
      });
      await expectCode(project, 'SOURCE_PURGED');
    });

    it('another server behind the same address', async () => {
      const source = await startPrivateServer(flavour);
      const project = await createShopProject({ source, store: server });
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      expect((await runOnce(project)).code).toBe(0);
      const other = await startPrivateServer(flavour);
      const connection = await connectTo(other);
      await connection.query(`CREATE DATABASE \`${project.source.name}\``);
      for (let i = 0; i < 40; i += 1) await connection.query(`CREATE TABLE \`${project.source.name}\`.t${i} (id INT PRIMARY KEY)`);
      await expectCode(project, 'SOURCE_WRONG_SERVER', { SOURCE_URL: other.url });
    });
  });

  describe('a store that cannot be written ends in its code', () => {
    it('unreachable and wrong password', async () => {
      const project = await createShopProject({ source: server, store: server });
      await expectCode(project, 'STORE_UNREACHABLE', { STORE_URL: 'mysql://u:p@127.0.0.1:1/k' });
      await expectCode(project, 'STORE_ACCESS_DENIED', {
        STORE_URL: `mysql://${server.user}:wrong@${server.host}:${server.port}/k`,
      });
    });

    it('read-only since before the daemon began: waited for under its code, and nothing is lost', async () => {
      const store = await startPrivateServer(flavour);
      const project = await createShopProject({ source: server, store });
      expect((await runOnce(project)).code).toBe(0);
      const user = "CREATE USER w@'%' IDENTIFIED BY 'p'; GRANT ALL ON *.* TO w@'%'";
      const revoke =
        flavour === 'mysql'
          ? "; REVOKE SUPER, CONNECTION_ADMIN ON *.* FROM w@'%'"
          : "; REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM w@'%'";
      await project.store.connection.query(user + revoke);
      const env = { STORE_URL: `mysql://w:p@${store.host}:${store.port}/${project.store.name}` };
      await project.store.connection.query('SET GLOBAL read_only = ON');
      const daemon = await startCommand(['run'], { cwd: project.folder, env: { ...project.env, ...env } });
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await daemon.waitForLine(/STORE_READ_ONLY/);
      await project.store.connection.query('SET GLOBAL read_only = OFF');
      await waitFor(async () => (await storeCount(project, 'totals WHERE n = 1 AND cents = 100')) === 1, { deadlineMs: 20_000 });
      daemon.kill('SIGTERM');
      expect((await daemon.waitForExit()).code).toBe(0);
    });

    it('computed table missing: the flow stops, the other goes on (L4), and resume finds it mended', async () => {
      const project = await readyProject(server);
      await project.store.connection.query('RENAME TABLE orders_copy TO hidden');
      const daemon = await startRunning(project);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      const line = await daemon.waitForLine(/STORE_TABLE_MISSING/);
      expect(line).toContain('mirror');
      await waitFor(async () => (await storeCount(project, 'totals')) === 1);
      await project.store.connection.query('RENAME TABLE hidden TO orders_copy');
      const resume = await startCommand(['resume', 'mirror'], { cwd: project.folder, env: project.env });
      expect((await resume.waitForExit()).code, resume.stderr.join('\n')).toBe(0);
      await waitFor(async () => (await disagreements(project)).length === 0);
    });

    it('computed table without a key', async () => {
      const project = await readyProject(server);
      await project.store.connection.query('ALTER TABLE orders_copy DROP PRIMARY KEY');
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await expectCode(project, 'STORE_KEY_MISSING');
    });
  });

  describe('a function that fails ends in its code, and the other flow goes on (L4)', () => {
    it.each([
      ['FUNCTION_FAILED', "run() { throw new Error('no such customer'); }"],
      ['FUNCTION_FAILED', "async run() { await Promise.reject(new Error('no such customer')); }"],
      ['FUNCTION_TIMEOUT', 'run: () => new Promise(() => {})'],
      ['FUNCTION_TIMEOUT', 'run() { for (;;); }'],
    ])('%s: %s', async (code, body) => {
      const project = await createShopProject({
        source: server,
        store: server,
        files: {
          'functions/AddTotals.ts': `import { defineFunction } from 'kisflow';\nexport default defineFunction({ name: 'AddTotals', ${body} });\n`,
        },
      });
      await project.source.connection.query('SELECT 1');
      const conf = await import('node:fs/promises');
      const file = `${project.folder}/conf/shop.yml`;
      await conf.writeFile(
        file,
        (await conf.readFile(file, 'utf8')).replace('option: {cname: totals}', 'option: {cname: totals, timeout: 700}'),
      );
      const daemon = await startRunning(project);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      await daemon.waitForLine(new RegExp(`"flow":"totals".*${code}|${code}.*"flow":"totals"`));
      await waitFor(async () => (await storeCount(project, 'orders_copy')) === 1);
      expect(await storeCount(project, 'totals')).toBe(0);
      daemon.kill('SIGTERM');
      expect((await daemon.waitForExit()).code).toBe(1);
    });

    it('L12 one that loops for ever behind an await is named, and the process ends itself', async () => {
      const project = await createShopProject({
        source: server,
        store: server,
        files: {
          'functions/AddTotals.ts':
            "import { defineFunction } from 'kisflow';\nexport default defineFunction({ name: 'AddTotals', async run() { await null; for (;;); } });\n",
        },
      });
      const daemon = await spawnDaemon(['run', '--stall-limit', '1500'], { cwd: project.folder, env: project.env });
      await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
      const line = await daemon.waitForLine(/PROCESS_STUCK/);
      expect(line).toContain('flow totals, function AddTotals');
      expect(await daemon.waitForExit()).toEqual({ code: null, signal: 'SIGKILL' });
    });
  });
});
