import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { spawnDaemon, startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { runUntilCurrent, storeRows } from './run-project.ts';
import { itLong } from '../support/long.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

/**
 * Counts orders by customer and in all, in its state, and fails at random in every way that is tried again: after it has changed
 * its state, with the function alone tried again, and with the whole batch.
 */
const counting = `import { CodedError, defineFunction } from 'kisflow';

export default defineFunction({
  name: 'AddTotals',
  async run(flow, rows) {
    const keys = rows.map((row) => 'c' + row.after.customer);
    const known = await flow.state.getMany([...keys, 'all']);
    const counts = new Map(known);
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    counts.set('all', (counts.get('all') ?? 0) + rows.length);
    for (const [key, n] of counts) flow.state.set(key, n);
    flow.state.set('seen ' + rows[0].after.id, true, 5);
    const chance = Math.random();
    if (chance < 0.1) throw new Error('the function alone');
    if (chance < 0.15) throw new CodedError('STORE_TIMEOUT', 'the whole batch', { class: 'retry' });
    // written beside the state, so that the two can be compared
    for (const key of new Set(keys)) flow.commitRow({ customer: Number(key.slice(1)), n: counts.get(key), cents: counts.get('all') });
  },
});
`;

async function countingProject(server: Parameters<typeof createShopProject>[0]['source']): Promise<ShopProject> {
  const project = await createShopProject({ source: server, store: server, files: { 'functions/AddTotals.ts': counting } });
  const { readFile, writeFile } = await import('node:fs/promises');
  const file = `${project.folder}/conf/shop.yml`;
  const before = await readFile(file, 'utf8');
  const after = before
    .replace('flows: [{fname: AddTotals}]', 'batch: {rows: 40}\nflows: [{fname: AddTotals}, {fname: SaveTotals}]')
    .replace(
      'fname: AddTotals\nfmode: Save\noption: {cname: totals}',
      'fname: AddTotals\nfmode: Calculate\noption: {retry_times: 20, return_duration: 1}\n---\nkistype: func\nfname: SaveTotals\nfmode: Save\noption: {cname: totals}',
    );
  await writeFile(file, after);
  await runUntilCurrent(project);
  return project;
}

/** Inserts orders until told to stop; gives how many. */
async function writeRows(
  project: ShopProject,
  options: { readonly server: Parameters<typeof connectTo>[0]; readonly signal: AbortSignal; readonly random: () => number },
): Promise<number> {
  const writer = await connectTo(options.server, project.source.name);
  let next = 0;
  while (!options.signal.aborted) {
    const size = 1 + Math.floor(options.random() * 30);
    const rows = Array.from({ length: size }, () => [(next += 1), Math.floor(options.random() * 20), 1, null]);
    await writer.query('INSERT INTO orders VALUES ?', [rows]);
    await delay(1);
  }
  return next;
}

/** The state and the table written beside it say what the source says. */
async function expectExact(project: ShopProject, count: number): Promise<void> {
  const source = await storeRows(
    project,
    `SELECT CONCAT('c', customer) AS k, COUNT(*) AS n FROM \`${project.source.name}\`.orders GROUP BY customer ORDER BY k`,
  );
  const state = await storeRows(
    project,
    "SELECT CONVERT(state_key USING utf8mb4) AS k, CAST(value AS SIGNED) AS n FROM kis_state WHERE flow = 'totals' AND fname = 'AddTotals' AND state_key LIKE 'c%' ORDER BY k",
  );
  expect(state, `seed ${seed}`).toEqual(source);
  const [all] = await storeRows(project, "SELECT value FROM kis_state WHERE flow = 'totals' AND state_key = 'all'");
  expect(all?.['value'], `seed ${seed}`).toBe(String(count));
  const table = await storeRows(project, "SELECT CONCAT('c', customer) AS k, n FROM totals ORDER BY k");
  expect(table, `seed ${seed}`).toEqual(source);
}

eachServer((_flavour, server) => {
  describe('keyed state', () => {
    it('L1: counts every row once, though functions and batches fail and the daemon is killed with -9', async () => {
      const random = randomFrom(seed);
      const project = await countingProject(server);
      const stop = new AbortController();
      const writing = writeRows(project, { server, signal: stop.signal, random });
      for (let i = 0; i < 3; i += 1) {
        const daemon = await spawnDaemon(['run', '--log-level', 'warn', '--lease-ttl', '600'], {
          cwd: project.folder,
          env: project.env,
        });
        await delay(700 + random() * 1200); // the moment of the kill is what is random here
        daemon.kill('SIGKILL');
        await daemon.waitForExit();
      }
      stop.abort();
      const count = await writing;
      await runUntilCurrent(project);
      expect(count).toBeGreaterThan(100);
      await expectExact(project, count);
    }, 120_000);

    itLong(
      'L6: counts every row once, though the flow goes back and forth between two daemons that freeze and wake up',
      async () => {
        const random = randomFrom(seed);
        const project = await countingProject(server);
        const start = () =>
          spawnDaemon(['run', '--log-level', 'info', '--lease-ttl', '600'], { cwd: project.folder, env: project.env });
        const daemons = [await start(), await start()];
        const runsOf = (daemon: DaemonProcess | undefined): number =>
          daemon?.stderr.filter((line) => line.includes('flow runs') && line.includes('"totals"')).length ?? 0;
        await waitFor(() => runsOf(daemons[0]) + runsOf(daemons[1]) > 0, { deadlineMs: 30_000 });
        const stop = new AbortController();
        const writing = writeRows(project, { server, signal: stop.signal, random });
        let holder = runsOf(daemons[0]) > 0 ? 0 : 1;
        for (let i = 0; i < 2; i += 1) {
          const [frozen, next] = [daemons[holder], daemons[1 - holder]];
          const before = runsOf(next);
          frozen?.kill('SIGSTOP');
          await waitFor(() => runsOf(next) > before, { deadlineMs: 30_000, what: 'the other daemon to take over' });
          await delay(300 + random() * 300); // so that it counts on, before the frozen one wakes with what it remembers
          frozen?.kill('SIGCONT');
          await frozen?.waitForLine(/standing by/, 30_000);
          holder = 1 - holder;
        }
        stop.abort();
        const count = await writing;
        for (const daemon of daemons) daemon.kill('SIGTERM');
        for (const daemon of daemons) expect((await daemon.waitForExit(30_000)).code, daemon.stderr.join('\n')).toBe(0);
        await runUntilCurrent(project);
        await expectExact(project, count);
      },
      120_000,
    );

    itLong(
      'L1: counts every row once, though the connections to the store are killed',
      async () => {
        const random = randomFrom(seed);
        const project = await countingProject(server);
        const daemon = await startCommand(['run', '--log-level', 'info'], { cwd: project.folder, env: project.env });
        await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
        const stop = new AbortController();
        const writing = writeRows(project, { server, signal: stop.signal, random });
        for (let i = 0; i < 25; i += 1) {
          await delay(random() * 200);
          const rows = await storeRows(
            project,
            "SELECT id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID() AND COMMAND <> 'Killed'",
            [project.store.name],
          );
          const victim = rows[Math.floor(random() * rows.length)];
          // it may have ended by itself meanwhile
          if (victim !== undefined)
            await project.store.connection.query(`KILL ${String(victim['id'] ?? victim['ID'])}`).catch(() => {});
        }
        stop.abort();
        const count = await writing;
        daemon.kill('SIGTERM');
        expect((await daemon.waitForExit()).code, daemon.stderr.join('\n')).toBe(0);
        await runUntilCurrent(project);
        await expectExact(project, count);
      },
      120_000,
    );
  });
});
