import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect } from 'vitest';
import { deadRows } from '../../src/cli/dead-rows.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { runUntilCurrent, storeRows } from './run-project.ts';

/**
 * Three flows over the orders of the shop, each of which refuses the amounts that stand in the store's table `poison`: a mirror (whole
 * changes), sums by increments (whole changes), and a copy of plain rows. Each writes in `applied` what it was given, in that order.
 */
function configuration(source: string, options: string): string {
  const flow = (name: string, rows: string, save: string, connector: string): string => `---
kistype: flow
flow_name: ${name}
source: {name: main, tables: [${source}.orders], rows: ${rows}, start: latest}
batch: {rows: 200}
${options}
flows: [{fname: Refuse, params: {flow: ${name}}}, {fname: ${save}}]
---
kistype: func
fname: ${save}
fmode: Save
option: {cname: ${connector}}
---
kistype: conn
cname: ${connector}
type: mysql
addrs: store
key: ${connector}
`;
  return `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: func
fname: Refuse
fmode: Verify
option: {cname: log}
---
kistype: conn
cname: log
type: mysql
addrs: store
key: applied
${flow('mirror', 'change', 'SaveOrders', 'orders_copy')}${flow('totals', 'change', 'AddTotals', 'totals')}${flow('plain', 'after', 'SavePlain', 'orders_plain')}`;
}

const refuse = `import { CodedError, defineFunction, reuse } from 'kisflow';
export default defineFunction({
  name: 'Refuse',
  async run(flow, rows) {
    const log = flow.getConnector();
    const bad = await log.query('SELECT cents FROM poison');
    const poison = new Set(bad.map(({ cents }) => cents));
    const images = rows.map((row) => ('op' in row ? row.after : row));
    for (const image of images) {
      if (image !== null && poison.has(image.cents)) throw new CodedError('ROW_INVALID', 'poisoned: ' + image.cents, { class: 'row' });
    }
    const applied = rows.map((row, i) => [flow.param('flow'), (images[i] ?? row.before).id, images[i] === null ? null : Number(images[i].note)]);
    if (applied.length > 0) await log.query('INSERT INTO applied (flow, id, version) VALUES ?', [applied]);
    flow.next(reuse());
  },
});
`;

const tables = `CREATE TABLE poison (cents INT PRIMARY KEY);
CREATE TABLE applied (seq INT AUTO_INCREMENT PRIMARY KEY, flow VARCHAR(20) NOT NULL, id INT NOT NULL, version INT NULL);
CREATE TABLE orders_plain (id INT PRIMARY KEY, customer INT NOT NULL, cents INT NOT NULL, note VARCHAR(200));
`;

/** The project, current: every order from now on is seen. `options`: further lines of each flow. */
export async function poisonProject(server: SqlAddress, options = 'dead_rows: {per_minute: 0}'): Promise<ShopProject> {
  const project = await createShopProject({
    source: server,
    store: server,
    files: { 'functions/Refuse.ts': refuse, 'migrations/002-poison.sql': tables },
  });
  await writeFile(`${project.folder}/conf/shop.yml`, configuration(project.source.name, options));
  await runUntilCurrent(project);
  return project;
}

/** Amounts that are refused from now on. */
export async function poison({ store }: ShopProject, ...cents: readonly number[]): Promise<void> {
  await store.connection.query('INSERT INTO poison VALUES ?', [cents.map((value) => [value])]);
}

export async function cure({ store }: ShopProject): Promise<void> {
  await store.connection.query('DELETE FROM poison');
}

/** What `kisflow dead-rows ARGS` prints, with its exit code expected; in this process, which is quicker than one of its own. */
export async function deadRowsLine(project: ShopProject, args: readonly string[], code = 0): Promise<string> {
  const options = { ...deadRows.options, json: { type: 'boolean' } } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const lines: string[] = [];
  const never = new AbortController().signal;
  const folder = (name: string): string => `${project.folder}/${name}`;
  const work = deadRows.run({
    conf: folder('conf'),
    functions: folder('functions'),
    connectors: folder('connectors'),
    migrations: folder('migrations'),
    json: values['json'] === true,
    env: project.env,
    logger: silentLogger,
    options: values,
    positionals,
    print: (text) => lines.push(text),
    progress: () => {},
    stop: never,
    abort: never,
  });
  const exit = await work.catch((error: unknown) => {
    if (!(error instanceof CodedError)) throw error;
    lines.push(error.message);
    return 1;
  });
  expect(exit, lines.join('\n')).toBe(code);
  return lines.join('\n');
}

/** Runs the project's daemon until it is told to end. */
export async function startPoisoned(project: ShopProject, ...more: readonly string[]): Promise<DaemonProcess> {
  const args = ['run', '--lease-ttl', '900', ...more];
  const daemon = await startCommand(args, { cwd: project.folder, env: project.env });
  return daemon;
}

export async function stopDaemon(daemon: DaemonProcess, code = 0): Promise<void> {
  daemon.kill('SIGTERM');
  expect((await daemon.waitForExit(60_000)).code, daemon.stderr.join('\n')).toBe(code);
}

