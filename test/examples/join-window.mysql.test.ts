import { cp, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import type { SqlFlavour } from '../../src/embedded/server.ts';
import { createFolder, spawnDaemon, startCommand } from '../support/daemon-process.ts';
import { randomFrom } from '../support/shop-project.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';

const example = resolve(import.meta.dirname, '../../docs/examples/12-join-window');
const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

interface Shop {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly sql: Connection;
}

/** The example with a server of its own, on which source and store both are. */
async function openShop(flavour: SqlFlavour): Promise<Shop> {
  const server = await startPrivateServer(flavour);
  const sql = await connectTo(server);
  for (const statement of (await readFile(join(example, 'source.sql'), 'utf8')).split(/;\s*$/m)) {
    if (statement.trim() !== '') await sql.query(statement);
  }
  const cwd = await createFolder();
  await cp(example, cwd, { recursive: true });
  return { cwd, sql, env: { KISFLOW_SOURCE_URL: server.url, KISFLOW_STORE_URL: `${server.url}/kisflow` } };
}

/** Runs the command, expects this exit code, and gives what it said. */
async function kisflow(shop: Shop, args: readonly string[], code = 0): Promise<string> {
  const command = await startCommand([...args], shop);
  const exit = await command.waitForExit(120_000);
  const said = [...command.stdout, ...command.stderr].join('\n');
  expect(exit.code, said).toBe(code);
  return said;
}

async function rowsOf(sql: Connection, query: string): Promise<readonly string[]> {
  const [rows] = await sql.query<RowDataPacket[]>({ sql: query, dateStrings: true });
  return rows.map((row) => Object.values(row).map(String).join(' | '));
}

/** Each computed table, and the same in SQL. */
const pairs = {
  order_customer: `SELECT o.id, o.customer_id, o.amount, o.created_at, c.segment, c.city AS town
    FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id ORDER BY o.id`,
  daily_revenue: `SELECT CAST(DATE(o.created_at) AS DATETIME) AS day, c.segment, COUNT(*) AS orders, SUM(o.amount) AS revenue
    FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id GROUP BY 1, 2 ORDER BY 1, 2`,
  visits: `SELECT visitor, MIN(clicked_at) AS began_at, COUNT(*) AS pages, MAX(clicked_at) AS last_click FROM (
      SELECT visitor, clicked_at, SUM(begins) OVER (PARTITION BY visitor ORDER BY clicked_at, id) AS session FROM (
        SELECT id, visitor, clicked_at,
          COALESCE(TIMESTAMPDIFF(SECOND, LAG(clicked_at) OVER (PARTITION BY visitor ORDER BY clicked_at, id), clicked_at) >= 1800, 1) AS begins
        FROM shop.clicks) AS neighbours) AS sessions
    GROUP BY visitor, session ORDER BY visitor, began_at`,
};

async function expectSame(shop: Shop): Promise<void> {
  for (const [table, query] of Object.entries(pairs)) {
    const wanted = await rowsOf(shop.sql, query);
    expect(wanted.length).toBeGreaterThan(1);
    expect(await rowsOf(shop.sql, `SELECT * FROM kisflow.${table} ORDER BY 1, 2`), `${table}, seed ${seed}`).toEqual(wanted);
  }
}

eachServer((flavour) => {
  test(
    'the example joins and windows as its page says, and stays equal to SQL under any changes',
    { timeout: 240_000 },
    async () => {
      const shop = await openShop(flavour);
      await kisflow(shop, ['check']);
      await kisflow(shop, ['run', '--until-current']);
      const page = `${await readFile(join(example, 'README.md'), 'utf8')}\n\n`;
      for (const table of Object.keys(pairs)) {
        const shown = [...page.matchAll(new RegExp(`^\\| ${table}\\.[^]*?\\n\\n`, 'gm'))].join('\n').split('\n');
        const rows = shown
          .filter((line) => /^\| \d/.test(line))
          .map((line) =>
            line
              .slice(2, -2)
              .split(/ +\| +/)
              .map((cell) => cell.trim())
              .join(' | '),
          );
        expect(await rowsOf(shop.sql, `SELECT * FROM kisflow.${table} ORDER BY 1, 2`)).toEqual(
          rows.map((row) => row.replace('NULL', 'null')),
        );
      }
      await expectSame(shop);
      const random = randomFrom(seed);
      for (let round = 0; round < 2; round += 1) {
        await changeShop(shop.sql, random);
        await kisflow(shop, ['run', '--until-current', '--log-level', 'warn']);
        await expectSame(shop);
      }
    },
  );

  test(
    'L1: joins, days and sessions stay equal to SQL though the daemon is killed with -9 again and again',
    { timeout: 240_000 },
    async () => {
      const shop = await openShop(flavour);
      await kisflow(shop, ['migrate']);
      const random = randomFrom(seed);
      for (let round = 0; round < 2; round += 1) {
        const daemon = await spawnDaemon(['run', '--log-level', 'info', '--lease-ttl', '600'], shop);
        await daemon.waitForLine(/flow runs/);
        const changing = changeShop(shop.sql, random);
        await delay(random() * 800); // the moment of the kill is what is random here
        daemon.kill('SIGKILL');
        await daemon.waitForExit();
        await changing;
      }
      await kisflow(shop, ['run', '--until-current', '--log-level', 'warn']);
      await expectSame(shop);
    },
  );

  test('a click for a session that is closed is a dead row, and the session keeps its figures', { timeout: 240_000 }, async () => {
    const shop = await openShop(flavour);
    await shop.sql.query("INSERT INTO shop.clicks VALUES (100, 9, 'home', '2024-05-09 10:00:00')");
    await shop.sql.query(
      "INSERT INTO shop.clicks VALUES (101, 5, 'late', '2024-05-01 10:45:00'), (102, 9, 'tea', '2024-05-09 10:05:00')",
    );
    await shop.sql.query('DELETE FROM shop.clicks WHERE visitor = 5');
    await kisflow(shop, ['run', '--until-current']);
    // its delete waits behind it
    expect(await rowsOf(shop.sql, 'SELECT flow, fname, code, source_table FROM kisflow.kis_dead_row ORDER BY id')).toEqual([
      'Visits | Sessions | ROW_LATE | shop.clicks',
      'Visits |  | ROW_PARKED | shop.clicks',
    ]);
    expect(await rowsOf(shop.sql, 'SELECT visitor, pages FROM kisflow.visits ORDER BY visitor')).toEqual([
      '5 | 3',
      '6 | 1',
      '9 | 2',
    ]);
    const state = "SELECT COUNT(*) FROM kisflow.kis_state WHERE flow = 'Visits' AND LEFT(state_key, 1) = 'S'";
    expect(await rowsOf(shop.sql, state)).toEqual(['2']);
  });

  test('a join or a window of another definition stops its flow until it has a new start', { timeout: 240_000 }, async () => {
    const shop = await openShop(flavour);
    await kisflow(shop, ['run', '--until-current']);
    const file = join(shop.cwd, 'conf/shop.yml');
    const yaml = await readFile(file, 'utf8');
    await writeFile(file, yaml.replace('town: city', 'town: segment').replace('gap: 30m', 'gap: 20m'));
    await shop.sql.query("INSERT INTO shop.customers VALUES (9, 'new', NULL)");
    await shop.sql.query("INSERT INTO shop.clicks VALUES (9, 9, 'home', '2024-05-01 10:00:00')");
    const said = await kisflow(shop, ['run', '--until-current'], 1);
    expect(said).toMatch(/OPERATOR_MISMATCH[^]*function OrdersWithCustomers has joined rows by another definition/);
    expect(said).toMatch(/OPERATOR_MISMATCH[^]*function Sessions has made windows by another definition/);
    for (const flow of ['DailyRevenue', 'Visits']) {
      for (const table of ['kis_state', 'kis_aggregate', 'kis_checkpoint'])
        await shop.sql.query(`DELETE FROM kisflow.${table} WHERE flow = ?`, [flow]);
    }
    for (const table of Object.keys(pairs)) await shop.sql.query(`TRUNCATE TABLE kisflow.${table}`);
    await writeFile(file, yaml);
    for (const flow of ['DailyRevenue', 'Visits']) await kisflow(shop, ['resume', flow]);
    await kisflow(shop, ['run', '--until-current']);
    await expectSame(shop);
  });

  test('a wrong field of a join or a window is refused against the real tables', { timeout: 240_000 }, async () => {
    const shop = await openShop(flavour);
    const file = join(shop.cwd, 'conf/shop.yml');
    const yaml = await readFile(file, 'utf8');
    await writeFile(
      file,
      yaml
        .replace('town: city', 'town: cty')
        .replace('{ customer_id: id }', '{ customer_id: segment }')
        .replace('time: created_at', 'time: amount'),
    );
    const said = await kisflow(shop, ['run', '--until-current'], 78);
    expect(said).toContain('with.take.town: there is no field "cty"; did you mean "city"?');
    expect(said).toContain('with.on.customer_id: customer_id (a number) is compared with segment (a text)');
    expect(said).toContain('with.time: "amount" is no time');
  });
});

/** Rows of all tables that come, change, move and go, in transactions of several. All clicks are of one day, so that none is late. */
async function changeShop(sql: Connection, random: () => number): Promise<void> {
  const int = (below: number): number => Math.floor(random() * below);
  const two = (n: number): string => String(n).padStart(2, '0');
  const dayTime = (): string => `2024-06-${two(1 + int(5))} ${two(int(24))}:${two(int(60))}:00`;
  const clickTime = (): string => `2024-05-01 ${two(int(24))}:${two(int(60))}:00`;
  const segments = ['gold', 'basic', 'new'];
  const customer = (): unknown => (int(8) === 0 ? null : int(20));
  const changes: (() => [string, unknown[]])[] = [
    () => ['REPLACE INTO shop.orders VALUES (?)', [[10 + int(60), customer(), int(9999) / 100, dayTime()]]],
    () => ['REPLACE INTO shop.customers VALUES (?)', [[int(20), segments[int(3)], `city ${int(3)}`]]],
    () => ['UPDATE shop.customers SET segment = ? WHERE id = ?', [segments[int(3)], int(20)]],
    () => ['UPDATE IGNORE shop.customers SET id = ? WHERE id = ?', [int(20), int(20)]],
    () => ['DELETE FROM shop.customers WHERE id = ?', [int(20)]],
    () => ['UPDATE shop.orders SET customer_id = ?, created_at = ? WHERE id = ?', [customer(), dayTime(), 10 + int(60)]],
    () => ['UPDATE IGNORE shop.orders SET id = ? WHERE id = ?', [10 + int(60), 10 + int(60)]],
    () => ['DELETE FROM shop.orders WHERE id = ?', [10 + int(60)]],
    () => ['REPLACE INTO shop.clicks VALUES (?)', [[10 + int(60), int(5), 'page', clickTime()]]],
    () => ['REPLACE INTO shop.clicks VALUES (?)', [[10 + int(60), int(5), 'page', clickTime()]]],
    () => ['UPDATE IGNORE shop.clicks SET id = ?, visitor = ? WHERE id = ?', [10 + int(60), int(5), 10 + int(60)]],
    () => ['DELETE FROM shop.clicks WHERE id = ?', [10 + int(60)]],
  ];
  for (let i = 0; i < 60; i += 1) {
    await sql.beginTransaction();
    for (let n = int(8); n >= 0; n -= 1) {
      const [statement, values] = changes[int(changes.length)]?.() ?? ['DO 1', []];
      await sql.query(statement, values);
    }
    await sql.commit();
  }
}
