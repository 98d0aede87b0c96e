import { expect, it } from 'vitest';
import { DumpConnection } from '../../src/source/dump-connection.ts';
import { connectTo, startPrivateServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from '../source/reading.ts';

const BLOB_BYTES = 50_000_000;
const BLOBS = 88;

/** One transaction makes a file that large: binlogs are rotated between transactions only. It takes 9 GB of disk for a minute. */
it('L2, L3: without GTIDs, a reader goes on behind a transaction that ends beyond 4 GiB of its file', async () => {
  const server = await startPrivateServer('mysql', {
    gtid_mode: 'OFF',
    enforce_gtid_consistency: 'OFF',
    max_allowed_packet: 128 * 1024 * 1024,
    sync_binlog: 0,
    innodb_flush_log_at_trx_commit: 0,
  });
  const connection = await connectTo(server);
  await connection.query('CREATE DATABASE d');
  await connection.query('USE d');
  await connection.query('CREATE TABLE t (id INT PRIMARY KEY)');
  // Keeps nothing but its log.
  await connection.query('CREATE TABLE large (id INT PRIMARY KEY, b LONGBLOB) ENGINE=BLACKHOLE');
  const source = openSource(server.url, { silenceMs: 60_000 });
  const from = await source.resolve({ kind: 'latest' }, never);
  await connection.query('BEGIN');
  await connection.query('INSERT INTO t VALUES (1)');
  for (let id = 0; id < BLOBS; id += 1) await connection.query('INSERT INTO large VALUES (?, REPEAT(?, ?))', [id, 'b', BLOB_BYTES]);
  await connection.query('INSERT INTO t VALUES (2)');
  await connection.query('COMMIT');
  const wants = (schema: string, table: string) => inSchema('d')(schema, table) && table === 't';
  const first = new Reading(source, { from, wants });
  await first.until('the large transaction', ({ positions }) => positions.length > 0, 120_000);
  await first.stop();
  const [behind] = first.positions;
  if (behind === undefined) throw new Error('no position');
  expect(behind).toMatchObject({ file: from.file, gtid: '' });
  expect(behind.offset).toBeGreaterThan(2 ** 32);
  expect(first.ids()).toEqual([1, 2]);

  await connection.query('INSERT INTO t VALUES (3)');
  const startedAt = performance.now();
  const second = new Reading(source, { from: behind, wants });
  await second.until('the row behind it', (reading) => reading.ids().includes(3), 120_000);
  console.log(`resumed at ${behind.file}:${behind.offset} after ${Math.round(performance.now() - startedAt)} ms`);
  expect(second.ids()).toEqual([3]);
  await second.stop();
  expect(second.positions.map(({ file }) => file)).not.toContain(behind.file);

  // The longer way that a place has 64 bits in is closed without GTIDs: the dump says so.
  const refusal = await new Promise<Error>((resolve, reject) => {
    const dump = new DumpConnection({
      url: server.url,
      flavour: 'mysql',
      connectTimeoutMs: 10_000,
      heartbeatMs: 1000,
      isBounded: true,
      serverId: 77,
      from: { gtid: '' },
      onEvent: () => {},
      onEnd: () => reject(new Error('not refused')),
      onError: resolve,
    });
    setTimeout(() => dump.close(), 5000).unref();
  });
  expect(refusal.message).toMatch(/GTID_MODE = OFF/);
});
