import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { exampleFolder } from '../examples/example.ts';
import { onEnd } from '../support/cleanup.ts';
import { createFolder, startCommand } from '../support/daemon-process.ts';
import { createDatabase, eachServer, startPrivateRedis } from '../support/servers.ts';
import { createShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const redisFlows = (source: string): string => `kistype: flow
flow_name: cache
source: {name: main, tables: [${source}.orders], rows: change, start: earliest}
flows: [{fname: CacheOrders}]
---
kistype: func
fname: CacheOrders
fmode: Save
option: {cname: orders_cache}
---
kistype: conn
cname: orders_cache
type: redis
addrs: \${REDIS_URL}
key: order:{id}
---
kistype: flow
flow_name: count
source: {name: main, tables: [${source}.orders], rows: change, start: earliest}
flows: [{fname: CountOrders}]
---
kistype: func
fname: CountOrders
fmode: Save
option: {cname: counters}
---
kistype: conn
cname: counters
type: redis
addrs: \${REDIS_URL}
`;

const countOrders = `import { defineFunction } from 'kisflow';
export default defineFunction({
  name: 'CountOrders',
  async run(flow, rows) {
    for (const row of rows) {
      if (row.op === 'insert') await flow.getConnector().query('HINCRBY', ['orders', row.after.customer, 1]);
      if (row.op === 'delete') await flow.getConnector().query('HINCRBY', ['orders', row.before.customer, -1]);
    }
  },
});
`;

eachServer((_flavour, server) => {
  test(
    'L4 a Redis that is down holds up its own flows only; once it is there they catch up, with its rows and counts right',
    { timeout: 90_000 },
    async () => {
      const redis = await startPrivateRedis();
      await redis.kill();
      const project = await createShopProject({
        source: server,
        store: server,
        files: { 'functions/CountOrders.ts': countOrders },
      });
      await writeFile(join(project.folder, 'conf/redis.yml'), redisFlows(project.source.name));
      const daemon = await startCommand(['run'], { cwd: project.folder, env: { ...project.env, REDIS_URL: redis.url } });
      await daemon.waitForLine(/connector does not answer/);
      await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 4);
      const { connection } = project.source;
      await connection.query("INSERT INTO orders VALUES (1, 7, 100, 'ä'), (2, 7, 200, NULL), (3, 8, 300, 'x')");
      await connection.query(
        'UPDATE orders SET cents = 150 WHERE id = 1; UPDATE orders SET id = 20 WHERE id = 2; DELETE FROM orders WHERE id = 3',
      );
      await waitFor(async () => {
        const [rows] = await project.store.connection.query('SELECT id FROM orders_copy ORDER BY id');
        return JSON.stringify(rows) === '[{"id":1},{"id":20}]';
      });
      await daemon.waitForLine(/CONNECTOR_FAILED/);
      await redis.restart();
      const client = new Redis(redis.url);
      onEnd(async () => client.disconnect());
      await waitFor(async () => (await client.hget('orders', '8')) === '0' && (await client.exists('order:20')) === 1, {
        deadlineMs: 30_000,
      });
      await connection.query("INSERT INTO orders VALUES (4, 7, 400, 'last')");
      await waitFor(async () => (await client.exists('order:4')) === 1 && (await client.hget('orders', '7')) === '3');
      expect((await client.keys('order:*')).sort()).toEqual(['order:1', 'order:20', 'order:4']);
      expect(await client.hgetall('order:1')).toEqual({ id: '1', customer: '7', cents: '150', note: 'ä' });
      expect(await client.hgetall('order:20')).toEqual({ id: '20', customer: '7', cents: '200' });
      expect(await client.hgetall('orders')).toEqual({ '7': '3', '8': '0' });
      daemon.kill();
      expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
    },
  );

  test('the daemon runs a connector of the project’s own, and serves metrics while it runs', { timeout: 60_000 }, async () => {
    const source = await createDatabase(server, 'school');
    const store = await createDatabase(server, 'store');
    await source.connection.query('CREATE TABLE student (stu_id INT PRIMARY KEY, name VARCHAR(20))');
    await source.connection.query("INSERT INTO student VALUES (101, 'Ada'), (102, 'Blaise')");
    const example = exampleFolder('own-connector');
    const conf = (await readFile(`${example}/conf/export.yml`, 'utf8'))
      .replace('school.student', `${source.name}.student`)
      .replace(
        'kistype: global',
        'kistype: global\nprometheus_enable: true\nprometheus_listen: true\nprometheus_serve: 127.0.0.1:0',
      );
    const cwd = await createFolder({
      'conf/export.yml': conf,
      'connectors/json-lines.ts': await readFile(`${example}/connectors/json-lines.ts`, 'utf8'),
    });
    const env = { KISFLOW_SOURCE_URL: server.url, KISFLOW_STORE_URL: store.url, EXPORT_FOLDER: join(cwd, 'export') };
    const daemon = await startCommand(['run'], { cwd, env });
    const url = /"url":"([^"]+)"/.exec(await daemon.waitForLine(/metrics are served/))?.[1] ?? '';
    const exported = async (): Promise<string> => {
      const files = await readdir(env.EXPORT_FOLDER).catch(() => []);
      return (await Promise.all(files.map((file) => readFile(join(env.EXPORT_FOLDER, file), 'utf8')))).join('');
    };
    await waitFor(async () => (await exported()) === '{"stu_id":101,"name":"Ada"}\n{"stu_id":102,"name":"Blaise"}\n');
    // what was exported is counted with its commit, a moment later
    const text = await waitFor(async () => {
      const page = await (await fetch(url)).text();
      return page.includes('kisflow_data_total 2\n') && page;
    });
    expect(text).toContain('flow_data_total{flow_name="ExportStudents"} 2\n');
    expect(text).toMatch(/^func_schedule_cnts\{func_name="ExportStudent",func_mode="Save"\} [12]$/m);
    daemon.kill();
    expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
    await expect(fetch(url)).rejects.toThrow();
  });

  test('a metrics address in use ends the start with LISTEN_FAILED', async () => {
    const project = await createShopProject({ source: server, store: server });
    const file = join(project.folder, 'conf/shop.yml');
    const serve = `kistype: global\nprometheus_enable: true\nprometheus_listen: true\nprometheus_serve: 127.0.0.1:${server.port}`;
    await writeFile(file, (await readFile(file, 'utf8')).replace('kistype: global', serve));
    const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
    expect(await daemon.waitForExit()).toEqual({ code: 1, signal: null });
    expect(daemon.stderr.join('\n')).toContain(`LISTEN_FAILED: 127.0.0.1:${server.port}`);
  });
});
