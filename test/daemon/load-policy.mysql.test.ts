import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { eachServer } from '../support/servers.ts';
import { createShopProject, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { runLine, runUntilCurrent, storeRows } from './run-project.ts';
import { itLong } from '../support/long.ts';

/** Two flows joined through a connector: one copies the customers, the other gives each order its customer's name. */
function configuration(option: string): string {
  return `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: flow
flow_name: customers
source: {name: main, tables: ["shop_*.customers"], start: latest}
flows: [{fname: SaveCustomers}]
---
kistype: func
fname: SaveCustomers
fmode: Save
option: {cname: customers}
---
kistype: flow
flow_name: named
source: {name: main, tables: ["shop_*.orders"], start: latest}
flows: [{fname: LoadCustomer, params: {key: customer}}, {fname: SaveNamed}]
---
kistype: func
fname: LoadCustomer
fmode: Load
option: {cname: customers, ${option}}
---
kistype: func
fname: SaveNamed
fmode: Save
option: {cname: named}
---
kistype: conn
cname: customers
type: mysql
addrs: store
key: customers
---
kistype: conn
cname: named
type: mysql
addrs: store
key: named
`;
}

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

const tables = `CREATE TABLE customers (customer INT PRIMARY KEY, name VARCHAR(50));
CREATE TABLE named (id INT PRIMARY KEY, customer INT, cents INT, note VARCHAR(200), name VARCHAR(50));
`;

async function joinedProject(server: SqlAddress, option: string): Promise<ShopProject> {
  const project = await createShopProject({
    source: server,
    store: server,
    files: { 'conf/shop.yml': '', 'migrations/001-tables.sql': tables },
  });
  await writeFile(`${project.folder}/conf/shop.yml`, configuration(option).replaceAll('shop_*', project.source.name));
  await project.source.connection.query('CREATE TABLE customers (customer INT PRIMARY KEY, name VARCHAR(50))');
  await runUntilCurrent(project);
  return project;
}

async function startRunning(project: ShopProject): Promise<DaemonProcess> {
  const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
  await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
  return daemon;
}

/** At how many of 20 moments nobody has the flow's checkpoint locked: a transaction that is open has. */
async function countFree(project: ShopProject): Promise<number> {
  let free = 0;
  for (let i = 0; i < 20; i += 1) {
    const isFree = await storeRows(project, "SELECT flow FROM kis_checkpoint WHERE flow = 'named' FOR UPDATE NOWAIT").then(
      () => true,
      () => false,
    );
    if (isFree) free += 1;
    await delay(100); // the moments are apart
  }
  return free;
}

const named = (project: ShopProject) => storeRows(project, 'SELECT id, name FROM named ORDER BY id');
const dead = (project: ShopProject) => storeRows(project, 'SELECT code, fname, row_key FROM kis_dead_row ORDER BY id');

eachServer((_flavour, server) => {
  describe('a Load whose row is not there yet', { timeout: 120_000 }, () => {
    it('missing: null passes the row on as it is', async () => {
      const project = await joinedProject(server, 'missing: null');
      await project.source.connection.query('INSERT INTO orders VALUES (1, 7, 100, NULL)');
      await runUntilCurrent(project);
      expect(await named(project)).toEqual([{ id: 1, name: null }]);
      expect(await dead(project)).toEqual([]);
    });

    it('missing: dead-row makes it a dead row, and the others go on', async () => {
      const project = await joinedProject(server, 'missing: dead-row');
      await project.source.connection.query("INSERT INTO customers VALUES (1, 'Ann')");
      await runUntilCurrent(project);
      await project.source.connection.query(
        'INSERT INTO orders VALUES (1, 1, 100, NULL), (2, 7, 100, NULL), (3, 1, 100, NULL), (4, 8, 1, NULL)',
      );
      await runUntilCurrent(project);
      expect(await named(project)).toEqual([
        { id: 1, name: 'Ann' },
        { id: 3, name: 'Ann' },
      ]);
      expect(await dead(project)).toEqual([
        { code: 'LOAD_ROW_MISSING', fname: 'LoadCustomer', row_key: '{"id":2}' },
        { code: 'LOAD_ROW_MISSING', fname: 'LoadCustomer', row_key: '{"id":4}' },
      ]);
    });

    it('L4 L5 missing: wait puts the row aside with later changes of its key, others go on, and no lock is held meanwhile', async () => {
      const project = await joinedProject(server, 'missing: wait, wait_ms: 60000');
      const { connection } = project.source;
      const daemon = await startRunning(project);
      await connection.query("INSERT INTO customers VALUES (1, 'Ann')");
      await waitFor(async () => (await storeRows(project, 'SELECT * FROM customers')).length === 1);
      await connection.query('INSERT INTO orders VALUES (1, 7, 100, NULL), (2, 1, 100, NULL)');
      await daemon.waitForLine(/"flow":"named".*LOAD_ROW_MISSING.*wait apart/);
      await connection.query('UPDATE orders SET customer = 1, cents = 5 WHERE id = 1');
      await connection.query('INSERT INTO orders VALUES (3, 1, 100, NULL)');
      await waitFor(async () => (await named(project)).length === 2);
      expect(await named(project)).toEqual([
        { id: 2, name: 'Ann' },
        { id: 3, name: 'Ann' },
      ]);
      expect(await countFree(project)).toBeGreaterThan(5); // a transaction that stays open leaves none
      const list = await runLine(project, ['dead-rows', 'list', '--flow', 'named']);
      expect(list).toMatch(/^ *\d+ +waiting +named +LoadCustomer +LOAD_ROW_MISSING .*\{"id":1\} +insert /m);
      expect(list).toMatch(/^ *\d+ +parked +named +- +ROW_PARKED .*\{"id":1\} +update /m);
      expect(await runLine(project, ['status'])).toMatch(
        /^named +running [^]*named: 1 row waits for what a Load function did not find[^]*1 later change of their keys waits behind/m,
      );
      await connection.query("INSERT INTO customers VALUES (7, 'Cy')");
      await waitFor(async () => (await named(project)).length === 3, { deadlineMs: 20_000 });
      await waitFor(async () => (await dead(project)).length === 0);
      // the update behind it came second
      expect(await storeRows(project, 'SELECT customer, cents, name FROM named WHERE id = 1')).toEqual([
        { customer: 1, cents: 5, name: 'Ann' },
      ]);
      daemon.kill('SIGTERM');
      expect((await daemon.waitForExit()).code).toBe(0);
    });

    itLong('L1 L5 missing: wait outlasts a kill -9; customers that come in any order leave the join as it should be', async () => {
      const project = await joinedProject(server, 'missing: wait, wait_ms: 600000');
      const { connection } = project.source;
      const random = randomFrom(seed);
      const int = (below: number): number => Math.floor(random() * below);
      let daemon = await startRunning(project);
      const customers = Array.from({ length: 40 }, (_, i) => i + 1).sort(() => random() - 0.5);
      for (let i = 1; i <= 600; i += 1) {
        const kind = int(4);
        if (kind === 0)
          await connection.query('UPDATE orders SET customer = ?, cents = ? WHERE id = ?', [1 + int(40), i, 1 + int(i)]);
        else await connection.query('INSERT INTO orders VALUES (?, ?, ?, NULL)', [i, 1 + int(40), i]);
        const next = i % 15 === 0 ? customers.pop() : undefined;
        if (next !== undefined) await connection.query('INSERT INTO customers VALUES (?, ?)', [next, `c${next}`]);
        if (i % 200 !== 0) continue;
        daemon.kill('SIGKILL');
        await daemon.waitForExit();
        daemon = await startRunning(project);
      }
      await waitFor(async () => (await dead(project)).length === 0, { deadlineMs: 60_000 });
      daemon.kill('SIGTERM');
      expect((await daemon.waitForExit()).code).toBe(0);
      await runUntilCurrent(project);
      const expected = `SELECT o.id, o.customer, o.cents, c.name FROM ${project.source.name}.orders o
        JOIN ${project.source.name}.customers c ON c.customer = o.customer ORDER BY o.id`;
      const [rows] = await connection.query(expected);
      expect(await storeRows(project, 'SELECT id, customer, cents, name FROM named ORDER BY id'), `seed ${seed}`).toEqual(rows);
    });

    it('missing: wait makes it a dead row when the time has passed, all rows of the batch after one wait', async () => {
      const project = await joinedProject(server, 'missing: wait, wait_ms: 1500');
      await project.source.connection.query("INSERT INTO customers VALUES (1, 'Ann')");
      await runUntilCurrent(project);
      await project.source.connection.query(
        'INSERT INTO orders VALUES (1, 7, 1, NULL), (2, 8, 1, NULL), (3, 1, 1, NULL), (4, 9, 1, NULL)',
      );
      const startedAt = performance.now();
      await runUntilCurrent(project);
      expect(performance.now() - startedAt).toBeGreaterThan(1500);
      expect(await named(project)).toEqual([{ id: 3, name: 'Ann' }]);
      expect((await dead(project)).map((row) => String(row['row_key']))).toEqual(['{"id":1}', '{"id":2}', '{"id":4}']);
      const [spread] = await storeRows(
        project,
        'SELECT TIMESTAMPDIFF(MICROSECOND, MIN(created_at), MAX(created_at)) AS us FROM kis_dead_row',
      );
      expect(Number(spread?.['us'])).toBeLessThan(1_000_000);
    });

    it('missing: wait with on_bad_row: stop stops the flow when the time has passed, and those behind have not overtaken', async () => {
      const project = await joinedProject(server, 'missing: wait, wait_ms: 1000');
      const file = `${project.folder}/conf/shop.yml`;
      await writeFile(file, (await readFile(file, 'utf8')).replace('flow_name: named', 'flow_name: named\non_bad_row: stop'));
      await project.source.connection.query("INSERT INTO customers VALUES (1, 'Ann')");
      await runUntilCurrent(project);
      await project.source.connection.query('INSERT INTO orders VALUES (1, 7, 1, NULL), (2, 1, 1, NULL)');
      await project.source.connection.query('UPDATE orders SET customer = 1 WHERE id = 1');
      expect(await runUntilCurrent(project, 1)).toMatch(/LOAD_ROW_MISSING/);
      expect(await named(project)).toEqual([{ id: 2, name: 'Ann' }]);
      await project.source.connection.query("INSERT INTO customers VALUES (7, 'Cy')");
      const other = await startCommand(['run', '--until-current'], { cwd: project.folder, env: project.env });
      await other.waitForExit(60_000); // the other flow goes on; which of them is first is not said
      await runUntilCurrent(project);
      expect(await named(project)).toEqual([
        { id: 1, name: 'Ann' },
        { id: 2, name: 'Ann' },
      ]);
      expect(await dead(project)).toEqual([]);
    });
  });
});