/** The rows of kis_dead_row of a flow, as state and key, in order. */
export async function keptRows(project: ShopProject, flow: string): Promise<readonly string[]> {
  const rows = await storeRows(project, 'SELECT state, row_key FROM kis_dead_row WHERE flow = ? ORDER BY id', [flow]);
  return rows.map((row) => `${String(row['state'])} ${String(row['row_key'])}`);
}

/** Keys of which a version was applied twice, or a later one before an earlier one, by what the functions were given. */
async function overtaken(project: ShopProject): Promise<readonly unknown[]> {
  return storeRows(
    project,
    `SELECT a.flow, a.id, a.version, b.version AS later FROM applied a JOIN applied b
     ON b.flow = a.flow AND b.id = a.id AND b.seq < a.seq AND b.version >= a.version LIMIT 5`,
  );
}

/** Orders that no kept row of the mirror is about, and on which it disagrees with the source all the same. */
async function wrongMeanwhile(project: ShopProject): Promise<readonly unknown[]> {
  const kept = await storeRows(project, "SELECT row_change FROM kis_dead_row WHERE flow = 'mirror'");
  const held = new Set(kept.flatMap((row) => [...String(row['row_change']).matchAll(/"id":(\d+)/g)].map(([, id]) => Number(id))));
  const [wanted] = await project.source.connection.query<RowDataPacket[]>('SELECT * FROM orders ORDER BY id');
  const had = await storeRows(project, 'SELECT * FROM orders_copy ORDER BY id');
  const free = (rows: readonly RowDataPacket[]): readonly string[] =>
    rows.filter((row) => !held.has(Number(row['id']))).map((row) => JSON.stringify(row));
  const wantedFree = new Set(free(wanted));
  const hadFree = free(had);
  return [...hadFree.filter((row) => !wantedFree.has(row)), ...[...wantedFree].filter((row) => !hadFree.includes(row))];
}

/** Changes orders at random: few keys, so that they are changed again and again, key changes and deletes too. */
async function changeOrders(
  connection: Connection,
  { signal, random }: { readonly signal: AbortSignal; readonly random: () => number },
): Promise<number> {
  const int = (below: number): number => Math.floor(random() * below);
  const keys = 60;
  let version = 0;
  while (!signal.aborted) {
    await connection.beginTransaction();
    for (let i = int(6); i >= 0; i -= 1) {
      version += 1;
      const kind = int(10);
      const values = [int(8), int(100), String(version)];
      if (kind < 4)
        await connection.query('INSERT IGNORE INTO orders (customer, cents, note, id) VALUES (?, ?, ?, ?)', [...values, int(keys)]);
      else if (kind < 7)
        await connection.query('UPDATE orders SET customer = ?, cents = ?, note = ? WHERE id = ?', [...values, int(keys)]);
      else if (kind === 7) await connection.query('DELETE FROM orders WHERE id = ?', [int(keys)]);
      else
        await connection.query('UPDATE IGNORE orders SET customer = ?, cents = ?, note = ?, id = ? WHERE id = ?', [
          ...values,
          int(keys),
          int(keys),
        ]);
    }
    await (int(10) === 0 ? connection.rollback() : connection.commit());
    await delay(3);
  }
  return version;
}

/**
 * Kills the daemon at random moments while orders change and some amounts are refused; then looks that all keys without a dead row are
 * right, takes the poison away, retries, and compares source and store to the row.
 */
export async function refuseKillAndRetry(
  server: SqlAddress,
  options: { readonly kills: number; readonly seed: number },
): Promise<void> {
  const { kills, seed } = options;
  const random = randomFrom(seed);
  const project = await poisonProject(server);
  await poison(project, 3, 17, 42, 99);
  const stop = new AbortController();
  const writing = changeOrders(await connectTo(server, project.source.name), { signal: stop.signal, random });
  for (let i = 0; i < kills; i += 1) {
    const daemon = await startPoisoned(project, '--log-level', 'warn');
    await delay(700 + random() * 900); // the moment of the kill is what is random here
    daemon.kill('SIGKILL');
    await daemon.waitForExit();
  }
  stop.abort();
  await writing;
  await runUntilCurrent(project); // does not wait for dead rows
  expect(await wrongMeanwhile(project), `seed ${seed}`).toEqual([]);
  const [counts] = await storeRows(
    project,
    "SELECT SUM(state = 'dead') AS dead, SUM(state = 'parked') AS parked FROM kis_dead_row",
  );
  expect(Number(counts?.['dead'])).toBeGreaterThan(2);
  expect(Number(counts?.['parked'])).toBeGreaterThan(2);
  await cure(project);
  const daemon = await startPoisoned(project);
  const retries = ['mirror', 'totals', 'plain'].map((flow) => deadRowsLine(project, ['retry', '--flow', flow, '--wait', '3']));
  await daemon.waitForLine(/wishes about dead rows are taken/);
  await delay(random() * 150); // in the middle of the retries
  daemon.kill('SIGKILL');
  await daemon.waitForExit();
  await Promise.all(retries);
  await runUntilCurrent(project); // takes the wishes that are left
  expect(await storeRows(project, 'SELECT flow, state, row_key, code, message FROM kis_dead_row LIMIT 5'), `seed ${seed}`).toEqual(
    [],
  );
  expect(await disagreements(project), `seed ${seed}`).toEqual([]);
  expect(await overtaken(project), `seed ${seed}`).toEqual([]);
}
