import { expect, it } from 'vitest';
import { spawnDaemon, startCommand } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom, writeOrders } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const neverReturns = `import { defineFunction } from 'kisflow';
export default defineFunction({ name: 'AddTotals', run: () => new Promise(() => {}) });
`;

eachServer((_flavour, server) => {
  it('L11 SIGTERM under load: what was read is committed, exit 0, and the next start loses and doubles nothing', async () => {
    const project = await createShopProject({ source: server, store: server });
    const options = { cwd: project.folder, env: project.env };
    const stop = new AbortController();
    const daemon = await spawnDaemon(['run'], options);
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    const writing = writeOrders(await connectTo(server, project.source.name), { signal: stop.signal, random: randomFrom(11) });
    await waitFor(async () => {
      const [rows] = await project.store.connection.query<never[]>('SELECT id FROM orders_copy LIMIT 1');
      return rows.length > 0;
    });
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
    stop.abort();
    await writing;
    const last = await startCommand(['run', '--until-current'], options);
    expect(await last.waitForExit(60_000), last.stderr.join('\n')).toEqual({ code: 0, signal: null });
    expect(await disagreements(project)).toEqual([]);
  });

  it('L11 a second signal ends at once what the first one cannot, with nothing half-written', async () => {
    const project = await createShopProject({ source: server, store: server, files: { 'functions/AddTotals.ts': neverReturns } });
    const daemon = await spawnDaemon(['run'], { cwd: project.folder, env: project.env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
    await waitFor(async () => {
      const [rows] = await project.store.connection.query<never[]>('SELECT id FROM orders_copy');
      return rows.length === 1;
    });
    daemon.kill('SIGTERM');
    await daemon.waitForLine(/stopping/);
    const before = Date.now();
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(1);
    expect(Date.now() - before).toBeLessThan(5000);
    const [totals] = await project.store.connection.query<never[]>('SELECT * FROM totals');
    expect(totals).toEqual([]);
  });
});
