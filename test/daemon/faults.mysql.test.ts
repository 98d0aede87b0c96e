import { setTimeout as delay } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { killDumps } from '../support/fault/source-server.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import {
  createShopProject,
  disagreements,
  randomFrom,
  writeOrders,
  type ShopOptions,
  type ShopProject,
} from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { itLong } from '../support/long.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);

/** Runs the daemon while the orders change and `disturb` does its work; then source and store must agree to the row. */
async function underLoad(
  options: ShopOptions,
  disturb: (project: ShopProject, daemon: DaemonProcess, random: () => number) => Promise<void>,
): Promise<void> {
  const random = randomFrom(seed);
  const project = await createShopProject(options);
  const daemon = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
  await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
  const stop = new AbortController();
  const writing = writeOrders(await connectTo(options.source, project.source.name), { signal: stop.signal, random, pauseMs: 10 });
  await disturb(project, daemon, random);
  stop.abort();
  await writing;
  await waitFor(async () => (await disagreements(project)).length === 0, {
    deadlineMs: 60_000,
    pollMs: 300,
    what: `agreement, seed ${seed}`,
  });
  daemon.kill('SIGTERM');
  expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
}

eachServer((flavour, server: SqlAddress) => {
  it('L1 store connections killed in the middle of batches and commits: nothing is lost or doubled', async () => {
    await underLoad({ source: server, store: server }, async (project, _daemon, random) => {
      for (let killed = 0; killed < 25;) {
        await delay(random() * 120);
        const [rows] = await project.store.connection.query<(RowDataPacket & { id: number })[]>(
          "SELECT id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID() AND COMMAND <> 'Killed'",
          [project.store.name],
        );
        const victim = rows[Math.floor(random() * rows.length)];
        if (victim === undefined) continue;
        killed += 1;
        // it may have ended by itself meanwhile
        await project.store.connection.query(`KILL ${victim.id}`).catch(() => {});
      }
    });
  }, 120_000);

  it('L1 connections cut between request and answer, so that nobody knows whether a commit happened: the checkpoint does', async () => {
    const proxy = await startHalfOpenProxy({ host: server.host, port: server.port });
    const storeUrl = server.url.replace(`:${server.port}`, `:${proxy.port}`);
    await underLoad({ source: server, store: server, storeUrl }, async (_project, _daemon, random) => {
      for (let i = 0; i < 40; i += 1) {
        await delay(random() * 150);
        proxy.setMode('stall');
        await delay(random() * 10);
        proxy.cut();
        proxy.setMode('forward');
      }
    });
  }, 120_000);

  itLong(
    'L1 dump connections killed in the middle of transactions',
    async () => {
      await underLoad({ source: server, store: server }, async (project, _daemon, random) => {
        for (let i = 0; i < 15; i += 1) {
          await delay(200 + random() * 200);
          await killDumps(project.source.connection);
        }
      });
    },
    120_000,
  );

  itLong(
    'L1 the store server killed with -9 and started again, under load',
    async () => {
      const store = await startPrivateServer(flavour);
      const random = randomFrom(seed);
      const project = await createShopProject({ source: server, store });
      const daemon = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
      await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
      const stop = new AbortController();
      const writing = writeOrders(await connectTo(server, project.source.name), { signal: stop.signal, random });
      for (let i = 0; i < 3; i += 1) {
        await delay(700 + random() * 700);
        const unrenewed = (): number => daemon.stderr.filter((line) => line.includes('leases not renewed')).length;
        const before = unrenewed();
        await store.kill();
        // it is down for as long as it takes to be noticed by whoever renews the leases
        await waitFor(() => unrenewed() > before, { deadlineMs: 20_000 });
        await store.restart();
      }
      stop.abort();
      await writing;
      const after = { ...project, store: { ...project.store, connection: await connectTo(store, project.store.name) } };
      await waitFor(async () => (await disagreements(after)).length === 0, { deadlineMs: 60_000, pollMs: 300 });
      daemon.kill('SIGTERM');
      expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
      const leases = daemon.stderr.flatMap(
        (line) => /"(?:code":"(\w+)".*"leases not|msg":"(leases)) renewed/.exec(line)?.slice(1) ?? [],
      );
      const told = leases.filter((word) => word !== undefined);
      expect(told.length).toBeGreaterThan(1);
      for (const [index, word] of told.entries())
        expect(word, 'each cause is said once, until it is over').not.toBe(told[index - 1]);
    },
    120_000,
  );

  itLong(
    'a half-open connection to the source is noticed, and reading goes on',
    async () => {
      const proxy = await startHalfOpenProxy({ host: server.host, port: server.port });
      const sourceUrl = server.url.replace(`:${server.port}`, `:${proxy.port}`);
      await underLoad({ source: server, store: server, sourceUrl }, async (_project, daemon) => {
        await delay(500);
        proxy.setMode('half-open');
        await daemon.waitForLine(/SOURCE_UNREACHABLE/, 30_000);
        proxy.cut();
        proxy.setMode('forward');
      });
    },
    120_000,
  );
});
