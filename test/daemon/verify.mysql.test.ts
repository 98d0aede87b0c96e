import { writeFile } from 'node:fs/promises';
import type { Connection, ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { sleep } from '../../src/lib/abort.ts';
import { spawnDaemon, startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { agree, createShopProject, disagreements, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { databasesOf, fillOrders } from './rebuilding.ts';
import { runLine, storeRows } from './run-project.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

/** Two flows that write one table: each owns a column of it, and each deletes rows. */
function halves(source: string): string {
  const half = (name: string, column: string): string => `---
kistype: flow
flow_name: ${name}
source: {name: main, tables: [${source}.orders], rows: change, columns: [${column}], start: snapshot}
flows: [{fname: Save${name}}]
---
kistype: func
fname: Save${name}
fmode: Save
option: {cname: ${name}}
---
kistype: conn
cname: ${name}
type: mysql
addrs: store
key: halves
params: {columns: ${column}}
`;
  return half('left', 'customer') + half('right', 'cents');
}

/** Asks as a command does, and waits for the end; what was found, by flow. */
async function verify({ store }: ShopProject, flows: readonly string[], options = {}): Promise<readonly RowDataPacket[]> {
  const ids: number[] = [];
  for (const flow of flows) {
    const [{ insertId }] = await store.connection.query<ResultSetHeader>(
      "INSERT INTO kis_run (flow, kind, state, options, created_at, updated_at) VALUES (?, 'verify', 'waiting', ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))",
      [flow, JSON.stringify(options)],
    );
    ids.push(insertId);
  }
  return waitFor(
    async () => {
      const [rows] = await store.connection.query<RowDataPacket[]>(
        `SELECT r.flow, r.state, r.error_text, v.missing, v.extra, v.different, v.excused, v.mended, v.unmended, v.held_ms, v.row_count, v.position FROM kis_run r
         LEFT JOIN kis_verify v ON v.run = r.id WHERE r.id IN (?) ORDER BY r.flow`,
        [ids],
      );
      return rows.every(({ state }) => ['done', 'failed', 'cancelled'].includes(String(state))) ? rows : undefined;
    },
    { deadlineMs: 60_000, what: 'the end of verify' },
  );
}

/** Random changes of a few rows each, so that every customer has orders all the time. */
async function writeSmall(connection: Connection, signal: AbortSignal): Promise<void> {
  const random = randomFrom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let next = 5001; !signal.aborted; next += 1) {
    await connection.beginTransaction();
    for (let n = below(4); n >= 0; n -= 1) {
      const id = below(next);
      const [sql, values] = [
        ['REPLACE INTO orders (id, customer, cents) VALUES (?, ?, ?)', [id + 1, below(50), below(1000)]] as const,
        ['UPDATE orders SET cents = cents + 1, customer = ? WHERE id = ?', [below(50), id]] as const,
        ['DELETE FROM orders WHERE id = ?', [id]] as const,
        ['UPDATE orders SET cents = cents + 1 WHERE id BETWEEN ? AND ?', [id, id + below(30)]] as const,
      ][below(4)] ?? ['DO 0', []];
      await connection.query(sql, [...values]);
    }
    await connection.commit();
    await sleep(5);
  }
}

const equal = { state: 'done', missing: 0, extra: 0, different: 0, excused: 0 };

eachServer((_flavour, server) => {
  it(
    'while its source changes all the time, a right flow is found right, a wrong one wrong, and is mended',
    { timeout: 180_000 },
    async () => {
      const files = { 'migrations/002-halves.sql': 'CREATE TABLE halves (id INT PRIMARY KEY, customer INT, cents INT);' };
      const project = await createShopProject({ source: server, store: server, start: 'snapshot', files });
      await writeFile(`${project.folder}/conf/halves.yml`, halves(project.source.name));
      await fillOrders(project, 2000);
      const daemon = await startCommand(['run', '--lease-ttl', '600'], { cwd: project.folder, env: project.env });
      await agree(project);
      const stop = new AbortController();
      const writer = await connectTo(server, project.source.name);
      const writing = writeSmall(writer, stop.signal);
      try {
        await project.store.connection.query('INSERT INTO orders_copy VALUES (-3, 1, 1, NULL)');
        const [said, json] = await Promise.all([
          runLine(project, ['verify', 'totals']),
          runLine(project, ['verify', 'mirror', '--json', '--log-level', 'silent'], 1),
        ]);
        expect(said, `seed ${seed}`).toMatch(/^Flow totals: 50 rows compared as of \S+.*Its tables are right\.$/m);
        const document: unknown = JSON.parse(json.split('\n', 1)[0] ?? '');
        expect(document, `seed ${seed}`).toMatchObject({
          run: { state: 'done' },
          verification: { flow: 'mirror', missing: 0, extra: 1, different: 0, excused: 0, mended: null },
          differences: [{ table: `${project.store.name}.orders_copy`, key: [-3], kind: 'extra', isExcused: false, fields: [] }],
        });
        // the writer leaves these alone
        await project.store.connection.query(
          'DELETE FROM totals WHERE customer = 7; UPDATE totals SET cents = cents + 1 WHERE customer = 9; INSERT INTO totals VALUES (-5, 1, 1)',
        );
        await project.store.connection.query('INSERT INTO orders_copy VALUES (-1, 1, 1, NULL)');
        const wrong = await verify(project, ['mirror', 'totals'], { repair: true });
        expect(wrong, daemon.stderr.join('\n')).toMatchObject([
          { flow: 'mirror', ...equal, extra: 2, mended: 2, unmended: 0 },
          { flow: 'totals', state: 'done', extra: 1, excused: 0, mended: 3, unmended: 0 },
        ]);
        expect(Number(wrong[1]?.['different']) + Number(wrong[1]?.['missing'])).toBe(2);
      } finally {
        stop.abort();
        await writing;
      }
      await agree(project);
      await mendHalves(project);
      expect(await disagreements(project)).toEqual([]);
      expect(await databasesOf(project)).toEqual([project.store.name]);
      await findBySchedule(project, daemon);
      await leaveInTheMiddle(project, daemon);
    },
  );
});

/** Of a table of two flows each is compared and mended in what it owns alone, and a rebuild, which would lose the rest, is refused. */
async function mendHalves(project: ShopProject): Promise<void> {
  const { connection } = project.store;
  const rights = `SELECT COUNT(*) AS n FROM halves h LEFT JOIN \`${project.source.name}\`.orders o ON o.id = h.id WHERE NOT (o.customer <=> h.customer AND o.cents <=> h.cents)`;
  await waitFor(async () => Number((await storeRows(project, rights))[0]?.['n']) === 0, { deadlineMs: 30_000 });
  const some = await storeRows(project, 'SELECT id FROM halves ORDER BY id LIMIT 3');
  const [a, b, c] = some.map(({ id }) => Number(id));
  await connection.query(`UPDATE halves SET customer = -1 WHERE id = ${a}; UPDATE halves SET cents = -1 WHERE id = ${b}`);
  await connection.query(`DELETE FROM halves WHERE id = ${c}; INSERT INTO halves VALUES (-1, 5, 5), (-2, NULL, 5)`);
  expect(await verify(project, ['left'])).toMatchObject([{ state: 'done', different: 1, missing: 1, extra: 1 }]);
  const mended = await verify(project, ['left', 'right'], { repair: true });
  expect(mended).toMatchObject([
    { flow: 'left', state: 'done', mended: 3, unmended: 0 },
    { flow: 'right', state: 'done', unmended: 0 },
  ]);
  expect(await storeRows(project, rights)).toEqual([{ n: 0 }]);
  expect(await storeRows(project, 'SELECT * FROM halves WHERE id < 0 ORDER BY id')).toEqual([
    { id: -2, customer: null, cents: null },
    { id: -1, customer: null, cents: null },
  ]);
  expect(await runLine(project, ['rebuild', 'left'], 1)).toMatch(/REBUILD_IMPOSSIBLE.*kisflow verify left --repair/s);
}

/** A schedule has a verify begun by the daemon that holds the flow, which tells what is wrong; while the flow is paused it waits. */
async function findBySchedule(project: ShopProject, daemon: DaemonProcess): Promise<void> {
  const scheduled = (): Promise<RowDataPacket[]> =>
    storeRows(project, 'SELECT id, flow, state, open_kind FROM kis_run WHERE is_scheduled = 1 ORDER BY id');
  const untilEnded = (count: number): Promise<RowDataPacket[]> =>
    waitFor(
      async () => {
        const rows = await scheduled();
        return rows.length === count && rows.every(({ open_kind: open }) => open === null) ? rows : undefined;
      },
      { deadlineMs: 60_000, pollMs: 100, what: `${count} scheduled runs` },
    );
  const every = (flow: string, options: object): Promise<unknown> =>
    storeRows(
      project,
      'REPLACE INTO kis_verify_schedule (flow, every_ms, options, since) VALUES (?, 3600000, ?, UTC_TIMESTAMP(3))',
      [flow, JSON.stringify(options)],
    );
  const want = (wanted: string): Promise<unknown> =>
    storeRows(project, "UPDATE kis_flow SET wanted = ? WHERE flow = 'totals'", [wanted]);
  await storeRows(project, 'DELETE FROM totals WHERE customer = 7');
  await every('totals', {});
  const [first] = await untilEnded(1);
  expect(first).toMatchObject({ flow: 'totals', state: 'done' });
  const line = await daemon.waitForLine(
    new RegExp(`"level":40.*"run":"${String(first?.['id'])}".*rows of computed tables are not`),
  );
  expect(JSON.parse(line)).toMatchObject({
    flow: 'totals',
    tables: [{ table: `${project.store.name}.totals`, missing: 1, extra: 0, different: 0 }],
    remedy: expect.stringContaining('kisflow verify totals --repair'),
  });
  // paused, it stays due
  await want('pause');
  await every('totals', { repair: true });
  await every('mirror', {});
  expect(await untilEnded(2)).toMatchObject([{}, { flow: 'mirror', state: 'done' }]);
  await want('run');
  expect(await untilEnded(3)).toMatchObject([{}, {}, { flow: 'totals', state: 'done' }]);
  await agree(project);
}

/** Of transactions that are open in the databases of the project: whether there are any, and whether tables are compared in one. */
async function openTransactions(project: ShopProject): Promise<{ readonly hasAny: boolean; readonly isComparing: boolean }> {
  const rows = await storeRows(
    project,
    `SELECT p.db, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS seconds FROM information_schema.innodb_trx t
     JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE LEFT(p.db, ?) IN (?)`,
    [project.store.name.length, [project.store.name, project.source.name]],
  );
  const isComparing = rows.some(({ db, seconds }) => db === project.store.name && Number(seconds) > 0);
  return { hasAny: rows.length > 0, isComparing };
}

/** With the times at which they were made. */
async function shadowTables(project: ShopProject): Promise<string> {
  const tables = await storeRows(
    project,
    "SELECT table_name AS name, create_time AS made FROM information_schema.tables WHERE LEFT(table_schema, ?) = ? AND table_type = 'BASE TABLE' ORDER BY 1",
    [project.store.name.length + 5, `${project.store.name}_kis_`],
  );
  return JSON.stringify(tables);
}

/**
 * A verify that is paused has nothing open, and goes on in its shadow; one whose daemon is killed is begun anew by the next one; one that is
 * paused stays so with another daemon; and it leaves nothing behind when it is cancelled.
 */
async function leaveInTheMiddle(project: ShopProject, daemon: DaemonProcess): Promise<void> {
  const wish = (wanted: string): Promise<unknown> =>
    storeRows(project, "UPDATE kis_run SET wish = ? WHERE open_kind = 'verify'", [wanted]);
  const until = (state: 'running' | 'paused'): Promise<unknown> =>
    waitFor(
      async () => {
        const [run] = await storeRows(project, "SELECT state, wish FROM kis_run WHERE open_kind = 'verify'");
        const { hasAny, isComparing } = await openTransactions(project);
        return run?.['state'] === state && run['wish'] === null && (state === 'running' ? isComparing : !hasAny);
      },
      // the server shows what it has shown before to whoever asks more often than each 100 ms
      { deadlineMs: 60_000, pollMs: 200, what: `a verify that is ${state}` },
    );
  const ended = verify(project, ['mirror'], { rowsPerSecond: 20 });
  await until('running');
  await wish('pause');
  await until('paused');
  const made = await shadowTables(project);
  expect(made).toMatch(/"orders_copy"/);
  await wish('resume');
  await until('running');
  expect(await shadowTables(project)).toBe(made);
  daemon.kill('SIGKILL');
  await daemon.waitForExit();
  const run = ['run', '--lease-ttl', '2'];
  const next = await spawnDaemon(run, { cwd: project.folder, env: project.env });
  await next.waitForLine(/"shadow".*flow runs/);
  await wish('pause');
  await until('paused');
  next.kill();
  expect((await next.waitForExit()).code).toBe(0);
  const last = await spawnDaemon(run, { cwd: project.folder, env: project.env });
  await last.waitForLine(/verify is paused/);
  await until('paused');
  expect(last.stderr.filter((line) => /"shadow".*flow runs/.test(line))).toEqual([]);
  await wish('resume');
  await last.waitForLine(/"shadow".*flow runs/);
  await wish('cancel');
  expect(await ended).toMatchObject([{ state: 'cancelled', missing: null }]);
  await waitFor(async () => ((await databasesOf(project)).length === 1 ? true : undefined), {
    deadlineMs: 20_000,
    what: 'no trace',
  });
  last.kill();
  expect((await last.waitForExit()).code).toBe(0);
}
