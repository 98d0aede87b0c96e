import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, ResultSetHeader } from 'mysql2/promise';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { createFolder } from './daemon-process.ts';
import { createDatabase, type TestDatabase } from './servers.ts';
import { waitFor } from './wait-for.ts';

/**
 * A project that the tests of the daemon share: orders at the source, in the store a mirror of them (plain upserts) and a sum
 * for each customer kept by increments, which any doubled or lost effect spoils for good.
 */
export interface ShopProject {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly source: TestDatabase;
  readonly store: TestDatabase;
  readonly storeServer: SqlAddress;
}

export interface ShopOptions {
  readonly source: SqlAddress;
  readonly store: SqlAddress;
  /** The source's url when it is not the server's own (through a proxy). */
  readonly sourceUrl?: string;
  readonly storeUrl?: string;
  readonly start?: string;
  /** More lines of the global document. */
  readonly global?: string;
  /** More lines of the flow `mirror`. */
  readonly mirror?: string;
  /** More files, or other ones in place of the project's own. */
  readonly files?: Readonly<Record<string, string>>;
}

const totals = `import { defineFunction } from 'kisflow';

const sign = { before: -1, after: 1 };

export default defineFunction({
  name: 'AddTotals',
  async run(flow, rows) {
    const sums = new Map();
    for (const row of rows) {
      for (const side of ['before', 'after']) {
        const image = row[side];
        if (image === null) continue;
        const sum = sums.get(image.customer) ?? { n: 0, cents: 0 };
        sum.n += sign[side];
        sum.cents += sign[side] * image.cents;
        sums.set(image.customer, sum);
      }
    }
    for (const [customer, { n, cents }] of sums) {
      await flow.getConnector().query(
        'INSERT INTO totals (customer, n, cents) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE n = n + VALUES(n), cents = cents + VALUES(cents)',
        [customer, n, cents],
      );
    }
  },
});
`;

function configuration(source: string, options: Pick<ShopOptions, 'start' | 'global' | 'mirror'>): string {
  const { start = 'latest', global = '', mirror = '' } = options;
  return `kistype: global
store: {url: "\${STORE_URL}"}
${global}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: flow
flow_name: mirror
source: {name: main, tables: [${source}.orders], rows: change, start: ${start}}
${mirror}
flows: [{fname: SaveOrders}]
---
kistype: func
fname: SaveOrders
fmode: Save
option: {cname: orders_copy}
---
kistype: conn
cname: orders_copy
type: mysql
addrs: store
key: orders_copy
---
kistype: flow
flow_name: totals
source: {name: main, tables: [${source}.orders], rows: change, start: ${start}}
flows: [{fname: AddTotals}]
---
kistype: func
fname: AddTotals
fmode: Save
option: {cname: totals}
---
kistype: conn
cname: totals
type: mysql
addrs: store
key: totals
`;
}

/** The project in a folder of its own, with its databases; all of it goes at the end of the test. */
export async function createShopProject(options: ShopOptions): Promise<ShopProject> {
  const source = await createDatabase(options.source, 'shop');
  const store = await createDatabase(options.store, 'store');
  await source.connection.query(
    'CREATE TABLE orders (id INT PRIMARY KEY, customer INT NOT NULL, cents INT NOT NULL, note VARCHAR(200)); CREATE TABLE noise (id INT AUTO_INCREMENT PRIMARY KEY, v INT)',
  );
  const folder = await createFolder({
    'conf/shop.yml': configuration(source.name, options),
    'functions/AddTotals.ts': totals,
    'migrations/001-tables.sql':
      'CREATE TABLE orders_copy (id INT PRIMARY KEY, customer INT NOT NULL, cents INT NOT NULL, note VARCHAR(200));\n' +
      'CREATE TABLE totals (customer INT PRIMARY KEY, n BIGINT NOT NULL, cents BIGINT NOT NULL);\n',
    ...options.files,
  });
  const env = {
    SOURCE_URL: options.sourceUrl ?? options.source.url,
    STORE_URL: `${options.storeUrl ?? options.store.url}/${store.name}`,
  };
  return { folder, env, source, store, storeServer: options.store };
}

