import { expect, it } from 'vitest';
import type { SqlServer } from '../../src/embedded/server.ts';
import { spawnDaemon, type DaemonProcess } from '../support/daemon-process.ts';
import { purgeSource } from '../support/fault/source-server.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { agree, createShopProject, insertOrder, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { spawnWatched, type WatchedDaemon } from '../support/watched-daemon.ts';
import { databasesOf, endOfRuns, fillOrders, isInPhase, rebuildsOf, wish } from './rebuilding.ts';
import { refused, runLine, storeRows } from './run-project.ts';

const policy = 'snapshot, on_purged: snapshot';
const done = (flow: string) => ({ flow, state: 'done', error_code: null });

async function spawn(project: ShopProject): Promise<DaemonProcess> {
  return spawnDaemon(['run', '--lease-ttl', '600'], { cwd: project.folder, env: project.env });
}

/** As the commands do it. */
async function want({ store }: ShopProject, flows: readonly string[], wanted: 'run' | 'pause'): Promise<void> {
  const clear = wanted === 'run' ? ', error_code = NULL, error_text = NULL' : '';
  await store.connection.query(`UPDATE kis_flow SET wanted = ?${clear} WHERE flow IN (?)`, [wanted, flows]);
}

async function statesOf(project: ShopProject): Promise<Readonly<Record<string, string>>> {
  const rows = await storeRows(project, 'SELECT flow, state, error_code FROM kis_flow');
  return Object.fromEntries(rows.map(({ flow, state, error_code: code }) => [String(flow), `${String(state)} ${String(code)}`]));
}

async function untilStates(project: ShopProject, states: Readonly<Record<string, string>>): Promise<void> {
  const are = async (): Promise<boolean> => {
    expect(await statesOf(project)).toMatchObject(states);
    return true;
  };
  await waitFor(are, { deadlineMs: 60_000, what: JSON.stringify(states) });
}

async function untilRun(project: ShopProject, state: string): Promise<void> {
  const isThere = async () => (await rebuildsOf(project)).some((run) => run['open_kind'] !== null && run['state'] === state);
  await waitFor(isThere, { deadlineMs: 60_000, what: `a rebuild that is ${state}` });
}

/** The daemon that has the flow, and the other one. */
async function apart(
  project: ShopProject,
  flow: string,
  [one, other]: readonly [WatchedDaemon, WatchedDaemon],
): Promise<readonly [WatchedDaemon, WatchedDaemon]> {
  const [lease] = await storeRows(project, 'SELECT holder FROM kis_lease WHERE flow = ?', [flow]);
  return String(lease?.['holder']).includes(`:${one.daemon.pid}:`) ? [one, other] : [other, one];
}

/** Rows that go, change and come, and whose binlog is then purged. */
async function lose({ source }: ShopProject, server: SqlServer, first: number, until: () => Promise<unknown>): Promise<void> {
  await source.connection.query(
    `DELETE FROM orders WHERE id % 10 = ${first % 10}; UPDATE orders SET cents = cents + 1 WHERE id % 7 = 0;
     INSERT INTO orders VALUES (${first}, 9, 90, 'new'), (${first + 1}, 9, 90, 'new')`,
  );
  await until();
  await purgeSource({ source: server });
}

