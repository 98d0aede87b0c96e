import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { createDatabase, eachServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

/** Of all kinds: nothing to compress, words, runs, and the same again from far away. */
const BODIES = [
  `(SELECT GROUP_CONCAT(SHA2(CONCAT(a.n, b.n, c.n), 512) SEPARATOR '') FROM d a, d b, d c)`,
  `(SELECT GROUP_CONCAT(CONCAT_WS(' ', 'the order of', a.n * 7919 % 1000, 'came at', b.n * c.n, 'o''clock') SEPARATOR ', ') FROM d a, d b, d c)`,
  `REPEAT('run', 100000)`,
  `(SELECT CONCAT(MAX(v), REPEAT('between', 30000), MAX(v)) FROM t)`,
  `REPEAT(SHA2('again', 512), 5000)`,
];

eachServer((flavour, server) => {
  it('L8: a transaction that the server compressed at any level holds what the table holds', async () => {
    const { name, connection } = await createDatabase(server);
    await connection.query('SET group_concat_max_len = 10000000');
    await connection.query('CREATE TABLE d (n INT PRIMARY KEY); INSERT INTO d VALUES (1)');
    for (let n = 2; n <= 16; n += 1) await connection.query('INSERT INTO d VALUES (?)', [n]);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT)');
    const source = openSource(server.url);
    const from = await source.resolve({ kind: 'latest' }, never);
    await connection.query(
      flavour === 'mysql' ? 'SET SESSION binlog_transaction_compression = ON' : 'SET GLOBAL log_bin_compress = ON',
    );
    for (const level of [1, 3, 22]) {
      if (flavour === 'mysql') await connection.query(`SET SESSION binlog_transaction_compression_level_zstd = ${level}`);
      await connection.query('BEGIN');
      for (const body of BODIES) await connection.query(`INSERT INTO t (v) SELECT ${body}`);
      await connection.query('COMMIT');
    }
    if (flavour === 'mariadb') await connection.query('SET GLOBAL log_bin_compress = OFF');
    const [rows] = await connection.query({ sql: 'SELECT id, SHA2(v, 256) FROM t ORDER BY id', rowsAsArray: true });
    const reading = new Reading(source, { from, wants: inSchema(name) });
    await reading.until('all rows', ({ changes }) => changes.length === 3 * BODIES.length);
    const sums = reading.changes.map(({ after }) => [
      after?.['id'],
      createHash('sha256').update(String(after?.['v'])).digest('hex'),
    ]);
    expect(sums).toEqual(rows);
    expect(reading.changes.reduce((bytes, { after }) => bytes + String(after?.['v']).length, 0)).toBeGreaterThan(6_000_000);
  });
});
