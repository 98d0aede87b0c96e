import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { spawnDaemon } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom, writeOrders } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { fightAndCompare } from './fight.ts';

eachServer((_flavour, server: SqlAddress) => {
  it('L6 a hot standby takes over within 10 s of a kill -9', async () => {
    const project = await createShopProject({ source: server, store: server });
    const options = { cwd: project.folder, env: project.env };
    const first = await spawnDaemon(['run'], options);
    await first.waitForLine(/flow runs.*|"flow":"mirror".*flow runs/);
    await waitFor(() => first.stderr.filter((line) => line.includes('flow runs')).length === 2);
    const second = await spawnDaemon(['run'], options);
    await waitFor(() => second.stderr.filter((line) => line.includes('standing by')).length === 2, { deadlineMs: 15_000 });
    await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 100, NULL)');
    const copied = async (id: number): Promise<boolean> => {
      const [rows] = await project.store.connection.query<never[]>('SELECT id FROM orders_copy WHERE id = ?', [id]);
      return rows.length === 1;
    };
    await waitFor(() => copied(1));
    first.kill('SIGKILL');
    const killedAt = Date.now();
    await project.source.connection.query('INSERT INTO orders VALUES (2, 1, 200, NULL)');
    await waitFor(() => copied(2), { deadlineMs: 20_000 });
    expect(Date.now() - killedAt).toBeLessThan(10_000);
    console.log(`taken over and written ${Date.now() - killedAt} ms after the kill`);
    await waitFor(async () => (await disagreements(project)).length === 0);
    second.kill('SIGTERM');
    expect(await second.waitForExit()).toEqual({ code: 0, signal: null });
  });

  it('L6 two daemons that fight for the same flows write each effect once', async () => {
    await fightAndCompare(server, { forMs: 3_000, pauseMs: 10, seed: Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000) });
  }, 240_000);

  it('L6 a stopped daemon gives its flows to the standby at once, and a frozen one that wakes changes nothing', async () => {
    const project = await createShopProject({ source: server, store: server });
    const options = { cwd: project.folder, env: project.env };
    const frozen = await spawnDaemon(['run', '--lease-ttl', '1500'], options);
    await waitFor(() => frozen.stderr.filter((line) => line.includes('flow runs')).length === 2);
    const stop = new AbortController();
    const writing = writeOrders(await connectTo(server, project.source.name), {
      signal: stop.signal,
      random: randomFrom(7),
      pauseMs: 10,
    });
    await delay(500);
    frozen.kill('SIGSTOP');
    const standby = await spawnDaemon(['run', '--lease-ttl', '1500'], options);
    await waitFor(() => standby.stderr.filter((line) => line.includes('flow runs')).length === 2, { deadlineMs: 15_000 });
    frozen.kill('SIGCONT');
    await waitFor(() => frozen.stderr.filter((line) => line.includes('standing by')).length >= 2, { deadlineMs: 15_000 });
    stop.abort();
    await writing;
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 30_000 });
    for (const daemon of [frozen, standby]) daemon.kill('SIGTERM');
    for (const daemon of [frozen, standby]) expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
  }, 90_000);
});
