import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { startCommand } from '../support/daemon-process.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { createShopProject, disagreements, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { killUnderLoad } from './kill.ts';
import { runLine, runUntilCurrent, storeRows } from './run-project.ts';

/** What the flows mirror and totals say about rows that go without a change of each; '' for nothing. */
interface Policies {
  readonly mirror: string;
  readonly totals: string;
}

const recorded = 'SELECT flow, op, outcome, source_table, statement, position, gtid FROM kis_table_statement ORDER BY id';

/** A shop that has run once, with these policies. */
async function prepare(server: SqlAddress, policies: Policies): Promise<ShopProject> {
  const project = await createShopProject({ source: server, store: server });
  await setPolicies(project, policies);
  await runUntilCurrent(project);
  return project;
}

async function setPolicies({ folder }: ShopProject, { mirror, totals }: Policies): Promise<void> {
  const file = `${folder}/conf/shop.yml`;
  const conf = await readFile(file, 'utf8');
  let flow = 0;
  const edited = conf.replaceAll(/^source: \{(name: main, tables: \[[^\]]*\], rows: change, start: \w+).*\}$/gm, (_line, keys) => {
    const more = [mirror, totals][flow] ?? '';
    flow += 1;
    return `source: {${String(keys)}${more === '' ? '' : `, ${more}`}}`;
  });
  await writeFile(file, edited);
}

async function change(project: ShopProject, ...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await project.source.connection.query(statement);
}

async function copiedIds(project: ShopProject): Promise<unknown[]> {
  return (await storeRows(project, 'SELECT id FROM orders_copy ORDER BY id')).map((row) => Number(row['id']));
}

