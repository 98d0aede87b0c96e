import { readdir, readFile } from 'node:fs/promises';
import { createConnection, type Connection } from 'mysql2/promise';
import { describe, expect, inject, test } from 'vitest';
import { compareTable, comparisons, isEqual } from '../../src/cli/demo/compare.ts';
import { runTransaction, withConnection } from '../../src/cli/demo/live-changes.ts';
import { formatComparison } from '../../src/cli/demo/report.ts';
import { SchoolChanges } from '../../src/cli/demo/school-changes.ts';
import { firstCustomers, ShopChanges } from '../../src/cli/demo/shop-changes.ts';
import { makeRandom } from '../../src/cli/demo/transaction.ts';
import { createFolder, spawnDaemon, startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';

const DEMO_MS = 110_000; // 20 s on an idle machine; tests share the processor

/** The demo with a temporary folder of its own, so that what it leaves behind is seen. */
async function startDemo(args: readonly string[]): Promise<{ readonly demo: DaemonProcess; readonly folder: string }> {
  const folder = await createFolder();
  return { demo: await spawnDaemon(['demo', ...args], { env: { TMPDIR: folder } }), folder };
}

/** Process ids that the demo named, of its daemons. */
function daemonPids(demo: DaemonProcess): readonly number[] {
  return demo.stdout.flatMap((line) => /^kisflow run \(process (\d+)\)/.exec(line)?.slice(1).map(Number) ?? []);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Nothing of the demo is left: no daemon, no server that answers, no folder. */
async function expectNothingLeft(demo: DaemonProcess, folder: string): Promise<void> {
  expect(daemonPids(demo).length).toBeGreaterThan(0);
  await waitFor(() => daemonPids(demo).every((pid) => !isAlive(pid)), { what: 'the end of the daemons' });
  await waitFor(async () => (await readdir(folder)).length === 0, { what: `an empty ${folder}` });
  const port = Number(/answers on port (\d+)/.exec(demo.stdout.join('\n'))?.[1]);
  await expect(createConnection({ host: '127.0.0.1', port, user: 'admin', password: 'kisflow' })).rejects.toMatchObject({
    code: 'ECONNREFUSED',
  });
}

/** The value of an `export NAME=…` line that the demo printed. */
function printed(demo: DaemonProcess, name: string): string {
  return demo.stdout.flatMap((line) => line.trim().split(`export ${name}=`).slice(1))[0] ?? '';
}

eachServer((flavour) => {
  test(
    'the demo kills its own daemon, and ends with computed tables that equal SQL to the row (L1)',
    async () => {
      const { demo, folder } = await startDemo(['--server', flavour]);
      expect(await demo.waitForExit(DEMO_MS)).toEqual({ code: 0, signal: null });
      const said = demo.stdout.join('\n');
      expect(said).toContain('student 101 with 100/90/80 has the average 90');
      expect(said).toContain('student 102 with 100/70/60 has the average 76.66666666666667');
      expect(said).toMatch(/kill -9 \d+: the daemon is dead/);
      expect(said).toMatch(/lag [\d,]+ ms, [\d,]+\/s/);
      expect(said).toContain('Equal to the row');
      const counts = [
        ...said.matchAll(/→ kisflow\.(\w+): ([\d,]+) rows, ([\d,]+) recomputed in SQL: 0 missing, 0 extra, 0 differing/g),
      ];
      expect(counts.map((match) => match[1])).toEqual(['stu_avg_score', 'customer_value', 'paid_order']);
      for (const [, , computed, recomputed] of counts) expect(computed).toBe(recomputed);
      await expectNothingLeft(demo, folder);
    },
    DEMO_MS + 20_000,
  );

  test('the comparison finds every row that is missing, extra or different', async () => {
    const server = await startPrivateServer(flavour);
    await withConnection(server.url, async (connection) => {
      await createTables(connection);
      await change(connection);
      for (const comparison of comparisons) {
        await connection.query(
          `INSERT INTO ${comparison.table} (${[comparison.key, ...comparison.columns].join(', ')}) ${comparison.sql}`,
        );
      }
      for (const comparison of comparisons) {
        const equal = await compareTable(connection, comparison);
        expect(isEqual(equal)).toBe(true);
        expect(equal.computedRows).toBeGreaterThan(10);
        await damage(connection, comparison);
        const result = await compareTable(connection, comparison);
        const column = comparison.columns[0] ?? '';
        expect([result.missing.length, result.extra.length, result.differing.length], comparison.table).toEqual([1, 1, 1]);
        expect(result.extra[0]?.key).toBe(-5);
        expect(result.differing[0]?.computed?.[column]).not.toEqual(result.differing[0]?.expected?.[column]);
        expect(formatComparison(result)).toMatch(/1 missing, 1 extra, 1 differing[^]*DIFFERENCES:[^]*\(no row\)/);
      }
    });
  }, 60_000);
});

/** The source's and the computed tables on one server, without a daemon. */
async function createTables(connection: Connection): Promise<void> {
  await connection.query(await readFile('demo/source.sql', 'utf8'));
  await connection.query('CREATE DATABASE kisflow; USE kisflow');
  for (const name of (await readdir('demo/migrations')).toSorted()) {
    await connection.query(await readFile(`demo/migrations/${name}`, 'utf8'));
  }
}

async function change(connection: Connection): Promise<void> {
  const counts = { transactions: 0, changes: 0 };
  await runTransaction(connection, firstCustomers, counts);
  for (const plan of [new SchoolChanges(makeRandom(7)), new ShopChanges(makeRandom(8))]) {
    for (let i = 0; i < 200; i += 1) await runTransaction(connection, plan.next(), counts);
  }
  expect(counts.changes).toBeGreaterThan(1000);
}

/** Takes one row away, adds one and changes a third by as little as its type allows. */
async function damage(connection: Connection, { table, key, columns }: (typeof comparisons)[number]): Promise<void> {
  const column = columns[0] ?? '';
  await connection.query(`DELETE FROM ${table} ORDER BY ${key} LIMIT 1`);
  await connection.query(
    `UPDATE ${table} SET ${column} = ${column} + IF('${column}' = 'customer_id', 1, 0.01) ORDER BY ${key} LIMIT 1`,
  );
  await connection.query(
    `INSERT INTO ${table} (${key}, ${columns.join(', ')}) SELECT -5, ${columns.join(', ')} FROM ${table} ORDER BY ${key} LIMIT 1`,
  );
}

/** One of the two is enough where the server makes no difference. */
const { mariadb } = inject('servers');
const anyFlavour = mariadb === undefined ? 'mysql' : 'mariadb';

describe('the demo with --keep', () => {
  test(
    'goes on computing, tells how to look at it, and takes everything away at Ctrl-C',
    async () => {
      const { demo, folder } = await startDemo(['--keep', '--server', anyFlavour]);
      await demo.waitForLine(/until Ctrl-C/, DEMO_MS);
      await demo.waitForLine(/SELECT \* FROM kisflow.customer_value/);
      const env = {
        KISFLOW_SOURCE_URL: printed(demo, 'KISFLOW_SOURCE_URL'),
        KISFLOW_STORE_URL: printed(demo, 'KISFLOW_STORE_URL'),
      };
      const port = new URL(env.KISFLOW_SOURCE_URL).port;
      const url = `mysql://admin:kisflow@127.0.0.1:${port}`;
      const cwd = 'demo';
      for (const args of [['check'], ['status'], ['inspect'], ['inspect', 'stu_avg_score', '--key', '101']]) {
        const command = await startCommand(args, { cwd, env });
        expect(await command.waitForExit(), `${args.join(' ')}\n${command.stderr.join('\n')}`).toEqual({ code: 0, signal: null });
        expect(command.stdout.join('\n')).toMatch(/CalStuAvgScore|90/);
      }
      await withConnection(url, async (connection) => {
        await connection.query('UPDATE school.student_score SET score_3 = 95 WHERE stu_id = 101');
        await waitFor(async () => {
          const [rows] = await connection.query('SELECT avg_score FROM kisflow.stu_avg_score WHERE stu_id = 101');
          return JSON.stringify(rows) === '[{"avg_score":95}]';
        });
      });
      demo.kill('SIGINT');
      expect(await demo.waitForExit()).toEqual({ code: 0, signal: null });
      await expectNothingLeft(demo, folder);
    },
    DEMO_MS + 60_000,
  );
});

describe('the end of a demo that does not end well', () => {
  test.each([
    ['SIGINT', { code: 1, signal: null }],
    ['SIGKILL', { code: null, signal: 'SIGKILL' }],
  ] as const)(
    '%s in the middle leaves nothing behind',
    async (signal, exit) => {
      const { demo, folder } = await startDemo(['--server', anyFlavour]);
      await demo.waitForLine(/live changes begin/, 60_000);
      demo.kill(signal);
      expect(await demo.waitForExit()).toEqual(exit);
      await expectNothingLeft(demo, folder);
    },
    120_000,
  );

  test('a server that there is not is a usage error', async () => {
    const demo = await spawnDaemon(['demo', '--server', 'oracle']);
    expect(await demo.waitForExit()).toEqual({ code: 2, signal: null });
    expect(demo.stdout.join('\n')).toContain('--server is mysql or mariadb, not "oracle"');
  });
});
