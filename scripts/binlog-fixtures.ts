/**
 * Records the events that test/binlog/fuzz.test.ts breaks: every kind of event, from a MySQL and a MariaDB server, with checksums and
 * (`-plain`) without. Run it in the project's folder, where servers can be started (scripts/install-servers.sh), when a server has new
 * events:
 *
 *     node --import tsx scripts/binlog-fixtures.ts
 *
 * A file is the events one behind the other, as the server sent them; each has its size in its header.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import type { SqlFlavour, SqlServer } from '../src/embedded/server.ts';
import { startSqlServer } from '../src/embedded/sql-server.ts';
import { DumpConnection } from '../src/source/dump-connection.ts';

const folder = join(import.meta.dirname, '..', 'test', 'binlog', 'fixtures');

/** A column of every family; what both servers have. */
const COLUMNS = `id INT PRIMARY KEY, i1 TINYINT UNSIGNED, i3 MEDIUMINT, i8 BIGINT UNSIGNED, f FLOAT, d DOUBLE, n DECIMAL(20,7),
  b BIT(12), y YEAR, da DATE, dt DATETIME(3), ts TIMESTAMP(6) NULL, ti TIME(2), c CHAR(10), v VARCHAR(300), bi BINARY(6), bl BLOB,
  t MEDIUMTEXT CHARACTER SET latin1, e ENUM('one', 'two,', 'drei'), s SET('a', 'b', 'c'), g GEOMETRY, j JSON`;

const VALUES = `200, -70000, 18446744073709551615, 0.1, 1e300, '-1234567890123.0000071', b'101010101010', 2024, '2024-02-29',
  '9999-12-31 23:59:59.999', '2001-02-03 04:05:06.000007', '-838:59:58.25', 'char', REPEAT('v', 260), X'0102', X'00ff00',
  'größer', 'two,', 'a,c', ST_GeomFromText('POINT(1 2)'), '{"a": [1, 2.5, null, "x"], "b": {"c": true}, "n": 18446744073709551615}'`;

/** Said to both servers, in order. */
const COMMON = [
  `CREATE TABLE every (${COLUMNS})`,
  `INSERT INTO every VALUES (1, ${VALUES}), (2, ${VALUES})`,
  'INSERT INTO every (id) VALUES (3)',
  'UPDATE every SET i1 = i1 - 1, v = NULL, n = -n WHERE id < 3',
  'DELETE FROM every WHERE id = 3',
  'CREATE TABLE plain (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b TEXT)',
  "BEGIN; INSERT INTO plain (a, b) VALUES (1, 'x'); SAVEPOINT `s p`; INSERT INTO plain (a) VALUES (2); ROLLBACK TO `s p`; COMMIT",
  "XA START 'xa', 'branch', 7; INSERT INTO plain (a) VALUES (3); XA END 'xa', 'branch', 7; XA COMMIT 'xa', 'branch', 7 ONE PHASE",
  'CREATE TABLE copied ENGINE=InnoDB AS SELECT * FROM plain',
  'UPDATE plain, copied SET plain.a = 7, copied.b = 9 WHERE plain.id = copied.id',
  'SET SESSION binlog_row_image = MINIMAL',
  "UPDATE plain SET b = 'minimal' WHERE id = 1",
  'SET SESSION binlog_row_image = NOBLOB',
  'UPDATE plain SET a = 8 WHERE id = 1',
  'SET SESSION binlog_row_image = FULL',
  'SET NAMES latin1',
  "ALTER TABLE plain ADD COLUMN `größe` INT DEFAULT 5 COMMENT 'ä'",
  'SET NAMES utf8mb4',
  'TRUNCATE TABLE copied',
  'DROP TABLE copied',
  'FLUSH BINARY LOGS',
  'SET GLOBAL binlog_row_metadata = MINIMAL',
  "INSERT INTO plain (a, b) VALUES (4, 'minimal metadata')",
  'SET GLOBAL binlog_row_metadata = FULL',
  "SET SESSION binlog_format = STATEMENT; INSERT INTO other.elsewhere VALUES (1, 'a statement')",
  'SET SESSION binlog_format = ROW',
];

