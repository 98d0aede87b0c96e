import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { onEnd } from '../support/cleanup.ts';
import { spawnDaemon, startCommand } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { agree, createShopProject, disagreements, randomFrom, writeOrders, type ShopProject } from '../support/shop-project.ts';

/** Rows that were there before the flows were. */
async function fill({ source }: ShopProject, size: number): Promise<void> {
  for (let first = 1; first <= size; first += 5000) {
    const rows = Array.from({ length: Math.min(5000, size - first + 1) }, (_, i) => [
      first + i,
      i % 50,
      i % 1000,
      'x'.repeat(i % 90),
    ]);
    await source.connection.query('INSERT INTO orders VALUES ?', [rows]);
  }
}

/** Rows of chunks that are committed. */
async function rowsRead({ store }: ShopProject): Promise<number> {
  try {
    const [rows] = await store.connection.query<RowDataPacket[]>('SELECT SUM(rows_done) AS n FROM kis_run_table');
    return Number(rows[0]?.['n'] ?? 0);
  } catch {
    return 0; // the daemon has yet to make the table
  }
}

/** Whether every run has ended. */
async function isRead(project: ShopProject): Promise<boolean> {
  return (await rowsRead(project)) > 0 && (await runsOf(project)).every((run) => run['state'] === 'done');
}

async function runsOf({ store }: ShopProject): Promise<RowDataPacket[]> {
  const [rows] = await store.connection.query<RowDataPacket[]>(
    'SELECT r.flow, r.state, t.state AS table_state, t.rows_done FROM kis_run r JOIN kis_run_table t ON t.run = r.id ORDER BY r.flow',
  );
  return rows.map((row) => ({ ...row }));
}

