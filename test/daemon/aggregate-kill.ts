import type { RowDataPacket } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { createShopProject } from '../support/shop-project.ts';
import { killUnderLoad, type KillOptions } from './kill.ts';

const flowOf = (name: string, source: string, fields: string): string => `kistype: flow
flow_name: ${name}
source: {name: main, tables: [${source}.orders], rows: change, start: earliest}
batch: {rows: 500}
flows: [{fname: ${name}}]
---
kistype: func
fname: ${name}
fmode: Save
operator: aggregate
with: {key: [customer], fields: {${fields}}}
option: {cname: ${name}}
---
kistype: conn
cname: ${name}
type: mysql
addrs: store
key: ${name}
`;

const shared = `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
`;

/** What `sums` can carry in its computed table alone, and what `figures` has to count beside it: each a plan of the operator. */
const configuration = (source: string): string =>
  `${shared}${flowOf('sums', source, 'n: count(), total: sum(cents), average: avg(cents)')}---\n${flowOf(
    'figures',
    source,
    'n: count(), noted: count(note), total: sum(cents), average: avg(cents), least: min(cents), greatest: max(note), notes: distinct(note)',
  )}`;

const migration = `CREATE TABLE sums (customer INT PRIMARY KEY, n BIGINT NOT NULL, total BIGINT NOT NULL, average DECIMAL(24,4) NOT NULL);
CREATE TABLE figures (customer INT PRIMARY KEY, n BIGINT NOT NULL, noted BIGINT NOT NULL, total BIGINT NOT NULL, average DECIMAL(24,4) NOT NULL,
  least INT NOT NULL, greatest VARCHAR(200) COLLATE utf8mb4_bin, notes BIGINT NOT NULL);
`;

/** Kills a daemon that keeps aggregates with -9 at random moments; in the end they are what GROUP BY says. */
export async function killAndAggregate(server: SqlAddress, options: KillOptions): Promise<void> {
  const project = await createShopProject({
    source: server,
    store: server,
    start: 'earliest',
    files: { 'migrations/001-tables.sql': migration },
  });
  const { source, store } = project;
  await writeFile(join(project.folder, 'conf/shop.yml'), configuration(source.name));
  await killUnderLoad(server, project, { ...options, pauseMs: 20 });
  const plans = await rowsOf(store.connection, 'SELECT fname, plan FROM kis_aggregate ORDER BY fname');
  expect(plans.map(({ plan }) => plan)).toEqual(['counts', 'increments']);
  const average = 'CAST(SUM(cents) / COUNT(*) AS DECIMAL(24,4)) AS average';
  const wanted = await rowsOf(
    source.connection,
    `SELECT customer, COUNT(*) AS n, COUNT(note) AS noted, SUM(cents) AS total, ${average}, MIN(cents) AS least,
       MAX(note COLLATE utf8mb4_bin) AS greatest, COUNT(DISTINCT note) AS notes FROM orders GROUP BY customer ORDER BY customer`,
  );
  expect(wanted.length).toBeGreaterThan(10);
  const what = `seed ${options.seed}`;
  expect(await rowsOf(store.connection, 'SELECT * FROM figures ORDER BY customer'), what).toEqual(wanted);
  const sums = await rowsOf(
    source.connection,
    `SELECT customer, COUNT(*) AS n, SUM(cents) AS total, ${average} FROM orders GROUP BY customer ORDER BY customer`,
  );
  expect(await rowsOf(store.connection, 'SELECT * FROM sums ORDER BY customer'), what).toEqual(sums);
}

async function rowsOf(connection: Connection, sql: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)])));
}