eachServer((flavour, server) => {
  it('L1 L3 a flow whose binlog is purged is rebuilt by itself, once, whoever dies; readers see the old tables until then', async () => {
    const source = await startPrivateServer(flavour);
    const proxy = await startHalfOpenProxy(source);
    const project = await createShopProject({
      source,
      store: server,
      sourceUrl: source.url.replace(`:${source.port}`, `:${proxy.port}`),
      start: policy,
      global: 'http: {listen: "127.0.0.1:0"}',
    });
    await fillOrders(project, 300);
    const [one, other] = await Promise.all([spawnWatched(project), spawnWatched(project)]);
    await agree(project);
    await want(project, ['totals'], 'pause');
    await untilStates(project, { totals: 'paused null' });
    const old = await storeRows(project, 'SELECT * FROM orders_copy ORDER BY id');

    // in mid-stream; a paused flow waits, and so does the other daemon
    proxy.refuse(true);
    proxy.cut();
    await lose(project, source, 1001, () => Promise.resolve());
    proxy.refuse(false);
    await untilRun(project, 'waiting');
    await wish(project, 'pause');
    await untilRun(project, 'paused');
    const [begun, ...more] = await rebuildsOf(project);
    expect(more).toEqual([]);
    expect(begun).toMatchObject({ flow: 'mirror', options: expect.stringContaining('"cause":{"code":"SOURCE_PURGED"') });
    expect(await statesOf(project)).toEqual({ mirror: 'rebuilding SOURCE_PURGED', totals: 'paused null' });
    const said = [...one.daemon.stderr, ...other.daemon.stderr];
    expect(said.filter((line) => /"lostFrom":"[^"]+".*is rebuilt from a snapshot/.test(line))).toHaveLength(1);
    const [holder, standby] = await apart(project, 'mirror', [one, other]);
    const { ready, flows } = await holder.ready();
    expect([ready, flows.find(({ flow }) => flow === 'mirror')?.reasons]).toEqual([false, ['rebuilding after SOURCE_PURGED']]);
    expect(await runLine(project, ['status'])).toMatch(
      /mirror +rebuilding[^]*computed anew by themselves[^]*rebuild \d+ is paused/,
    );
    expect(await runLine(project, ['resume', 'mirror'])).toMatch(/is rebuilt by itself/);
    expect(await runLine(project, ['runs', 'show', String(begun?.['id'])])).toMatch(
      /because +SOURCE_PURGED: the server has purged/,
    );
    expect(await storeRows(project, 'SELECT * FROM orders_copy ORDER BY id')).toEqual(old);

    // whoever takes the flow over goes on with the same run; one that has stood still takes no part in it
    holder.daemon.kill('SIGSTOP');
    await standby.daemon.waitForLine(/waits for the rebuild that is under way/, 60_000);
    holder.daemon.kill('SIGCONT');
    await holder.waitForReady(
      ({ flows: all }) => all.some(({ flow, state }) => flow === 'mirror' && state === 'standby'),
      'a standby',
    );
    await wish(project, 'resume');
    const ended = await endOfRuns(project).catch((error: unknown) => {
      throw new Error([...holder.daemon.stderr, 'STANDBY', ...standby.daemon.stderr].join('\n'), { cause: error });
    });
    expect(ended, standby.daemon.stderr.join('\n')).toEqual([done('mirror')]);
    await untilStates(project, { mirror: 'running null' });

    // the other flow meets the purge when it is resumed; and what its rebuild was about to read is purged too
    await want(project, ['totals'], 'run');
    await waitFor(() => isInPhase(project, 'catching-up'), { deadlineMs: 60_000, what: 'the rebuild of the totals' });
    await wish(project, 'pause');
    await untilRun(project, 'paused');
    await lose(project, source, 1003, () =>
      waitFor(async () => (await storeRows(project, 'SELECT id FROM orders_copy WHERE id = 1004')).length === 1),
    );
    const [killed, left] = await apart(project, 'totals', [one, other]);
    killed.daemon.kill('SIGKILL');
    await killed.daemon.waitForExit();
    await wish(project, 'resume');
    await left.daemon.waitForLine(/has lost its binlog and begins anew/, 60_000);
    expect(await endOfRuns(project), left.daemon.stderr.join('\n')).toEqual([done('mirror'), done('totals')]);
    await insertOrder(project, 2000);
    await agree(project);
    await left.waitForReady(({ status }) => status === 200, 'readiness');
    left.daemon.kill();
    await left.daemon.waitForExit();
    expect(await databasesOf(project)).toEqual([project.store.name]);
  }, 180_000);

  it('L3 a rebuild that fails is not begun again for the same place; nor is one for another history, which a rebuild mends when it is asked for', async () => {
    const source = await startPrivateServer(flavour);
    const project = await createShopProject({ source, store: server, start: policy });
    await fillOrders(project, 50);
    const first = await spawn(project);
    await agree(project);
    await want(project, ['mirror'], 'pause');
    await untilStates(project, { mirror: 'paused null' });
    const isAdded = async () => (await storeRows(project, 'SELECT 1 FROM totals WHERE customer = 9 AND n > 2')).length === 1;
    await lose(project, source, 1001, () => waitFor(isAdded));
    await project.store.connection.query('CREATE TRIGGER spoil BEFORE INSERT ON orders_copy FOR EACH ROW SET NEW.note = NEW.note');
    await want(project, ['mirror'], 'run');
    await refused(project, 'SOURCE_PURGED', ['mirror']);
    const [row] = await storeRows(project, "SELECT error_text FROM kis_flow WHERE flow = 'mirror'");
    expect(row?.['error_text']).toMatch(
      /has purged what follows .*; its rebuild, run \d+, has failed \(REBUILD_IMPOSSIBLE: .*trigger spoil/,
    );
    // neither by a resume nor by a start
    await want(project, ['mirror'], 'run');
    await waitFor(() => first.stderr.filter((line) => /"flow":"mirror".*flow stopped/.test(line)).length === 2, {
      deadlineMs: 30_000,
    });
    first.kill();
    await first.waitForExit();
    const daemon = await spawn(project);
    await daemon.waitForLine(/"flow":"mirror".*flow stopped/, 30_000);
    expect(await rebuildsOf(project)).toHaveLength(1);
    await project.store.connection.query('DROP TRIGGER spoil');
    expect(await runLine(project, ['rebuild', 'mirror'])).toMatch(/is done/);
    await agree(project);

    await want(project, ['totals'], 'pause');
    await untilStates(project, { totals: 'paused null' });
    const reset = await connectTo(source);
    await reset.query(flavour === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
    await insertOrder(project, 3000);
    await refused(project, 'SOURCE_WRONG_SERVER', ['mirror']);
    expect(await rebuildsOf(project)).toHaveLength(2);
    const asked = await Promise.all(['mirror', 'totals'].map((flow) => runLine(project, ['rebuild', flow])));
    for (const said of asked) expect(said).toMatch(/is done/);
    await insertOrder(project, 4000);
    await want(project, ['totals'], 'run');
    await agree(project);
    daemon.kill();
    await daemon.waitForExit();
  }, 180_000);
});
