import { readFile, writeFile } from 'node:fs/promises';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { spawnDaemon, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { createShopProject, disagreements, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

eachServer((flavour, store) => {
  async function daemonOf(project: ShopProject): Promise<DaemonProcess> {
    const daemon = await spawnDaemon(['run', '--lease-ttl', '500'], { cwd: project.folder, env: project.env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2, { deadlineMs: 15_000 });
    return daemon;
  }

  async function killed(daemon: DaemonProcess): Promise<void> {
    daemon.kill('SIGKILL');
    await daemon.waitForExit();
  }

  async function prepare(session: Connection, xid: string, statements: readonly string[]): Promise<void> {
    for (const sql of [`XA START '${xid}'`, ...statements, `XA END '${xid}'`, `XA PREPARE '${xid}'`]) await session.query(sql);
  }

  async function positions({ store: { connection } }: ShopProject): Promise<string[]> {
    const [rows] = await connection.query<(RowDataPacket & { position: string })[]>('SELECT position FROM kis_checkpoint');
    return rows.map(({ position }) => position);
  }

  const orders = (first: number, count: number): string =>
    `INSERT INTO orders VALUES ${Array.from({ length: count }, (_, n) => `(${first + n}, ${n % 50}, ${n}, '${'x'.repeat(170)}')`).join()}`;

  it('L1 a daemon killed between XA PREPARE and XA COMMIT, and in the middle of what was committed, loses and doubles nothing', async () => {
    const own = await startPrivateServer(flavour);
    const project = await createShopProject({ source: own, store });
    const file = `${project.folder}/conf/shop.yml`;
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text
        .replaceAll('SaveOrders}]', 'SaveOrders}]\nbatch: {rows: 200}')
        .replaceAll('AddTotals}]', 'AddTotals}]\nbatch: {rows: 300}'),
    );
    const session = () => connectTo(own, project.source.name);
    const [small, dropped, large] = [await session(), await session(), await session()];
    const { connection } = project.source;
    let daemon = await daemonOf(project);
    await connection.query(orders(1_000_000, 20));
    await prepare(small, 'small', [orders(0, 100), 'UPDATE orders SET cents = cents + 7 WHERE id < 50']);
    await prepare(dropped, 'dropped', [orders(2_000_000, 100)]);
    // 6 MB: more than is held of one.
    await prepare(
      large,
      'large',
      Array.from({ length: 30 }, (_, i) => orders(3_000_000 + i * 1000, 1000)),
    );
    await connection.query(orders(1_000_100, 1));
    // Its checkpoint passes the last XA PREPARE before it is killed.
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 30_000 });
    await killed(daemon);
    await connection.query('FLUSH BINARY LOGS');
    await small.query("XA COMMIT 'small'");
    await dropped.query("XA ROLLBACK 'dropped'");
    daemon = await daemonOf(project);
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 30_000 });
    await large.query("XA COMMIT 'large'");
    await connection.query(orders(1_000_200, 1));
    const cuts = new Set<string>();
    for (let kill = 0; kill < 2; kill += 1) {
      const seen = cuts.size;
      await waitFor(
        async () => {
          for (const position of await positions(project)) if (/ \+\d+ /.test(position)) cuts.add(position);
          return cuts.size > seen;
        },
        { deadlineMs: 30_000, pollMs: 5 },
      );
      await killed(daemon);
      daemon = await daemonOf(project);
    }
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 60_000, pollMs: 300 });
    const [rows] = await project.store.connection.query<RowDataPacket[]>('SELECT COUNT(*) AS n FROM orders_copy');
    expect(rows[0]?.['n']).toBe(20 + 100 + 30_000 + 2);
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 180_000);
});
