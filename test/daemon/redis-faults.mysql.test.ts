import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { onEnd } from '../support/cleanup.ts';
import { startCommand } from '../support/daemon-process.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { connectTo, eachServer, startPrivateRedis } from '../support/servers.ts';
import { createShopProject, randomFrom, writeOrders, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);

const countFlow = (source: string): string => `kistype: flow
flow_name: count
source: {name: main, tables: [${source}.orders], rows: change, start: earliest}
batch: {rows: 500}
flows: [{fname: CountOrders}]
---
kistype: func
fname: CountOrders
fmode: Save
option: {cname: counters, retry_times: 2, return_duration: 20}
---
kistype: conn
cname: counters
type: redis
addrs: \${REDIS_URL}
`;

/** Counts by increments, which any doubled or lost one spoils for good. */
const countOrders = `import { defineFunction } from 'kisflow';
export default defineFunction({
  name: 'CountOrders',
  async run(flow, rows) {
    const sums = new Map();
    for (const row of rows) {
      if (row.before !== null) sums.set(row.before.customer, (sums.get(row.before.customer) ?? 0) - 1);
      if (row.after !== null) sums.set(row.after.customer, (sums.get(row.after.customer) ?? 0) + 1);
    }
    const redis = flow.getConnector();
    await Promise.all([...sums].map(([customer, n]) => redis.query('HINCRBY', ['orders', customer, n])));
  },
});
`;

eachServer((_flavour, server) => {
  test(
    'increments in Redis stay exact while connections to the store are killed and those to Redis are cut',
    { timeout: 120_000 },
    async () => {
      const random = randomFrom(seed);
      const redis = await startPrivateRedis();
      const proxy = await startHalfOpenProxy(redis);
      const project = await createShopProject({
        source: server,
        store: server,
        files: { 'functions/CountOrders.ts': countOrders },
      });
      await writeFile(join(project.folder, 'conf/redis.yml'), countFlow(project.source.name));
      const env = { ...project.env, REDIS_URL: `redis://:${redis.password}@${proxy.host}:${proxy.port}` };
      const daemon = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env });
      await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 3);
      const stop = new AbortController();
      const writing = writeOrders(await connectTo(server, project.source.name), { signal: stop.signal, random, pauseMs: 10 });
      // until both were met, or nothing is shown: a busy machine takes longer
      const hasMet = (what: RegExp): boolean => daemon.stderr.some((line) => what.test(line));
      const hasMetBoth = (): boolean => hasMet(/CONNECTOR_FAILED/) && hasMet(/STORE_UNREACHABLE.*batch will be tried again/);
      for (let i = 0; i < 60 || (!hasMetBoth() && i < 400); i += 1) {
        await delay(random() * 120);
        if (random() < 0.5) proxy.cut();
        const [rows] = await project.store.connection.query<(RowDataPacket & { id: number })[]>(
          "SELECT id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID() AND COMMAND <> 'Killed'",
          [project.store.name],
        );
        const victim = rows[Math.floor(random() * rows.length)];
        // It may have ended by itself meanwhile.
        if (victim !== undefined) await project.store.connection.query(`KILL ${victim.id}`).catch(() => {});
      }
      stop.abort();
      await writing;
      const isEqual = await countsAreEqual(project, redis.url);
      await waitFor(isEqual, { deadlineMs: 40_000, pollMs: 300, what: `equal counts, seed ${seed}` });
      const said = daemon.stderr.join('\n');
      expect(hasMetBoth(), said).toBe(true);
      daemon.kill('SIGTERM');
      expect(await daemon.waitForExit(), said).toEqual({ code: 0, signal: null });
    },
  );

  test('L4 a flow whose Redis is slow, and one whose Redis is gone, waits alone, and has counted everything once it is back', async () => {
    const redis = await startPrivateRedis();
    const project = await createShopProject({
      source: server,
      store: server,
      files: { 'functions/CountOrders.ts': countOrders },
    });
    await writeFile(join(project.folder, 'conf/redis.yml'), countFlow(project.source.name));
    const daemon = await startCommand(['run'], { cwd: project.folder, env: { ...project.env, REDIS_URL: redis.url } });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 3);
    let next = 0;
    const insertOrders = async (): Promise<void> => {
      for (let i = 0; i < 20; i += 1) {
        const rows = Array.from({ length: 100 }, () => [(next += 1), next % 50, 1, 'x']);
        await project.source.connection.query('INSERT INTO orders VALUES ?', [rows]);
      }
    };
    const rowsOf = async (sql: string): Promise<number> => {
      const [rows] = await project.store.connection.query<(RowDataPacket & { n: number | string | null })[]>(sql);
      return Number(rows[0]?.n ?? 0);
    };
    const othersHaveAll = async (): Promise<void> => {
      for (const sql of ['SELECT COUNT(*) AS n FROM orders_copy', 'SELECT SUM(n) AS n FROM totals']) {
        await waitFor(async () => (await rowsOf(sql)) === next, { deadlineMs: 30_000, what: sql });
      }
    };
    const counted = "SELECT rows_total AS n FROM kis_checkpoint WHERE flow = 'count'";
    const isEqual = await countsAreEqual(project, redis.url);
    await redis.pauseProcess();
    await insertOrders();
    await othersHaveAll();
    expect(await rowsOf(counted)).toBeLessThan(next);
    await redis.resumeProcess();
    await waitFor(isEqual, { deadlineMs: 40_000, what: 'equal counts behind a slow Redis' });
    // What Redis has counted is committed in the store a moment later.
    await waitFor(async () => (await rowsOf(counted)) === next, { what: 'the checkpoint behind what was counted' });
    await redis.kill();
    const before = await rowsOf(counted);
    await insertOrders();
    await othersHaveAll();
    expect(await rowsOf(counted)).toBe(before);
    await waitFor(
      async () => (await rowsOf("SELECT COUNT(*) AS n FROM kis_flow WHERE flow = 'count' AND state = 'retrying'")) === 1,
    );
    await redis.restart();
    await waitFor(isEqual, { deadlineMs: 40_000, what: 'equal counts behind a Redis that was gone' });
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 120_000);
});

/** Asks whether Redis has counted the orders that there are. */
async function countsAreEqual({ source }: ShopProject, url: string): Promise<() => Promise<boolean>> {
  const client = new Redis(url, { retryStrategy: () => 100 });
  client.on('error', () => {}); // it is killed
  onEnd(async () => client.disconnect());
  return async () => {
    const [rows] = await source.connection.query<(RowDataPacket & { customer: number; n: number })[]>(
      'SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer ORDER BY customer',
    );
    const counted = Object.entries(await client.hgetall('orders')).flatMap(([customer, n]) =>
      n === '0' ? [] : [`${customer}: ${n}`],
    );
    const wanted = rows.map(({ customer, n }) => `${customer}: ${n}`);
    return counted.toSorted().join() === wanted.toSorted().join();
  };
}
