import { readFileSync } from 'node:fs';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { createFolder, spawnDaemon, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo, createDatabase, eachServer, startPrivateServer, type TestDatabase } from '../support/servers.ts';
import { randomFrom } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
const rowCount = Number(process.env.KISFLOW_ROWS ?? 5_000_000);
const kills = 3;

const configuration = (source: string): string => `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: flow
flow_name: mirror
source: {name: main, tables: [${source}.t], rows: change, start: latest}
flows: [{fname: SaveT}]
---
kistype: func
fname: SaveT
fmode: Save
option: {cname: t}
---
kistype: conn
cname: t
type: mysql
addrs: store
key: t
`;

const table = 'CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, note VARCHAR(40) NOT NULL)';

/** Peak resident memory of a process in MB. */
function peakMb(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function start(folder: string, env: Readonly<Record<string, string>>): Promise<DaemonProcess> {
  const daemon = await spawnDaemon(['run', '--lease-ttl', '2000'], { cwd: folder, env });
  await daemon.waitForLine(/flow runs/, 60_000);
  return daemon;
}

async function count(store: TestDatabase): Promise<number> {
  const [rows] = await store.connection.query<RowDataPacket[]>('SELECT COUNT(*) AS n FROM t');
  return Number(rows[0]?.['n']);
}

async function checksum({ connection }: TestDatabase): Promise<unknown> {
  const sql = "SELECT COUNT(*) AS n, SUM(id) AS ids, SUM(v) AS vs, BIT_XOR(CRC32(CONCAT_WS('#', id, v, note))) AS crc FROM t";
  return (await connection.query<RowDataPacket[]>(sql))[0][0];
}

/** One transaction; the digits make the rows on the server. */
async function writeAtOnce(source: TestDatabase): Promise<void> {
  const digits =
    '(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)';
  const places = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];
  const id = places.map((place, i) => `a${i}.d * ${place}`).join(' + ');
  const from = places.map((_, i) => `${digits} a${i}`).join(', ');
  await source.connection.query(
    `INSERT INTO t SELECT id, id % 997, CONCAT('row ', id) FROM (SELECT ${id} AS id FROM ${from}) n WHERE id < ${rowCount}`,
  );
}

eachServer((flavour) => {
  it(`L1 L2 L7 a transaction of ${rowCount} rows, killed in the middle (seed ${seed}): all of it, once, in less than 300 MB`, async () => {
    const settings = { max_binlog_cache_size: 4_294_967_296, innodb_buffer_pool_size: '512M' };
    const server = await startPrivateServer(flavour, settings);
    const source = await createDatabase(server, 'origin');
    const store = await createDatabase(server, 'copy');
    for (const { connection } of [source, store]) await connection.query(table);
    const folder = await createFolder({ 'conf/mirror.yml': configuration(source.name) });
    const env = { SOURCE_URL: server.url, STORE_URL: store.url };
    const random = randomFrom(seed);
    let daemon = await start(folder, env);
    const since = performance.now();
    await writeAtOnce(source);
    const written = performance.now();
    const peaks: number[] = [];
    for (let kill = 1; kill <= kills; kill += 1) {
      const until = ((kill - 1 + random()) / (kills + 1)) * rowCount;
      await waitFor(async () => (await count(store)) > until, { deadlineMs: 1_800_000, pollMs: 1000, what: `${until} rows` });
      peaks.push(peakMb(daemon.pid));
      daemon.kill('SIGKILL');
      await daemon.waitForExit();
      daemon = await start(folder, env);
    }
    await waitFor(async () => (await count(store)) === rowCount, { deadlineMs: 3_600_000, pollMs: 1000, what: 'all rows' });
    const seconds = (performance.now() - written) / 1000;
    peaks.push(peakMb(daemon.pid));
    expect(await checksum(store)).toEqual(await checksum(source));
    const own = await connectTo(server, store.name);
    const [checkpoints] = await own.query<RowDataPacket[]>("SELECT rows_total FROM kis_checkpoint WHERE flow = 'mirror'");
    expect(Number(checkpoints[0]?.['rows_total'])).toBe(rowCount);
    process.stdout.write(
      `five-million: ${flavour} written in ${((written - since) / 1000).toFixed(0)} s, mirrored in ${seconds.toFixed(0)} s, ` +
        `peak MB ${peaks.map((peak) => peak.toFixed(0)).join(' ')}\n`,
    );
    expect(Math.max(...peaks)).toBeLessThan(300);
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  });
});