/** Changes the orders until told to stop: transactions of all sizes, with updates, deletes, key changes and rollbacks. */
export async function writeOrders(
  connection: Connection,
  options: {
    readonly signal: AbortSignal;
    readonly random: () => number;
    readonly pauseMs?: number;
    /** Ids below were used before. */
    readonly first?: number;
    readonly onTransaction?: () => void;
  },
): Promise<number> {
  const { signal, random, pauseMs = 0, first = 1, onTransaction } = options;
  const int = (below: number): number => Math.floor(random() * below);
  let next = first;
  let transactions = 0;
  while (!signal.aborted) {
    await connection.beginTransaction();
    for (let i = int(4); i >= 0; i -= 1) {
      const kind = int(10);
      if (kind < 5) {
        const size = int(20) === 0 ? 3000 : 1 + int(40);
        const rows = Array.from({ length: size }, () => [(next += 1), int(50), int(100_000), 'x'.repeat(int(100))]);
        await connection.query('INSERT INTO orders (id, customer, cents, note) VALUES ?', [rows]);
      } else if (kind < 8)
        await connection.query('UPDATE orders SET cents = cents + ?, customer = (customer + 1) % 50 WHERE id % 97 = ?', [
          int(100),
          int(97),
        ]);
      else if (kind === 8) await connection.query('DELETE FROM orders WHERE id % 211 = ?', [int(211)]);
      else
        await connection.query('UPDATE orders SET id = id + 10000000 WHERE id BETWEEN ? AND ? AND id < 10000000', [
          first + int(next - first),
          first + int(next - first),
        ]);
    }
    await connection.query('INSERT INTO noise (v) VALUES (1)');
    if (int(12) === 0) await connection.rollback();
    else await connection.commit();
    transactions += 1;
    onTransaction?.();
    if (pauseMs > 0) await delay(pauseMs);
  }
  return transactions;
}

/** Rows on which source and store disagree: none, when every effect happened exactly once. Both on one server. */
export async function disagreements({ source, store }: ShopProject): Promise<unknown[]> {
  const mirror = await rowsOf(source.connection, `SELECT * FROM \`${source.name}\`.orders ORDER BY id`);
  const copy = await rowsOf(store.connection, `SELECT * FROM \`${store.name}\`.orders_copy ORDER BY id`);
  const sums = await rowsOf(
    source.connection,
    `SELECT customer, COUNT(*) AS n, SUM(cents) AS cents FROM \`${source.name}\`.orders GROUP BY customer ORDER BY customer`,
  );
  const totalsRows = await rowsOf(
    store.connection,
    `SELECT * FROM \`${store.name}\`.totals WHERE n <> 0 OR cents <> 0 ORDER BY customer`,
  );
  return [...difference('mirror', mirror, copy), ...difference('totals', sums, totalsRows)];
}

async function rowsOf(connection: Connection, sql: string): Promise<string[]> {
  const [rows] = await connection.query<ResultSetHeader[] & Record<string, unknown>[]>(sql);
  return rows.map((row) => JSON.stringify(Object.entries(row).map(String).toSorted()));
}

function difference(what: string, want: readonly string[], have: readonly string[]): unknown[] {
  const wanted = new Set(want);
  const had = new Set(have);
  return [
    ...want.filter((row) => !had.has(row)).map((row) => ({ what, missing: row })),
    ...have.filter((row) => !wanted.has(row)).map((row) => ({ what, extra: row })),
  ].slice(0, 20);
}

/** A repeatable stream of numbers in [0, 1): mulberry32, by its seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export async function insertOrder({ source }: ShopProject, id: number): Promise<void> {
  await source.connection.query('INSERT INTO orders VALUES (?, ?, 100, NULL)', [id, id % 5]);
}

/** Waits until source and store agree to the row. */
export async function agree(project: ShopProject): Promise<void> {
  const agreed = async (): Promise<boolean> => {
    const found = await disagreements(project);
    if (found.length > 0) throw new Error(JSON.stringify(found));
    return true;
  };
  await waitFor(agreed, { deadlineMs: 60_000, pollMs: 100, what: 'agreement' });
}
