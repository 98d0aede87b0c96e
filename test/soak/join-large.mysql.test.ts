import { expect, test } from 'vitest';
import { createFolder } from '../support/daemon-process.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { runUntilCurrent } from '../daemon/run-project.ts';

function configuration(shop: string): string {
  return `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: flow
flow_name: cities
source: {name: main, tables: [${shop}.orders, ${shop}.customers], rows: change, start: earliest}
flows: [{fname: Join}, {fname: Count}]
---
kistype: func
fname: Join
fmode: Calculate
operator: join
with: {left: ${shop}.orders, right: ${shop}.customers, on: [city], take: {customer: id}}
---
kistype: func
fname: Count
fmode: Save
operator: aggregate
with: {key: [city], fields: {pairs: count()}}
option: {cname: counts}
---
kistype: conn
cname: counts
type: mysql
addrs: store
key: counts
`;
}

eachServer((_flavour, server) => {
  test(
    'a batch that would join too many rows is halved, and a change that would alone is a dead row',
    { timeout: 240_000 },
    async () => {
      const [shop, store] = [await createDatabase(server, 'shop'), await createDatabase(server, 'store')];
      const sql = shop.connection;
      await sql.query(
        'CREATE TABLE orders (id INT PRIMARY KEY, city VARCHAR(9)); CREATE TABLE customers (id INT PRIMARY KEY, city VARCHAR(9))',
      );
      const insert = (table: string, ids: { readonly from: number; readonly to: number }, city: string) => {
        const rows = Array.from({ length: ids.to - ids.from }, (_, n) => [ids.from + n, city]);
        return sql.query(`INSERT INTO ${table} VALUES ?`, [rows]);
      };
      await insert('orders', { from: 0, to: 100_001 }, 'Rome');
      await insert('orders', { from: 200_000, to: 200_300 }, 'Oslo');
      await insert('customers', { from: 1, to: 2 }, 'Rome');
      await insert('customers', { from: 1000, to: 1400 }, 'Oslo');
      const folder = await createFolder({
        'conf/shop.yml': configuration(shop.name),
        'migrations/001.sql': 'CREATE TABLE counts (city VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY, pairs INT NOT NULL);\n',
      });
      await runUntilCurrent({ folder, env: { SOURCE_URL: server.url, STORE_URL: `${server.url}/${store.name}` } });
      const [counts] = await store.connection.query('SELECT city, pairs FROM counts');
      expect(counts).toEqual([{ city: 'Oslo', pairs: 120_000 }]);
      const [dead] = await store.connection.query('SELECT fname, code, source_table FROM kis_dead_row');
      expect(dead).toEqual([{ fname: 'Join', code: 'JOIN_TOO_LARGE', source_table: `${shop.name}.customers` }]);
    },
  );
});
