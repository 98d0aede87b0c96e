import { writeFile } from 'node:fs/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { sleep } from '../../src/lib/abort.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createRun, readRun, setRunWish } from '../../src/repair/run-record.ts';
import type { RunState } from '../../src/repair/run.ts';
import { openStore } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createFolder, spawnDaemon, startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo, createDatabase, eachServer, type TestDatabase } from '../support/servers.ts';
import { randomFrom } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { never, openSource } from '../source/reading.ts';
import { runLine } from './run-project.ts';

/** A flow that computes from each row, by a function that can be mended, and one beside it that mirrors. */
const configuration = (source: string, start: string): string => `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: flow
flow_name: prices
source: {name: main, tables: [${source}.goods, ${source}.words], rows: change, start: "${start}"}
batch: {rows: 40}
flows: [{fname: Price}, {fname: SavePrices}]
---
kistype: func
fname: Price
fmode: Calculate
---
kistype: func
fname: SavePrices
fmode: Save
option: {cname: prices}
---
kistype: conn
cname: prices
type: mysql
addrs: store
key: prices
---
kistype: flow
flow_name: mirror
source: {name: main, tables: [${source}.goods], rows: change, start: "${start}"}
flows: [{fname: SaveGoods}]
---
kistype: func
fname: SaveGoods
fmode: Save
option: {cname: goods_copy}
---
kistype: conn
cname: goods_copy
type: mysql
addrs: store
key: goods_copy
`;

const price = (factor: number): string => `import { defineFunction, makeChange } from 'kisflow';

const priced = (image) => image === null ? null : { id: String(image.id ?? image.word), version: image.version, price: image.version * ${factor} };

export default defineFunction({
  name: 'Price',
  run(flow, rows) {
    for (const row of rows) flow.commitRow(makeChange({ ...row, key: ['id'], before: priced(row.before), after: priced(row.after) }));
  },
});
`;

