import { expect, it } from 'vitest';
import { startCommand } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { never, openSource } from '../source/reading.ts';
import { runLine, storeRows } from './run-project.ts';

async function statusOf(project: ShopProject): Promise<readonly { readonly lastChangeAgeMs: number | null }[]> {
  const said = await runLine(project, ['status', '--json']);
  return JSON.parse(said).flows;
}

eachServer((_flavour, server) => {
  it('L5 L12 commit times that jump into the past and the future decide nothing, and no figure becomes negative', async () => {
    const project = await createShopProject({ source: server, store: server });
    const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    const before = Date.now();
    const connection = await connectTo(server, project.source.name);
    const source = openSource(server.url);
    let cents = 0;
    for (const time of ['2001-02-03 04:05:06', '1970-01-02 00:00:01', '2037-12-31 23:59:58', '']) {
      await connection.query(`SET TIMESTAMP = ${time === '' ? 'DEFAULT' : `UNIX_TIMESTAMP('${time}')`}`);
      for (let i = 0; i < 5; i += 1) {
        cents += 1;
        await connection.query('INSERT INTO orders VALUES (1, 1, ?, NULL) ON DUPLICATE KEY UPDATE cents = VALUES(cents)', [cents]);
      }
      await waitFor(async () => (await storeRows(project, 'SELECT cents FROM orders_copy'))[0]?.['cents'] === cents, {
        deadlineMs: 20_000,
        what: `the change of ${time}`,
      });
      await waitFor(async () => (await disagreements(project)).length === 0);
      for (const row of await storeRows(project, 'SELECT lag_ms FROM kis_flow'))
        expect(Number(row['lag_ms'])).toBeGreaterThanOrEqual(0);
      if (!time.startsWith('2037')) continue;
      // a change of the future was taken no negative time ago
      const ages = (await statusOf(project)).map(({ lastChangeAgeMs }) => lastChangeAgeMs ?? -1);
      expect(Math.min(...ages)).toBeGreaterThanOrEqual(0);
    }
    await waitFor(
      async () => (await storeRows(project, 'SELECT lag_ms FROM kis_flow')).every((row) => Number(row['lag_ms']) < 60_000),
      { deadlineMs: 20_000, what: 'no lag when nothing waits' },
    );
    // A start by time is before the first transaction that says so late a time: before those of 2037, earlier than needed and never later.
    const early = await source.resolve({ kind: 'time', time: before + 1000 }, never);
    const head = await source.head(never);
    expect(early.file).toBe(head.file);
    expect(early.offset).toBeLessThan(head.offset);
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code, daemon.stderr.join('\n')).toBe(0);
  }, 60_000);
});
