import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { spawnDaemon, startCommand } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { agree, createShopProject, disagreements, insertOrder, randomFrom, writeOrders } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  askRebuild,
  databasesOf,
  endOfRuns,
  fillOrders,
  hasSwapped,
  isInPhase,
  readAlways,
  rebuildsOf,
  wish,
} from './rebuilding.ts';
import { runLine, storeRows } from './run-project.ts';

const args = ['run', '--lease-ttl', '600'];

eachServer((_flavour, server) => {
  it('L1: a flow that increments is computed anew beside its tables while they change, and readers see old or new', async () => {
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await fillOrders(project, 20_000);
    const daemon = await startCommand(args, { cwd: project.folder, env: project.env });
    await agree(project);
    await project.store.connection.query(
      'UPDATE totals SET cents = cents + 7; DELETE FROM orders_copy WHERE id % 100 = 3; INSERT INTO orders_copy VALUES (-1, 1, 1, NULL)',
    );
    const stop = new AbortController();
    const writer = await connectTo(server, project.source.name);
    const writing = writeOrders(writer, { signal: stop.signal, random: randomFrom(7), pauseMs: 80, first: 20_000 });
    const reading = readAlways(await connectTo(server, project.store.name), stop.signal);
    try {
      await askRebuild(project, ['mirror', 'totals']);
      expect(await endOfRuns(project), daemon.stderr.join('\n')).toEqual([
        { flow: 'mirror', state: 'done', error_code: null },
        { flow: 'totals', state: 'done', error_code: null },
      ]);
    } finally {
      stop.abort();
      await writing;
    }
    const { answers, least } = await reading;
    expect(answers).toBeGreaterThan(10);
    expect(least).toBeGreaterThan(15_000);
    await agree(project);
    daemon.kill();
    expect((await daemon.waitForExit()).code).toBe(0);
    expect(await disagreements(project)).toEqual([]);
    expect(await databasesOf(project)).toEqual([project.store.name]);
  }, 120_000);

  it('L1 L6: a swap that a reader blocks leaves the flow as it was; a kill between the rename and what follows loses nothing', async () => {
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await fillOrders(project, 500);
    const daemon = await spawnDaemon(args, { cwd: project.folder, env: project.env });
    await agree(project);
    await project.store.connection.query('UPDATE totals SET cents = cents + 7');
    const reader = await connectTo(server, project.store.name);
    await reader.query('START TRANSACTION');
    await reader.query('SELECT * FROM totals LIMIT 1');
    await askRebuild(project, ['totals']);
    const blocked = await waitFor(async () => (await rebuildsOf(project)).find(({ error_code: code }) => code !== null), {
      deadlineMs: 60_000,
      what: 'a swap that is blocked',
    });
    expect(blocked).toMatchObject({ state: 'running', phase: 'catching-up', error_code: 'REBUILD_SWAP_BLOCKED' });
    expect(blocked['error_text']).toContain(`connection ${reader.threadId} `);
    await insertOrder(project, 9001);
    await waitFor(async () => (await storeRows(project, 'SELECT n FROM totals WHERE customer = 1 AND n = 11')).length === 1, {
      what: 'the flow that goes on',
    });
    // what follows the rename waits for this row
    const holder = await connectTo(server, project.store.name);
    await holder.query('START TRANSACTION');
    await holder.query("INSERT INTO kis_state (flow, fname, state_key, value) VALUES ('totals', 'f', 'k', '1')");
    await reader.query('COMMIT');
    await waitFor(async () => (await isInPhase(project, 'swapping')) && (await hasSwapped(project)), {
      deadlineMs: 60_000,
      what: 'the rename',
    });
    daemon.kill('SIGKILL');
    await daemon.waitForExit();
    await holder.query('ROLLBACK');
    await insertOrder(project, 9002);
    const next = await spawnDaemon(args, { cwd: project.folder, env: project.env });
    expect(await endOfRuns(project), next.stderr.join('\n')).toEqual([{ flow: 'totals', state: 'done', error_code: null }]);
    await agree(project);
    expect(await databasesOf(project)).toEqual([project.store.name]);
    next.kill();
    await next.waitForExit();
    expect(await disagreements(project)).toEqual([]);
  }, 180_000);

  it('a daemon that is killed at any moment of a rebuild goes on with it, and no effect is lost or doubled', async () => {
    const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
    const random = randomFrom(seed);
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await fillOrders(project, 5000);
    const place = { cwd: project.folder, env: project.env };
    const first = await spawnDaemon(args, place);
    await agree(project);
    await project.store.connection.query('UPDATE totals SET cents = cents + 7');
    await askRebuild(project, ['mirror', 'totals']);
    const stop = new AbortController();
    const writer = await connectTo(server, project.source.name);
    const writing = writeOrders(writer, { signal: stop.signal, random, pauseMs: 100, first: 5000 });
    let daemon = first;
    try {
      for (let i = 0; i < 4; i += 1) {
        // around the swap, half of the time
        const aim = i % 2 === 0 ? ['reading'] : ['catching-up', 'swapping', 'dropping'];
        await waitFor(
          async () =>
            (await rebuildsOf(project)).some(({ open_kind: open, phase }) => open === null || aim.includes(String(phase))),
          { deadlineMs: 60_000, what: aim.join(' or ') },
        );
        await new Promise((resolve) => setTimeout(resolve, random() * (i % 2 === 0 ? 500 : 3000))); // the moment is what is random here
        daemon.kill('SIGKILL');
        await daemon.waitForExit();
        daemon = await spawnDaemon(args, place);
      }
      const ended = await endOfRuns(project);
      expect(ended, `seed ${seed}\n${daemon.stderr.join('\n')}`).toEqual([
        { flow: 'mirror', state: 'done', error_code: null },
        { flow: 'totals', state: 'done', error_code: null },
      ]);
    } finally {
      stop.abort();
      await writing;
    }
    await agree(project).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${String(error)}\n${daemon.stderr.join('\n')}`);
    });
    daemon.kill();
    await daemon.waitForExit();
    expect(await disagreements(project), `seed ${seed}`).toEqual([]);
    expect(await databasesOf(project)).toEqual([project.store.name]);
  }, 240_000);

  it('a rebuild that is cancelled leaves no trace; a changed function is offered one, which computes every row by it', async () => {
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await fillOrders(project, 2000);
    const daemon = await startCommand([...args], { cwd: project.folder, env: project.env });
    await agree(project);
    const reader = await connectTo(server, project.store.name);
    await reader.query('START TRANSACTION');
    await reader.query('SELECT * FROM totals LIMIT 1'); // it is not to end by itself
    await askRebuild(project, ['totals']);
    await waitFor(() => isInPhase(project, 'catching-up'), { deadlineMs: 60_000, what: 'a shadow' });
    await wish(project, 'pause');
    await waitFor(async () => (await rebuildsOf(project))[0]?.['state'] === 'paused', { deadlineMs: 30_000, what: 'the pause' });
    const shadow = (await databasesOf(project)).find((name) => name !== project.store.name);
    // as a daemon may do that had stood still while another one took the rebuild over
    await project.store.connection.query(`DROP DATABASE \`${String(shadow)}\``);
    await wish(project, 'resume');
    await daemon.waitForLine(/somebody has dropped the shadow: the rebuild begins anew/);
    await waitFor(() => isInPhase(project, 'catching-up'), { deadlineMs: 60_000, what: 'another shadow' });
    expect(await databasesOf(project)).toHaveLength(2);
    await wish(project, 'cancel');
    expect(await endOfRuns(project), daemon.stderr.join('\n')).toEqual([{ flow: 'totals', state: 'cancelled', error_code: null }]);
    expect(await databasesOf(project)).toEqual([project.store.name]);
    await reader.query('COMMIT');
    const file = join(project.folder, 'functions/AddTotals.ts');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('sign[side] * image.cents', '2 * sign[side] * image.cents'));
    await daemon.waitForLine(/"reloaded"/);
    await waitFor(async () => /FLOW_CHANGED/.test(await runLine(project, ['check', '--json'])), { what: 'the offer' });
    expect(await runLine(project, ['rebuild', 'totals'])).toMatch(/is done: 2,000 rows of 1 table/);
    const [rows] = await project.store.connection.query(
      `SELECT 1 FROM totals t JOIN (SELECT customer, SUM(cents) AS cents FROM \`${project.source.name}\`.orders GROUP BY customer) o
       ON o.customer = t.customer WHERE t.cents <> 2 * o.cents`,
    );
    expect(rows).toEqual([]);
    expect(await runLine(project, ['check', '--json'])).not.toMatch(/FLOW_CHANGED/);
  }, 180_000);
});