eachServer((_flavour, server) => {
  it('L1: a flow starts from its tables as they are, and every row is taken once', async () => {
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await fill(project, 20_000);
    const daemon = await startCommand(['run', '--until-current'], { cwd: project.folder, env: project.env });
    expect((await daemon.waitForExit(60_000)).code, daemon.stderr.join('\n')).toBe(0);
    expect(await disagreements(project)).toEqual([]);
    const done = { state: 'done', table_state: 'done', rows_done: 20_000 };
    expect(await runsOf(project)).toEqual([
      { flow: 'mirror', ...done },
      { flow: 'totals', ...done },
    ]);
  }, 60_000);

  it('L1 L5: a table that is changed all the time while it is read, and a daemon that is killed, cost no row and double none', async () => {
    const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
    const random = randomFrom(seed);
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    const file = `${project.folder}/conf/shop.yml`;
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll(/^flow_name: \w+$/gm, '$&\nbatch: {rows: 500}'));
    await fill(project, 30_000);
    const stop = new AbortController();
    const writer = await connectTo(server, project.source.name);
    onEnd(async () => stop.abort());
    const writing = writeOrders(writer, { signal: stop.signal, random, pauseMs: 150, first: 30_000 });
    writing.catch(() => {}); // awaited below, unless the test fails before
    const place = { cwd: project.folder, env: project.env };
    for (let i = 0; i < 3; i += 1) {
      const before = await rowsRead(project);
      const killed = await spawnDaemon(['run', '--lease-ttl', '600', '--log-level', 'warn'], place);
      await waitFor(async () => (await rowsRead(project)) > before || (await isRead(project)), { deadlineMs: 30_000, pollMs: 10 });
      await delay(random() * 300); // the moment of the kill is what is random here
      killed.kill('SIGKILL');
      await killed.waitForExit();
      if (i === 0)
        expect(await runsOf(project), 'the first kill comes before the end').toContainEqual(
          expect.objectContaining({ state: 'running' }),
        );
    }
    const before = await rowsRead(project);
    const daemon = await startCommand(['run', '--lease-ttl', '600'], place);
    await waitFor(async () => (await rowsRead(project)) > before + 1000 || (await isRead(project)), { deadlineMs: 30_000 });
    stop.abort(); // it has read on beside the writer, who outruns it on a busy machine
    await writing;
    await waitFor(
      async () => {
        const open = (await runsOf(project)).filter((run) => run.state !== 'done');
        if (open.length > 0) throw new Error(`${JSON.stringify(open)}\n${daemon.stderr.slice(-20).join('\n')}`);
        return true;
      },
      { deadlineMs: 60_000 },
    );
    await agree(project).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${String(error)}\n${daemon.stderr.join('\n')}`);
    });
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code).toBe(0);
    expect(await disagreements(project), `seed ${seed}`).toEqual([]);
  }, 120_000);

  it('L1: a look at the runs while the last chunk has yet to be committed does not read it again', async () => {
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await fill(project, 100);
    const place = { cwd: project.folder, env: project.env };
    const migrate = await startCommand(['migrate'], place);
    expect((await migrate.waitForExit()).code, migrate.stderr.join('\n')).toBe(0);
    const { connection } = project.store;
    const locking = await connectTo(server, project.store.name);
    await locking.query('LOCK TABLES totals WRITE');
    const daemon = await startCommand(['run'], place);
    const isHeld = async (): Promise<boolean> => {
      const [rows] = await connection.query<RowDataPacket[]>(
        "SELECT 1 FROM information_schema.processlist WHERE db = ? AND info LIKE 'INSERT INTO totals%'",
        [project.store.name],
      );
      return rows.length > 0;
    };
    await waitFor(isHeld, { deadlineMs: 20_000 });
    await connection.query("UPDATE kis_run SET wish = 'resume' WHERE flow = 'totals'");
    const since = Date.now();
    await waitFor(() => Date.now() - since > 2500); // operators' wishes are looked at each second
    await locking.query('UNLOCK TABLES');
    await waitFor(async () => (await runsOf(project)).every((run) => run['state'] === 'done'), { deadlineMs: 20_000 });
    await agree(project);
    daemon.kill('SIGTERM');
    expect((await daemon.waitForExit()).code, daemon.stderr.join('\n')).toBe(0);
    expect(await disagreements(project)).toEqual([]);
  }, 60_000);

  it('a table that a flow names and its account may not see is none that is empty: nothing begins until it may, and then with every row', async () => {
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await fill(project, 100);
    const user = `r${randomBytes(5).toString('hex')}`;
    const admin = await connectTo(server);
    onEnd(async () => void (await (await connectTo(server)).query(`DROP USER '${user}'@'%'`)));
    await admin.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'Secret_1'`);
    await admin.query(`GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '${user}'@'%'`);
    const env = { ...project.env, SOURCE_URL: `mysql://${user}:Secret_1@${server.host}:${server.port}` };
    const blind = await startCommand(['run', '--until-current'], { cwd: project.folder, env });
    expect((await blind.waitForExit(30_000)).code).toBe(1);
    expect(blind.stderr.join('\n')).toMatch(
      new RegExp(`SNAPSHOT_GRANT_MISSING.*GRANT SELECT ON .${project.source.name}.\\..orders.`),
    );
    await admin.query(`GRANT SELECT ON \`${project.source.name}\`.orders TO '${user}'@'%'`);
    const seeing = await startCommand(['run', '--until-current'], { cwd: project.folder, env });
    expect((await seeing.waitForExit(30_000)).code, seeing.stderr.join('\n')).toBe(0);
    expect(await disagreements(project)).toEqual([]);
  }, 60_000);

  it('a flow whose first snapshot cannot begin takes another start, once that is written', async () => {
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await project.source.connection.query('ALTER TABLE orders MODIFY id INT NOT NULL, DROP PRIMARY KEY');
    await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 5, NULL)');
    const run = async (code: number): Promise<string> => {
      const daemon = await startCommand(['run', '--until-current'], { cwd: project.folder, env: project.env });
      expect((await daemon.waitForExit(30_000)).code, daemon.stderr.join('\n')).toBe(code);
      return daemon.stderr.join('\n');
    };
    expect(await run(1)).toContain('SNAPSHOT_NO_KEY');
    const file = `${project.folder}/conf/shop.yml`;
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll('start: snapshot', 'start: latest'));
    await run(0);
    await project.source.connection.query('INSERT INTO orders VALUES (2, 1, 6, NULL)');
    await run(0);
    const [rows] = await project.store.connection.query('SELECT id FROM orders_copy');
    expect(rows).toEqual([{ id: 2 }]);
  }, 60_000);
});
