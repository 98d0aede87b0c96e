import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import { spawnDaemon, startCommand } from '../support/daemon-process.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { createShopProject, disagreements, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const slowly = `import { defineFunction } from 'kisflow';
export default defineFunction({
  name: 'AddTotals',
  async run(flow, rows) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    let n = 0;
    for (const row of rows) n += row.op === 'insert' ? 1 : 0;
    await flow.getConnector().query('INSERT INTO totals VALUES (0, ?, 0) ON DUPLICATE KEY UPDATE n = n + VALUES(n)', [n]);
  },
});
`;

async function edit(project: ShopProject, from: string, to: string): Promise<void> {
  const file = `${project.folder}/conf/shop.yml`;
  const text = await readFile(file, 'utf8');
  expect(text).toContain(from);
  await writeFile(file, text.replaceAll(from, to));
}

async function insertOrders(project: ShopProject, size: number): Promise<void> {
  for (let first = 1; first <= size; first += 1000) {
    const rows = Array.from({ length: 1000 }, (_, i) => [first + i, i % 50, 100, 'x'.repeat(150)]);
    await project.source.connection.query('INSERT INTO orders VALUES ?', [rows]);
  }
}

async function count(project: ShopProject, sql: string): Promise<number> {
  const [rows] = await project.store.connection.query<(RowDataPacket & { n: number })[]>(sql);
  return rows[0]?.n ?? 0;
}

/** Peak resident memory of a process in MB. */
function peakMb(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(line) / 1024;
}

/** What a process has read of files and sockets, in MB. */
function megabytesRead(pid: number): number {
  return Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]) / 1e6;
}

eachServer((flavour, server) => {
  it('L4 a slow flow holds up nobody: the others go on at their own pace, and it catches up and joins them', async () => {
    const project = await createShopProject({ source: server, store: server, files: { 'functions/AddTotals.ts': slowly } });
    await edit(project, '{fname: AddTotals}]', '{fname: AddTotals}]\nbatch: {rows: 1000}');
    const daemon = await startCommand(['run', '--queue-bytes', '100000'], { cwd: project.folder, env: project.env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    await insertOrders(project, 30_000);
    await waitFor(async () => (await count(project, 'SELECT COUNT(*) AS n FROM orders_copy')) === 30_000, { deadlineMs: 20_000 });
    expect(await count(project, 'SELECT n FROM totals')).toBeLessThan(15_000);
    await daemon.waitForLine(/"flow":"totals".*reads apart/);
    await waitFor(async () => (await count(project, 'SELECT n FROM totals')) === 30_000, { deadlineMs: 30_000 });
    await daemon.waitForLine(/"(totals|mirror)".*joins/, 20_000); // either reader may be the one that is left
    await project.source.connection.query('INSERT INTO orders VALUES (1000000, 1, 1, NULL)');
    await waitFor(async () => (await count(project, 'SELECT n FROM totals')) === 30_001);
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 120_000);

  it('L4 L12 a flow that waits for its locked table delays nobody, and its reader is not taken for dead, however long it is held up', async () => {
    const project = await createShopProject({ source: server, store: server });
    const daemon = await startCommand(['run', '--queue-bytes', '100000'], { cwd: project.folder, env: project.env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    await insertOrders(project, 1000);
    await waitFor(async () => (await disagreements(project)).length === 0);
    const locking = await connectTo(server, project.store.name);
    await locking.query('LOCK TABLES totals WRITE');
    const since = Date.now();
    await project.source.connection.query('DELETE FROM orders');
    await insertOrders(project, 30_000);
    await waitFor(async () => (await count(project, 'SELECT COUNT(*) AS n FROM orders_copy')) === 30_000, { deadlineMs: 20_000 });
    // longer than a silence that counts as a loss
    await waitFor(() => Date.now() - since > 8000, { deadlineMs: 20_000 });
    await locking.query('UNLOCK TABLES');
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 30_000 });
    expect(daemon.stderr.filter((line) => /source connection lost|not reached|"flow":"mirror".*error/.test(line))).toEqual([]);
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 120_000);

  it('L4 L7 a paused flow delays nobody and holds no memory; resumed, it goes on where it was', async () => {
    const project = await createShopProject({ source: server, store: server });
    const place = { cwd: project.folder, env: project.env };
    const daemon = await startCommand(['run'], place);
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    const pause = await startCommand(['pause', 'totals'], place);
    expect((await pause.waitForExit()).code, pause.stderr.join('\n')).toBe(0);
    await waitFor(
      async () => (await count(project, "SELECT COUNT(*) AS n FROM kis_flow WHERE flow = 'totals' AND state = 'paused'")) === 1,
    );
    await insertOrders(project, 5000);
    await waitFor(async () => (await count(project, 'SELECT COUNT(*) AS n FROM orders_copy')) === 5000, { deadlineMs: 20_000 });
    expect(await count(project, 'SELECT COUNT(*) AS n FROM totals')).toBe(0);
    const resume = await startCommand(['resume', 'totals'], place);
    expect((await resume.waitForExit()).code, resume.stderr.join('\n')).toBe(0);
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 20_000 });
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 60_000);

  it('L7 a stalled store slows the reading, the heap does not grow, and nothing is lost', async () => {
    const store = await startPrivateServer(flavour);
    const project = await createShopProject({ source: server, store });
    const daemon = await spawnDaemon(['run'], { cwd: project.folder, env: project.env, nodeArgs: ['--max-old-space-size=160'] });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    await store.pauseProcess();
    const readBefore = megabytesRead(daemon.pid);
    await insertOrders(project, 200_000); // 36 MB
    let read = 0;
    await waitFor(
      () => {
        const stands = megabytesRead(daemon.pid) - read < 0.05; // it asks the source how far it is, all the time
        read = megabytesRead(daemon.pid);
        return stands;
      },
      { pollMs: 500, deadlineMs: 20_000 },
    );
    expect(read - readBefore, 'megabytes read while the store stood still').toBeLessThan(12);
    const stalledMb = peakMb(daemon.pid);
    await store.resumeProcess();
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 60_000, pollMs: 500 });
    expect(stalledMb).toBeLessThan(300);
    expect(peakMb(daemon.pid)).toBeLessThan(300);
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 120_000);

  describe('L9 source and store on one server', () => {
    it('what a flow writes does not come back to it, even into the database that it reads with a wildcard', async () => {
      const project = await createShopProject({ source: server, store: server });
      await project.source.connection.query('CREATE TABLE orders_copy LIKE orders');
      await edit(project, `tables: [${project.source.name}.orders]`, `tables: ["${project.source.name}.*"]`);
      await edit(project, 'key: orders_copy', `key: ${project.source.name}.orders_copy`);
      await edit(project, `fname: SaveOrders\nfmode`, `fname: SaveOrders\nsource: {must: []}\nfmode`);
      await project.source.connection.query('DROP TABLE noise');
      const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
      await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 7, 100, NULL), (2, 7, 100, NULL)');
      await waitFor(async () => (await count(project, 'SELECT n FROM totals WHERE customer = 7')) === 2);
      await project.source.connection.query('INSERT INTO orders VALUES (3, 7, 100, NULL)');
      await waitFor(async () => (await count(project, 'SELECT n FROM totals WHERE customer = 7')) >= 3);
      daemon.kill('SIGTERM');
      expect((await daemon.waitForExit()).code).toBe(0);
      expect(await count(project, 'SELECT n FROM totals WHERE customer = 7')).toBe(3);
      expect(await count(project, "SELECT rows_total AS n FROM kis_checkpoint WHERE flow = 'mirror'")).toBe(3);
    });

    it('a flow may read what another one writes, by its name', async () => {
      const project = await createShopProject({ source: server, store: server });
      await edit(
        project,
        `flow_name: totals\nsource: {name: main, tables: [${project.source.name}.orders]`,
        `flow_name: totals\nsource: {name: main, tables: [${project.store.name}.orders_copy]`,
      );
      const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
      await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
      await project.source.connection.query(
        'INSERT INTO orders VALUES (1, 7, 100, NULL), (2, 7, 50, NULL); UPDATE orders SET cents = 60 WHERE id = 2',
      );
      await waitFor(async () => (await disagreements(project)).length === 0);
      daemon.kill('SIGTERM');
      expect((await daemon.waitForExit()).code).toBe(0);
    });

    it.each(['127.0.0.1', 'localhost'])(
      'flows in a ring are refused before anything runs, also when the store is called %s',
      async (host) => {
        const project = await createShopProject({ source: server, store: server });
        const { folder, env } = project;
        await edit(project, `tables: [${project.source.name}.orders]`, `tables: [${project.store.name}.orders_copy]`);
        const storeUrl = String(env.STORE_URL).replace('127.0.0.1', host);
        const daemon = await startCommand(['run', '--until-current'], { cwd: folder, env: { ...env, STORE_URL: storeUrl } });
        expect((await daemon.waitForExit()).code, daemon.stderr.join('\n')).toBe(78);
        expect(daemon.stderr.join('\n')).toContain('FLOW_CYCLE');
      },
    );
  });
});