interface Project {
  /** The end of the binlog before anything was written. */
  readonly start: string;
  readonly source: TestDatabase;
  readonly store: TestDatabase;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

async function createProject(server: Parameters<typeof createDatabase>[0], factor: number): Promise<Project> {
  const source = await createDatabase(server, 'goods');
  const store = await createDatabase(server, 'store');
  await source.connection.query(
    `CREATE TABLE goods (id INT PRIMARY KEY, version INT NOT NULL);
     CREATE TABLE words (word VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, version INT NOT NULL)`,
  );
  const { file, offset } = await openSource(server.url).head(never);
  const start = `${file}:${offset}`;
  const folder = await createFolder({
    'conf/all.yml': configuration(source.name, start),
    'functions/Price.ts': price(factor),
    'migrations/001.sql': `CREATE TABLE goods_copy (id INT PRIMARY KEY, version INT NOT NULL);
      CREATE TABLE prices (id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, version INT NOT NULL, price INT NOT NULL);`,
  });
  return { start, source, store, folder, env: { SOURCE_URL: server.url, STORE_URL: store.url } };
}

async function rowsOf({ connection }: TestDatabase, sql: string): Promise<RowDataPacket[]> {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows.map((row) => ({ ...row }));
}

/** What a flow of this factor computes of the source as it is, as the store has it. */
const wanted = (source: string, factor: number): string =>
  `SELECT CAST(id AS CHAR) COLLATE utf8mb4_general_ci AS id, version, version * ${factor} AS price FROM \`${source}\`.goods
   UNION ALL SELECT word, version, version * ${factor} FROM \`${source}\`.words`;

function byId(rows: readonly Readonly<Record<string, unknown>>[]): string[] {
  return rows.map((row) => JSON.stringify([row['id'], Number(row['version']), Number(row['price'])])).toSorted();
}

async function expectPrices({ source, store }: Project, factor: number): Promise<boolean> {
  expect(byId(await rowsOf(store, 'SELECT * FROM prices'))).toEqual(byId(await rowsOf(source, wanted(source.name, factor))));
  return true;
}

eachServer((_flavour, server) => {
  it('a changed rule is applied to exactly the rows that changed since, gone ones go, and no other flow takes notice', async () => {
    const project = await createProject(server, 10);
    const { source, store, folder, env } = project;
    await source.connection.query('INSERT INTO goods VALUES ?', [Array.from({ length: 100 }, (_, i) => [i + 1, 1])]);
    await source.connection.query("INSERT INTO words VALUES ('a', 1), ('b', 1), ('c', 1), ('d', 1)");
    const daemon = await startCommand(['run'], { cwd: folder, env });
    await waitFor(() => expectPrices(project, 10), { deadlineMs: 30_000, what: daemon.stderr.join('\n') });
    const checkpointOf = async (flow: string): Promise<RowDataPacket | undefined> =>
      (await rowsOf(store, `SELECT position, rows_total FROM kis_checkpoint WHERE flow = '${flow}'`))[0];
    const from = String((await checkpointOf('prices'))?.['position']);
    await source.connection.query(`UPDATE goods SET version = 2 WHERE id <= 90; DELETE FROM goods WHERE id = 30;
      UPDATE goods SET id = 4000, version = 3 WHERE id = 40; INSERT INTO goods VALUES (40, 4), (101, 1); DELETE FROM goods WHERE id = 101;
      UPDATE words SET word = 'A', version = 2 WHERE word = 'a'; DELETE FROM words WHERE word = 'b'; INSERT INTO words VALUES ('B', 3);
      UPDATE words SET version = 5 WHERE word = 'c'; DELETE FROM words WHERE word = 'c'; FLUSH BINARY LOGS;
      UPDATE goods SET version = 7 WHERE id = 7`);
    await waitFor(() => expectPrices(project, 10), { deadlineMs: 20_000 });
    await writeFile(`${folder}/functions/Price.ts`, price(100));
    await daemon.waitForLine(/reloaded/);
    // what a wrong rule has left: a row too few, two too many, of which the one was never in the binlog
    await store.connection.query("DELETE FROM prices WHERE id = '5'; INSERT INTO prices VALUES ('30', 1, 10), ('never', 1, 10)");
    await waitFor(async () => {
      const rows = (database: TestDatabase, table: string) => rowsOf(database, `SELECT * FROM ${table} ORDER BY id`);
      expect(await rows(store, 'goods_copy')).toEqual(await rows(source, 'goods')); // the other flow, so that it stands still
      return true;
    });
    const others = await checkpointOf('mirror');
    const said = await runLine(project, ['replay', 'prices', '--from', from]);
    expect(said).toMatch(/Replay \d+ of flow prices is done: 99 rows in /);
    const expected = (await rowsOf(source, wanted(source.name, 100))).map((row) =>
      Number(row['version']) === 1 ? { ...row, price: 10 } : row,
    );
    const extra = { id: 'never', version: 1, price: 10 };
    expect(byId(await rowsOf(store, 'SELECT * FROM prices'))).toEqual(byId([...expected, extra]));
    expect((await checkpointOf('mirror'))?.['rows_total']).toBe(others?.['rows_total']);
    // a stretch that ends before: only what changed in it, by its key as the source compares it
    await source.connection.query('UPDATE goods SET version = 8 WHERE id IN (95, 96)');
    await waitFor(async () => (await rowsOf(store, 'SELECT 1 FROM prices WHERE version = 8')).length === 2);
    await store.connection.query('UPDATE prices SET price = 0');
    await runLine(project, ['replay', 'prices', '--from', project.start, '--to', from]);
    const touched = await rowsOf(store, 'SELECT id FROM prices WHERE price > 0');
    expect(touched.map(({ id }) => String(id)).toSorted()).toEqual(
      (await rowsOf(source, `SELECT CAST(id AS CHAR) COLLATE utf8mb4_general_ci AS id FROM goods WHERE id <= 100 UNION ALL SELECT word FROM words WHERE word IN ('a', 'b', 'd')`)).map(({ id }) => String(id)).toSorted(), // prettier-ignore
    );
    // paused it does nothing, then it goes on; or it is cancelled
    await store.connection.query('UPDATE prices SET price = 0');
    const records = await openStore({ url: store.url, logger: silentLogger });
    onEnd(() => records.close());
    const whole = { flow: 'prices', kind: 'replay', isStart: false, options: { from, to: String((await checkpointOf('prices'))?.['position']) } } as const; // prettier-ignore
    const is = (id: string, state: RunState): Promise<boolean> => waitFor(async () => (await readRun(records, id)).state === state);
    for (const end of ['resume', 'cancel'] as const) {
      const id = await createRun(records, whole);
      await setRunWish(records, id, 'pause');
      await is(id, 'paused');
      expect(await rowsOf(store, 'SELECT 1 FROM prices WHERE price > 0')).toHaveLength(end === 'resume' ? 0 : 94);
      await setRunWish(records, id, end);
      await is(id, end === 'resume' ? 'done' : 'cancelled');
    }
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code, daemon.stderr.join('\n')).toBe(0);
    expect(daemon.stderr.filter((line) => /"level":(50|60)/.test(line))).toEqual([]);
  }, 120_000);

  it('L1 L5: while a writer goes on and the daemon is killed, a replay never writes an old image over a newer one, and all agrees at the end', async () => {
    const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
    const random = randomFrom(seed);
    const project = await createProject(server, 10);
    const { source, store, folder, env } = project;
    const writer = await connectTo(server, source.name);
    let version = 0;
    const write = async (): Promise<void> => {
      const id = 1 + Math.floor(random() * 300);
      const kind = random();
      version += 1;
      if (kind < 0.15) await writer.query('DELETE FROM goods WHERE id = ?', [id]);
      else if (kind < 0.25) await writer.query('UPDATE IGNORE goods SET id = ?, version = ? WHERE id = ?', [id + 300, version, id]);
      else if (kind < 0.5) await writer.query('UPDATE goods SET version = ? WHERE id BETWEEN ? AND ?', [version, id, id + 9]);
      else if (kind < 0.7)
        await writer.query('REPLACE INTO words VALUES (?, ?)', [`${random() < 0.5 ? 'w' : 'W'}${id % 50}`, version]);
      else if (kind < 0.75) await writer.query('DELETE FROM words WHERE word = ?', [`w${id % 50}`]);
      else await writer.query('REPLACE INTO goods VALUES (?, ?)', [id, version]);
    };
    for (let i = 0; i < 60; i += 1) {
      await writer.beginTransaction();
      for (let n = 0; n < 20; n += 1) await write();
      await writer.commit();
    }
    // slow enough for a kill to come before the end of the replay
    const slow = price(10).replace('run(flow, rows) {', 'async run(flow, rows) { await new Promise((go) => setTimeout(go, 30));');
    await writeFile(`${folder}/functions/Price.ts`, slow);
    const start = (): Promise<DaemonProcess> =>
      spawnDaemon(['run', '--lease-ttl', '600', '--log-level', 'warn'], { cwd: folder, env });
    let daemon = await start();
    await waitFor(() => expectPrices(project, 10), { deadlineMs: 30_000, what: daemon.stderr.join('\n') });
    // each row's version, as it was written last: what is lower is from an old image
    await store.connection
      .query(`CREATE TABLE seen (id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, version INT, downs INT DEFAULT 0);
      CREATE TRIGGER seen_insert AFTER INSERT ON prices FOR EACH ROW INSERT INTO seen (id, version) VALUES (NEW.id, NEW.version)
        ON DUPLICATE KEY UPDATE downs = downs + (NEW.version < seen.version), version = GREATEST(seen.version, NEW.version);
      CREATE TRIGGER seen_update AFTER UPDATE ON prices FOR EACH ROW INSERT INTO seen (id, version) VALUES (NEW.id, NEW.version)
        ON DUPLICATE KEY UPDATE downs = downs + (NEW.version < seen.version), version = GREATEST(seen.version, NEW.version)`);
    const stop = new AbortController();
    onEnd(async () => stop.abort());
    const writing = (async () => {
      while (!stop.signal.aborted) {
        await write();
        await sleep(5, stop.signal);
      }
    })();
    await runLine(project, ['replay', 'prices', '--from', project.start, '--detach']);
    const run = async (): Promise<RowDataPacket | undefined> =>
      (
        await rowsOf(store, 'SELECT r.state, t.rows_done AS n, t.chunks FROM kis_run r LEFT JOIN kis_run_table t ON t.run = r.id')
      )[0];
    for (let i = 0; i < 2; i += 1) {
      const before = Number((await run())?.['n'] ?? 0);
      await waitFor(async () => Number((await run())?.['n'] ?? 0) > before + 20, { deadlineMs: 20_000, pollMs: 5 });
      daemon.kill('SIGKILL');
      await daemon.waitForExit();
      if (i === 0) expect((await run())?.['state'], 'the first kill comes before the end').toBe('running');
      daemon = await start();
    }
    await waitFor(
      async () => {
        const now = await run();
        if (now?.['state'] !== 'done') throw new Error(`seed ${seed}: ${JSON.stringify(now)}\n${daemon.stderr.join('\n')}`);
        return true;
      },
      { deadlineMs: 60_000 },
    );
    stop.abort();
    await writing;
    await waitFor(() => expectPrices(project, 10), { deadlineMs: 20_000, what: `seed ${seed}` });
    expect(await rowsOf(store, 'SELECT * FROM seen WHERE downs > 0'), `seed ${seed}`).toEqual([]);
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
  }, 120_000);
});
