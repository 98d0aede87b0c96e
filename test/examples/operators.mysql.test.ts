import { cp, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import type { SqlFlavour } from '../../src/embedded/server.ts';
import { createFolder, startCommand } from '../support/daemon-process.ts';
import { randomFrom } from '../support/shop-project.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';

const example = resolve(import.meta.dirname, '../../docs/examples/operators');

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

async function kisflow(shop: Shop, ...args: string[]): Promise<{ readonly code: number | null; readonly said: string }> {
  const command = await startCommand(args, shop);
  const exit = await command.waitForExit(60_000);
  return { code: exit.code, said: [...command.stdout, ...command.stderr].join('\n') };
}

async function rowsOf(sql: Connection, query: string): Promise<readonly string[]> {
  const [rows] = await sql.query<RowDataPacket[]>({ sql: query, dateStrings: true });
  return rows.map((row) => JSON.stringify(row));
}

const figures = 'SELECT * FROM kisflow.customer_figures ORDER BY customer_id';

const sameInSql = `SELECT customer_id, COUNT(*) AS orders, CAST(SUM(amount * quantity) AS DECIMAL(16,2)) AS total,
  CAST(CAST(SUM(amount * quantity) AS DECIMAL(40,20)) / COUNT(*) AS DECIMAL(16,4)) AS average,
  CAST(MAX(amount * quantity) AS DECIMAL(16,2)) AS greatest, COUNT(DISTINCT product) AS products, MAX(paid_at) AS last_paid_at
  FROM shop.orders WHERE status = 'paid' AND amount > 0 GROUP BY customer_id ORDER BY customer_id`;

eachServer((flavour) => {
  test('the example gives the figures of paid orders, and keeps them right', { timeout: 240_000 }, async () => {
    const shop = await openShop(flavour);
    const checked = await kisflow(shop, 'check');
    expect(checked.code, checked.said).toBe(0);
    const ran = await kisflow(shop, 'run', '--until-current');
    expect(ran.code, ran.said).toBe(0);
    expect(await rowsOf(shop.sql, figures)).toEqual(
      [
        {
          customer_id: 7,
          orders: 2,
          total: '36.00',
          average: '18.0000',
          greatest: '27.00',
          products: 1,
          last_paid_at: '2024-05-04 12:00:00',
        },
        {
          customer_id: 8,
          orders: 1,
          total: '12.30',
          average: '12.3000',
          greatest: '12.30',
          products: 1,
          last_paid_at: '2024-05-03 08:30:00',
        },
      ].map((row) => JSON.stringify(row)),
    );
    await changeOrders(shop.sql, randomFrom(20_240_501));
    expect((await kisflow(shop, 'run', '--until-current')).code).toBe(0);
    const wanted = await rowsOf(shop.sql, sameInSql);
    expect(wanted.length).toBeGreaterThan(10);
    expect(await rowsOf(shop.sql, figures)).toEqual(wanted);
  });

  test('a wrong field is refused by check and by run, against the real tables', { timeout: 240_000 }, async () => {
    const shop = await openShop(flavour);
    expect((await kisflow(shop, 'migrate')).code).toBe(0);
    const file = join(shop.cwd, 'conf/shop.yml');
    const yaml = await readFile(file, 'utf8');
    await writeFile(
      file,
      yaml
        .replace('amount * quantity', 'amount * quantty')
        .replace('amount > 0', 'amount > "0"')
        .replace('greatest: max', 'gratest: max'),
    );
    const mistakes = [
      'conf/shop.yml:28: with.where: "amount > "0"" compares a number with a text',
      'conf/shop.yml:36: with.set.value: there is no field "quantty"',
      'conf/shop.yml:48: with.fields.gratest: there is no column "gratest"',
    ];
    const checked = await kisflow(shop, 'check');
    expect(checked.code).toBe(1);
    const ran = await kisflow(shop, 'run', '--until-current');
    expect(ran.code).toBe(78);
    for (const mistake of mistakes) {
      expect(checked.said).toContain(mistake);
      expect(ran.said).toContain(mistake);
    }
    expect(ran.said).toContain('did you mean "quantity"?');
  });
  test('an account that may not see the columns is told so where the types decide', { timeout: 240_000 }, async () => {
    const shop = await openShop(flavour);
    const file = join(shop.cwd, 'conf/shop.yml');
    const yaml = await readFile(file, 'utf8');
    const alone = yaml.replace('  - fname: PaidOrders\n  - fname: OrderValue\n', '').replaceAll('(value)', '(amount)');
    await writeFile(file, alone);
    const checked = await kisflow(shop, 'check');
    expect(checked.code, checked.said).toBe(0);
    await shop.sql.query("CREATE USER 'reader'@'%' IDENTIFIED BY 'pw'");
    await shop.sql.query("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'reader'@'%'");
    const url = new URL(shop.env['KISFLOW_SOURCE_URL'] ?? '');
    const env = { ...shop.env, KISFLOW_SOURCE_URL: `mysql://reader:pw@${url.host}` };
    const blind = await kisflow({ ...shop, env }, 'run', '--until-current');
    expect(blind.code).toBe(78);
    expect(blind.said).toMatch(
      /with\.fields\.last_paid_at: the type of "paid_at" is not known: .* grant SELECT on the source tables/,
    );
    const types = '  types: { amount: decimal, product: text, paid_at: text }\n  key: [customer_id]';
    await writeFile(file, alone.replace('  key: [customer_id]', types));
    const told = await kisflow({ ...shop, env }, 'run', '--until-current');
    expect(told.code, told.said).toBe(0);
    expect(await rowsOf(shop.sql, 'SELECT customer_id, orders, total FROM kisflow.customer_figures ORDER BY customer_id')).toEqual(
      await rowsOf(
        shop.sql,
        'SELECT customer_id, COUNT(*) AS orders, SUM(amount) AS total FROM shop.orders GROUP BY customer_id ORDER BY customer_id',
      ),
    );
  });
});

/** Orders that come, change, move to other customers, get other keys and go. */
async function changeOrders(sql: Connection, random: () => number): Promise<void> {
  const int = (below: number): number => Math.floor(random() * below);
  const statuses = ['new', 'paid', 'paid', 'refunded'];
  const paidAt = (): string => `2024-06-${String(1 + int(28)).padStart(2, '0')} 08:00:00`;
  for (let id = 100; id < 350; id += 1) {
    const row = [id, int(30), statuses[int(4)], `p${int(5)}`, (int(20_000) / 100 - 10).toFixed(2), 1 + int(5), paidAt()];
    await sql.query('INSERT INTO shop.orders VALUES (?)', [row]);
    const other = 100 + int(id - 99);
    const kind = int(6);
    if (kind === 0) await sql.query('UPDATE shop.orders SET status = ? WHERE order_id = ?', [statuses[int(4)], other]);
    else if (kind === 1) await sql.query('UPDATE shop.orders SET customer_id = ? WHERE order_id = ?', [int(30), other]);
    else if (kind === 2)
      await sql.query('UPDATE shop.orders SET amount = amount + 0.01, paid_at = ? WHERE order_id = ?', [paidAt(), other]);
    else if (kind === 3) await sql.query('DELETE FROM shop.orders WHERE order_id = ?', [other]);
    else if (kind === 4) await sql.query('UPDATE shop.orders SET order_id = order_id + 10000 WHERE order_id = ?', [other]);
  }
}