const OWN: Readonly<Record<SqlFlavour, readonly string[]>> = {
  mysql: [
    'SET SESSION binlog_rows_query_log_events = ON',
    'UPDATE plain SET a = 10',
    'SET SESSION binlog_transaction_compression = ON',
    "UPDATE plain SET b = REPEAT('compressed', 30), a = 11",
    'BEGIN; UPDATE plain SET a = 12; UPDATE every SET i3 = 5; COMMIT',
    'SET SESSION binlog_transaction_compression = OFF',
    "SET SESSION binlog_row_value_options = 'PARTIAL_JSON'",
    "UPDATE every SET j = JSON_SET(j, '$.a[0]', 5, '$.new', 'text')",
    "UPDATE every SET j = JSON_REMOVE(j, '$.b.c')",
    "SET SESSION binlog_row_value_options = ''",
    "SET SESSION gtid_next = 'AUTOMATIC:tagged'",
    'UPDATE plain SET a = 13',
    "SET SESSION gtid_next = 'AUTOMATIC'",
    'CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3))',
    "INSERT INTO vectors VALUES (1, TO_VECTOR('[1, 2, 3]'))",
  ],
  mariadb: [
    'SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10',
    "UPDATE plain SET b = REPEAT('compressed', 30), a = 11",
    `DELETE FROM every WHERE id = 1; INSERT INTO every VALUES (4, ${VALUES})`,
    'CREATE TABLE second (id INT PRIMARY KEY, comment VARCHAR(40) COMMENT "a statement that is long enough")',
    'SET GLOBAL log_bin_compress = OFF',
    'SET SESSION gtid_domain_id = 5, SESSION server_id = 77',
    'UPDATE plain SET a = 13',
    'CREATE TABLE packed (id INT PRIMARY KEY, v VARCHAR(500) COMPRESSED, t TEXT COMPRESSED, u UUID, i INET6)',
    "INSERT INTO packed VALUES (1, REPEAT('p', 400), REPEAT('q', 900), UUID(), '::1')",
    'SET GLOBAL mysql56_temporal_format = OFF',
    'CREATE TABLE olden (id INT PRIMARY KEY, a TIMESTAMP NULL, b TIME, c DATETIME, d TIMESTAMP(3) NULL, e TIME(1), f DATETIME(6))',
    "INSERT INTO olden VALUES (1, '2001-02-03 04:05:06', '-12:34:56', '2001-02-03 04:05:06', '2001-02-03 04:05:06.789', '1:2:3.4', '2001-02-03 04:05:06.789012')",
    'SET GLOBAL mysql56_temporal_format = ON',
  ],
};

async function record(server: SqlServer, statements: readonly string[]): Promise<Buffer> {
  const { host, port, user, password, flavour } = server;
  const connection = await createConnection({ host, port, user, password, multipleStatements: true });
  await connection.query("SET time_zone = '+00:00'; DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS other");
  await connection.query(flavour === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
  await connection.query('CREATE DATABASE other; CREATE TABLE other.elsewhere (id INT, t TEXT)');
  await connection.query('CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop');
  for (const statement of statements) {
    await connection.query(statement);
    // The row metadata is taken when a table is opened.
    if (statement.includes('binlog_row_metadata')) await connection.query('FLUSH TABLES');
  }
  await connection.end();
  return dump(server);
}

async function dump(server: SqlServer): Promise<Buffer> {
  const events: Buffer[] = [];
  const { url, flavour } = server;
  let end: DumpConnection | undefined;
  await new Promise<void>((resolve, reject) => {
    end = new DumpConnection({
      url,
      flavour,
      connectTimeoutMs: 10_000,
      serverId: 4_000_000_000,
      from: { file: 'binlog.000001', offset: 4 },
      isBounded: true,
      heartbeatMs: 1000,
      onEvent: (event) => void events.push(Buffer.from(event)),
      onEnd: resolve,
      onError: reject,
    });
  });
  end?.close();
  return Buffer.concat(events);
}

for (const flavour of ['mysql', 'mariadb'] as const) {
  for (const checksum of ['CRC32', 'NONE']) {
    const server = await startSqlServer({ flavour, settings: { binlog_checksum: checksum } });
    // Without checksums fewer kinds will do.
    const statements = checksum === 'NONE' ? COMMON.slice(0, 5) : [...COMMON, ...OWN[flavour]];
    const bytes = await record(server, statements);
    await writeFile(join(folder, `${flavour}${checksum === 'NONE' ? '-plain' : ''}.bin`), bytes);
    await server.stop();
    console.log(`${flavour} ${checksum}: ${bytes.length} bytes`);
  }
}