eachServer((flavour, server) => {
  describe('a TRUNCATE of a table that a flow reads', { timeout: 120_000 }, () => {
    it('L3, L4: stops that flow, unless it says otherwise, and no other; then the policy lets it go on', async () => {
      const project = await prepare(server, { mirror: '', totals: 'on_truncate: ignore' });
      await change(
        project,
        "INSERT INTO orders VALUES (1, 1, 5, 'secret')",
        'TRUNCATE orders',
        'INSERT INTO orders VALUES (2, 1, 7, NULL)',
      );
      const said = await runUntilCurrent(project, 1);
      expect(said).toContain('SOURCE_TABLE_EMPTIED');
      expect(said).toMatch(
        new RegExp(`${project.source.name}.orders .*TRUNCATE orders, at \\w+\\.\\d+:\\d+.*on_truncate: ignore.*on_truncate: apply`),
      );
      expect(await copiedIds(project)).toEqual([1]);
      expect(await storeRows(project, 'SELECT n FROM totals')).toEqual([{ n: 2 }]);
      await runLine(project, ['resume', 'mirror']);
      await runUntilCurrent(project, 1);
      expect(await copiedIds(project)).toEqual([1]);
      await setPolicies(project, { mirror: 'on_truncate: apply', totals: 'on_truncate: ignore' });
      await runLine(project, ['resume', 'mirror']);
      await runUntilCurrent(project);
      expect(await copiedIds(project)).toEqual([2]);
    });

    it('L3: a daemon that runs goes on past it as soon as the policy is changed', async () => {
      const project = await prepare(server, { mirror: '', totals: 'on_truncate: ignore' });
      const daemon = await startCommand(['run'], { cwd: project.folder, env: project.env });
      await change(
        project,
        'INSERT INTO orders VALUES (1, 1, 5, NULL)',
        'TRUNCATE orders',
        'INSERT INTO orders VALUES (2, 1, 7, NULL)',
      );
      await daemon.waitForLine(/SOURCE_TABLE_EMPTIED/);
      await setPolicies(project, { mirror: 'on_truncate: ignore', totals: 'on_truncate: ignore' });
      await waitFor(async () => (await copiedIds(project)).length === 2);
      daemon.kill('SIGTERM');
      expect((await daemon.waitForExit()).code).toBe(0);
    });

    it('L3: is passed with a record in the transaction of the checkpoint where the flow ignores it, and status shows it', async () => {
      const project = await prepare(server, { mirror: 'on_truncate: ignore', totals: 'on_truncate: ignore' });
      await change(
        project,
        'INSERT INTO orders VALUES (1, 1, 5, NULL)',
        '/* by hand */ TRUNCATE TABLE `orders`',
        'INSERT INTO orders VALUES (2, 1, 7, NULL)',
      );
      await runUntilCurrent(project);
      expect(await copiedIds(project)).toEqual([1, 2]);
      const record = {
        op: 'truncate',
        outcome: 'ignored',
        source_table: `${project.source.name}.orders`,
        statement: 'TRUNCATE TABLE `orders`',
        position: expect.stringMatching(/^[\w-]+\.\d+:\d+$/),
        gtid: expect.stringMatching(flavour === 'mysql' ? /^[0-9a-f-]{36}:\d+$/ : /^\d+-\d+-\d+$/),
      };
      const rows = await storeRows(project, recorded);
      expect(rows.toSorted((a, b) => String(a['flow']).localeCompare(String(b['flow'])))).toEqual([
        { flow: 'mirror', ...record },
        { flow: 'totals', ...record },
      ]);
      const status = await runLine(project, ['status']);
      expect(status).toMatch(/mirror: 1 statement .*ignored: TRUNCATE TABLE `orders`/);
      expect(JSON.parse(await runLine(project, ['status', '--json']))).toMatchObject({
        flows: [
          { flow: 'mirror', tableStatements: { count: 1, last: { outcome: 'ignored', table: `${project.source.name}.orders` } } },
          {},
        ],
      });
    });

    it('L1: deletes the rows of a mirror in its place among the changes, and every TRUNCATE, DROP and new table does', async () => {
      const apply = 'on_truncate: apply, on_drop: apply';
      const ignore = 'on_truncate: ignore, on_drop: ignore';
      const project = await prepare(server, { mirror: apply, totals: ignore });
      const create = 'CREATE TABLE orders (id INT PRIMARY KEY, customer INT NOT NULL, cents INT NOT NULL, note VARCHAR(200))';
      const remakes = [
        ['TRUNCATE orders'],
        ['DROP TABLE orders', create],
        ['DROP TABLE IF EXISTS nowhere, orders', create],
        ...(flavour === 'mariadb'
          ? [
              [create.replace('CREATE', 'CREATE OR REPLACE')],
              [
                'CREATE OR REPLACE TABLE orders (PRIMARY KEY (id)) AS SELECT 77 AS id, 1 AS customer, 2 AS cents, CAST(NULL AS CHAR(200)) AS note',
              ],
              ['SET STATEMENT max_statement_time = 10 FOR TRUNCATE orders'],
            ]
          : []),
      ];
      for (const [round, remake] of remakes.entries()) {
        const id = round * 10;
        await change(
          project,
          `INSERT INTO orders VALUES (${id + 1}, 1, 1, NULL), (${id + 2}, 1, 2, NULL)`,
          ...remake,
          `INSERT INTO orders VALUES (${id + 1}, 2, 3, NULL), (${id + 3}, 1, 1, NULL)`,
          `UPDATE orders SET cents = cents + 1 WHERE id = ${id + 3}`,
        );
        if (round % 2 === 1) await runUntilCurrent(project);
        if (round % 2 === 1)
          expect((await disagreements(project)).filter((row) => JSON.stringify(row).includes('mirror'))).toEqual([]);
      }
      await runUntilCurrent(project);
      expect((await disagreements(project)).filter((row) => JSON.stringify(row).includes('mirror'))).toEqual([]);
      const outcomes = await storeRows(
        project,
        "SELECT outcome, COUNT(*) AS n FROM kis_table_statement WHERE flow = 'mirror' GROUP BY outcome",
      );
      expect(outcomes).toEqual([{ outcome: 'applied', n: remakes.length }]);
    });
  });

  if (flavour === 'mysql')
    it('L1, L3: on a server without GTIDs too, where a statement is known by its place alone', async () => {
      const own = await startPrivateServer(flavour, { gtid_mode: 'OFF', enforce_gtid_consistency: 'OFF' });
      const project = await prepare(own, { mirror: 'on_truncate: apply', totals: 'on_truncate: ignore' });
      await change(project, 'INSERT INTO orders VALUES (1, 1, 5, NULL)', 'TRUNCATE orders');
      await runUntilCurrent(project);
      expect(await copiedIds(project)).toEqual([]);
      await change(project, 'INSERT INTO orders VALUES (1, 1, 5, NULL)');
      await runUntilCurrent(project);
      expect(await copiedIds(project)).toEqual([1]);
      expect(await storeRows(project, "SELECT outcome, gtid FROM kis_table_statement WHERE flow = 'mirror'")).toEqual([
        { outcome: 'applied', gtid: '' },
      ]);
    }, 120_000);

  it('L1: a daemon killed with -9 deletes the rows and keeps the record once each, in their place', async () => {
    const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 1_000_000);
    const project = await prepare(server, { mirror: 'on_truncate: apply', totals: 'on_truncate: ignore' });
    const emptier = await connectTo(server, project.source.name);
    const stop = new AbortController();
    let emptied = 0;
    const emptying = (async () => {
      for (; !stop.signal.aborted; emptied += 1) {
        await delay(100 + (seed % 100));
        await emptier.query('TRUNCATE orders');
      }
    })();
    await killUnderLoad(server, project, {
      kills: 3,
      seed,
      pauseMs: 2,
      beforeEnd: async () => {
        stop.abort();
        await emptying;
        await change(project, "INSERT INTO orders VALUES (-1, 1, 1, 'last')");
      },
    });
    const wrong = (await disagreements(project)).filter((row) => JSON.stringify(row).includes('"mirror"'));
    expect(wrong, `seed ${seed}`).toEqual([]);
    expect(await copiedIds(project)).toContain(-1);
    const counts = await storeRows(
      project,
      'SELECT flow, outcome, COUNT(*) AS n FROM kis_table_statement GROUP BY flow, outcome ORDER BY flow',
    );
    expect(counts, `seed ${seed}`).toEqual([
      { flow: 'mirror', outcome: 'applied', n: emptied },
      { flow: 'totals', outcome: 'ignored', n: emptied },
    ]);
    expect(emptied).toBeGreaterThan(2);
  }, 180_000);

  describe('rows that go in other ways', { timeout: 120_000 }, () => {
    const apply = 'on_truncate: apply, on_drop: apply';

    it('L3: a partition’s stop a flow that applies too, because it cannot tell which they are', async () => {
      const project = await prepare(server, { mirror: apply, totals: 'on_truncate: ignore' });
      await change(
        project,
        'ALTER TABLE orders PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)',
        'INSERT INTO orders VALUES (1, 1, 1, NULL), (50, 1, 1, NULL)',
        'ALTER TABLE orders TRUNCATE PARTITION p0',
      );
      const said = await runUntilCurrent(project, 1);
      expect(said).toMatch(
        /SOURCE_TABLE_EMPTIED.*on_truncate is apply, and which rows these are cannot be told.*on_truncate: ignore/,
      );
      expect(await copiedIds(project)).toEqual([1, 50]);
    });

    it('L3: DROP DATABASE is a drop of every table of it that a pattern takes in', async () => {
      const project = await prepare(server, { mirror: apply, totals: '' });
      await change(project, 'INSERT INTO orders VALUES (1, 1, 1, NULL)', `DROP DATABASE ${project.source.name}`);
      const said = await runUntilCurrent(project, 1);
      expect(said).toMatch(new RegExp(`flow totals.*all rows of ${project.source.name}\\.\\* went.*on_drop is stop`, 'i'));
      expect(await copiedIds(project)).toEqual([]);
    });

    it('a table that is exchanged for another by a rename (gh-ost, pt-osc) goes on with the new one’s columns', async () => {
      const project = await prepare(server, { mirror: '', totals: '' });
      await storeRows(project, 'ALTER TABLE orders_copy ADD COLUMN extra INT');
      await change(
        project,
        'INSERT INTO orders VALUES (1, 1, 1, NULL)',
        'CREATE TABLE _orders_gho LIKE orders',
        'ALTER TABLE _orders_gho ADD COLUMN extra INT FIRST',
        'INSERT INTO _orders_gho (id, customer, cents, note) SELECT * FROM orders',
        'RENAME TABLE orders TO _orders_del, _orders_gho TO orders',
        'DROP TABLE _orders_del',
        'INSERT INTO orders (extra, id, customer, cents) VALUES (9, 2, 1, 1)',
        'UPDATE orders SET extra = 4 WHERE id = 1',
      );
      await runUntilCurrent(project);
      expect(await storeRows(project, 'SELECT id, extra FROM orders_copy ORDER BY id')).toEqual([
        { id: 1, extra: 4 },
        { id: 2, extra: 9 },
      ]);
      expect(await storeRows(project, "SELECT op, outcome FROM kis_table_statement WHERE flow = 'mirror'")).toEqual([
        { op: 'swap', outcome: 'noted' },
      ]);
    });

    it('L3: a table that is renamed away leaves a warning and a record', async () => {
      const project = await prepare(server, { mirror: '', totals: '' });
      await change(
        project,
        'INSERT INTO orders VALUES (1, 1, 1, NULL)',
        'ALTER TABLE orders RENAME TO elsewhere',
        'INSERT INTO elsewhere VALUES (2, 1, 1, NULL)',
      );
      expect(await runUntilCurrent(project)).toContain('ALTER TABLE orders RENAME TO elsewhere');
      expect(await copiedIds(project)).toEqual([1]);
      expect(await storeRows(project, "SELECT op, outcome FROM kis_table_statement WHERE flow = 'mirror'")).toEqual([
        { op: 'rename', outcome: 'noted' },
      ]);
    });

    it('temporary tables of the same name, and tables that nobody reads, are none of it', async () => {
      const project = await prepare(server, { mirror: '', totals: '' });
      await change(
        project,
        'INSERT INTO orders VALUES (1, 1, 1, NULL)',
        'CREATE TEMPORARY TABLE orders (id INT)',
        'INSERT INTO orders VALUES (5)',
        'TRUNCATE orders',
        'DROP TABLE orders',
        'TRUNCATE noise',
        'DROP TABLE noise',
        'INSERT INTO orders VALUES (2, 1, 1, NULL)',
      );
      await runUntilCurrent(project);
      expect(await copiedIds(project)).toEqual([1, 2]);
      expect(await storeRows(project, recorded)).toEqual([]);
    });
  });
});
