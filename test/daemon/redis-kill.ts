import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { RowDataPacket } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { expect } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { onEnd } from '../support/cleanup.ts';
import { spawnDaemon, startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo, startPrivateRedis } from '../support/servers.ts';
import { createShopProject, randomFrom, writeOrders, type ShopProject } from '../support/shop-project.ts';

/**
 * Two flows that count in Redis by increments. `good` refuses some changes, without saying which, so that its batches are halved; what
 * it counted in Redis it counts in the store too.
 */
const redisFlows = (source: string): string => `kistype: flow
flow_name: count
source: {name: main, tables: [${source}.orders], rows: change, start: earliest}
batch: {rows: 400}
flows: [{fname: CountOrders, params: {hash: orders}}]
---
kistype: flow
flow_name: good
source: {name: main, tables: [${source}.orders], rows: change, start: earliest}
batch: {rows: 300}
dead_rows: {per_minute: 0}
flows: [{fname: RefuseSome}, {fname: CountOrders, params: {hash: good}}, {fname: AddGood}]
---
kistype: func
fname: RefuseSome
fmode: Verify
---
kistype: func
fname: CountOrders
fmode: Save
option: {cname: counters}
---
kistype: func
fname: AddGood
fmode: Save
option: {cname: good}
---
kistype: conn
cname: counters
type: redis
addrs: \${REDIS_URL}
---
kistype: conn
cname: good
type: mysql
addrs: store
key: good
`;

const files = {
  'migrations/002-good.sql': 'CREATE TABLE good (customer INT PRIMARY KEY, n BIGINT NOT NULL);\n',
  'functions/RefuseSome.ts': `import { CodedError, defineFunction } from 'kisflow';
export default defineFunction({
  name: 'RefuseSome',
  run(flow, rows) {
    if (rows.some(({ after }) => after !== null && after.cents % 2003 === 7)) throw new CodedError('ROW_INVALID', 'refused', { class: 'row' });
    flow.commitRowBatch(rows);
  },
});
`,
  // it dawdles before, between and behind its increments: this is where it is killed
  'functions/CountOrders.ts': `import { setTimeout as delay } from 'node:timers/promises';
import { defineFunction } from 'kisflow';
export default defineFunction({
  name: 'CountOrders',
  async run(flow, rows) {
    const sums = new Map();
    for (const { before, after } of rows) {
      if (before !== null) sums.set(before.customer, (sums.get(before.customer) ?? 0) - 1);
      if (after !== null) sums.set(after.customer, (sums.get(after.customer) ?? 0) + 1);
    }
    const redis = flow.getConnector();
    const counts = [...sums].map(([customer, n]) => [flow.param('hash'), customer, n]);
    const half = Math.ceil(counts.length / 2);
    for (const some of [counts.slice(0, half), counts.slice(half)]) {
      await Promise.all(some.map((words) => redis.query('HINCRBY', words)));
      await delay(Math.random() * 10);
    }
    flow.commitRowBatch([...sums].map(([customer, n]) => ({ customer, n })));
  },
});
`,
  'functions/AddGood.ts': `import { defineFunction } from 'kisflow';
export default defineFunction({
  name: 'AddGood',
  async run(flow, rows) {
    for (const { customer, n } of rows) {
      await flow.getConnector().query('INSERT INTO good VALUES (?, ?) ON DUPLICATE KEY UPDATE n = n + VALUES(n)', [customer, n]);
    }
  },
});
`,
};

const running = /"flow":"good".*flow runs/;

/** Kills the daemon with -9 at random moments while the source changes; then Redis must hold what source and store say, to the last one. */
export async function killAndCount(server: SqlAddress, options: { readonly kills: number; readonly seed: number }): Promise<void> {
  const random = randomFrom(options.seed);
  const redis = await startPrivateRedis();
  const project = await createShopProject({ source: server, store: server, files });
  await writeFile(join(project.folder, 'conf/redis.yml'), redisFlows(project.source.name));
  const place = { cwd: project.folder, env: { ...project.env, REDIS_URL: redis.url } };
  const spawnOne = (): Promise<DaemonProcess> => spawnDaemon(['run', '--lease-ttl', '600'], place);
  const first = await startCommand(['run', '--until-current', '--log-level', 'warn'], place);
  expect(await first.waitForExit(60_000), first.stderr.join('\n')).toEqual({ code: 0, signal: null });
  // one that is refused for certain: of those written at random one in two thousand is
  await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 7, NULL)');
  const stop = new AbortController();
  const writing = writeOrders(await connectTo(server, project.source.name), { signal: stop.signal, random, pauseMs: 60 });
  const daemons: DaemonProcess[] = [await spawnOne()];
  for (let kill = 0; kill < options.kills; kill += 1) {
    const victim = daemons[kill];
    await victim?.waitForLine(running);
    // every third one is followed by a standby
    if (kill % 3 === 2) daemons.push(await spawnOne());
    await delay(200 + random() * 800); // the moment of the kill is what is random here
    victim?.kill('SIGKILL');
    expect(await victim?.waitForExit()).toEqual({ code: null, signal: 'SIGKILL' });
    if (daemons.length === kill + 1) daemons.push(await spawnOne());
  }
  stop.abort();
  await writing;
  const survivor = daemons.at(-1);
  await survivor?.waitForLine(running);
  survivor?.kill('SIGTERM');
  expect((await survivor?.waitForExit(30_000))?.code, survivor?.stderr.join('\n')).toBe(0);
  const last = await startCommand(['run', '--until-current', '--log-level', 'warn'], place);
  expect(await last.waitForExit(120_000), last.stderr.join('\n')).toEqual({ code: 0, signal: null });
  await expectEqualCounts(project, redis.url, `seed ${options.seed}`);
  const said = daemons.flatMap(({ stderr }) => stderr).join('\n');
  expect(said, 'a batch was under way at some kill, or nothing was shown').toContain('batches that were under way are cut again');
  const [dead] = await project.store.connection.query<RowDataPacket[]>('SELECT DISTINCT flow FROM kis_dead_row');
  expect(dead).toEqual([{ flow: 'good' }]);
  expect(said).not.toContain('cannot be cut again');
}

async function expectEqualCounts({ source, store }: ShopProject, url: string, what: string): Promise<void> {
  const client = new Redis(url);
  onEnd(async () => client.disconnect());
  const orders = await countsOf(source.connection, 'SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer');
  expect(sorted(await client.hgetall('orders')), what).toEqual(orders);
  const good = await countsOf(store.connection, 'SELECT customer, n FROM good');
  expect(sorted(await client.hgetall('good')), what).toEqual(good);
  expect(good.length).toBeGreaterThan(10);
}

async function countsOf(connection: Connection, sql: string): Promise<readonly string[]> {
  const [rows] = await connection.query<(RowDataPacket & { customer: number; n: number })[]>(sql);
  return sorted(Object.fromEntries(rows.map(({ customer, n }) => [customer, String(n)])));
}

function sorted(counts: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(counts)
    .flatMap(([customer, n]) => (n === '0' ? [] : [`${customer}: ${n}`]))
    .toSorted();
}
