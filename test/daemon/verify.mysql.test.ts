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
      const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
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
      expect(await disagreements(project)).toEqual([]);
      expect(await databasesOf(project)).toEqual([project.store.name]);
      await leaveInTheMiddle(project, daemon);
    },
  );
});

/** A verify whose daemon is killed is begun anew by the next one, and leaves nothing behind when it is cancelled. */
async function leaveInTheMiddle(project: ShopProject, daemon: DaemonProcess): Promise<void> {
  const isComparing = (): Promise<unknown> =>
    waitFor(
      async () => {
        const [run] = await storeRows(project, "SELECT state FROM kis_run WHERE kind = 'verify' ORDER BY id DESC LIMIT 1");
        return (await databasesOf(project)).length === 2 && run?.['state'] === 'running' ? true : undefined;
      },
      { deadlineMs: 60_000, what: 'a verify under way' },
    );
  const ended = verify(project, ['mirror'], { rowsPerSecond: 20 });
  await isComparing();
  daemon.kill('SIGKILL');
  await daemon.waitForExit();
  const next = await spawnDaemon(['run', '--lease-ttl', '2'], { cwd: project.folder, env: project.env });
  await next.waitForLine(/"shadow".*flow runs/);
  await storeRows(project, "UPDATE kis_run SET wish = 'cancel' WHERE open_kind = 'verify'");
  expect(await ended).toMatchObject([{ state: 'cancelled', missing: null }]);
  await waitFor(async () => ((await databasesOf(project)).length === 1 ? true : undefined), {
    deadlineMs: 20_000,
    what: 'no trace',
  });
  next.kill();
  expect((await next.waitForExit()).code).toBe(0);
}
