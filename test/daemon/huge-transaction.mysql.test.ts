import { readFile, writeFile } from 'node:fs/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { spawnDaemon } from '../support/daemon-process.ts';
import { eachServer } from '../support/servers.ts';
import { createShopProject, disagreements } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

eachServer((_flavour, server) => {
  it('L2 a transaction larger than a batch is cut, and a daemon killed in the middle of it goes on in the middle of it', async () => {
    const project = await createShopProject({ source: server, store: server });
    const file = `${project.folder}/conf/shop.yml`;
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      text
        .replaceAll('SaveOrders}]', 'SaveOrders}]\nbatch: {rows: 200}')
        .replaceAll('AddTotals}]', 'AddTotals}]\nbatch: {rows: 300}'),
    );
    const place = { cwd: project.folder, env: project.env };
    const first = await spawnDaemon(['run'], place);
    await waitFor(() => first.stderr.filter((line) => line.includes('flow runs')).length === 2);
    const { connection } = project.source;
    await connection.beginTransaction();
    for (let i = 0; i < 16; i += 1) {
      const rows = Array.from({ length: 1000 }, (_, n) => [i * 1000 + n, n % 50, n, 'x'.repeat(80)]);
      await connection.query('INSERT INTO orders VALUES ?', [rows]);
    }
    await connection.query('UPDATE orders SET cents = cents + 1');
    await connection.commit();
    let daemon = first;
    const cuts = new Set<string>();
    for (let kill = 0; kill < 3; kill += 1) {
      const seen = cuts.size;
      await waitFor(
        async () => {
          const [rows] = await project.store.connection.query<(RowDataPacket & { position: string })[]>(
            'SELECT position FROM kis_checkpoint',
          );
          for (const { position } of rows) if (/ \+\d+ /.test(position)) cuts.add(position);
          return cuts.size > seen;
        },
        { deadlineMs: 30_000, pollMs: 5 },
      );
      daemon.kill('SIGKILL');
      await daemon.waitForExit();
      daemon = await spawnDaemon(['run', '--lease-ttl', '500'], place);
      await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2, { deadlineMs: 15_000 });
    }
    expect(cuts.size).toBeGreaterThanOrEqual(3);
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 60_000, pollMs: 300 });
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 120_000);
});
