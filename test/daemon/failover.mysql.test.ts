import { expect, it } from 'vitest';
import type { SqlServer } from '../../src/embedded/server.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { keepWriting, recoverFrom, type FaultRun } from '../support/fault/recovery.ts';
import { promoteReplica, startReplicated, stopReplica, untilReplicated } from '../support/fault/replication.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { agree, createShopProject, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { computed, refused, resumeFlows, runLine, storeRows } from './run-project.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);

async function start(project: ShopProject): Promise<DaemonProcess> {
  const daemon = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
  await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
  return daemon;
}

async function stop(daemon: DaemonProcess, code = 0): Promise<void> {
  daemon.kill('SIGTERM');
  expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code, signal: null });
}

/** Both flows, by command; what is written there then follows. */
async function rebuildOn(source: SqlServer, project: ShopProject): Promise<void> {
  const asked = await Promise.all(['mirror', 'totals'].map((flow) => runLine(project, ['rebuild', flow])));
  for (const said of asked) expect(said).toMatch(/is done/);
  const connection = await connectTo(source, project.source.name);
  await connection.query("INSERT INTO orders VALUES (88000001, 1, 1, 'follows')");
  await agree({ ...project, source: { ...project.source, connection } });
}

eachServer((flavour, server) => {
  it('L1 L3 a failover by GTID: to a replica at the same address, then at another one, and to one that is behind by a rebuild only', async () => {
    const servers = await startReplicated(flavour);
    const { primary, replica } = servers;
    const proxy = await startHalfOpenProxy(primary);
    const sourceUrl = primary.url.replace(`:${primary.port}`, `:${proxy.port}`);
    const project = await createShopProject({ source: primary, store: server, sourceUrl });
    let source = primary;
    const run: FaultRun = { project, source: () => source, random: randomFrom(seed), seed };
    const first = await start(project);

    // the primary goes, the replica takes its place behind the address, and its name in the writers' hands
    const writing = new AbortController();
    const written = keepWriting(run, writing.signal);
    await waitFor(async () => (await storeRows(project, 'SELECT COUNT(*) AS n FROM orders_copy'))[0]?.['n'] > 500, {
      deadlineMs: 30_000,
    });
    writing.abort();
    await written;
    await untilReplicated(servers);
    await recoverFrom(run, 'source-failover', async () => {
      source = replica;
      await promoteReplica(servers);
      proxy.setTarget(replica);
      proxy.cut();
      await first.waitForLine(/source connected again/, 30_000);
    });
    await stop(first);

    // the same server by its own address
    const moved = { ...project, env: { ...project.env, SOURCE_URL: replica.url } };
    const second = await start(moved);
    await recoverFrom(run, 'source-url-changed', () => Promise.resolve());
    await stop(second);

    // the dead primary comes back, and has nothing of what the replica wrote since
    await primary.restart();
    const before = await computed(project);
    const third = await startCommand(['run'], { cwd: project.folder, env: { ...project.env, SOURCE_URL: primary.url } });
    expect(await refused(project, 'SOURCE_WRONG_SERVER')).toEqual(before);
    // nor when it has written on by itself, and counts further than the position
    const old = await connectTo(primary, project.source.name);
    for (let id = 1; id <= 60; id += 1) await old.query('INSERT INTO noise (v) VALUES (1)');
    await old.query('INSERT INTO orders VALUES (99000001, 1, 1, NULL)');
    await resumeFlows(project);
    await waitFor(() => third.stderr.filter((line) => line.includes('flow stopped')).length === 4, { deadlineMs: 30_000 });
    expect(await refused(project, 'SOURCE_WRONG_SERVER')).toEqual(before);
    await rebuildOn(primary, project);
    await stop(third);
  }, 180_000);

  it('L3 a replica that was behind is refused under the daemon, also when it has written more than was lost; a rebuild goes on with it', async () => {
    const servers = await startReplicated(flavour);
    const { primary, replica } = servers;
    const proxy = await startHalfOpenProxy(primary);
    const sourceUrl = primary.url.replace(`:${primary.port}`, `:${proxy.port}`);
    const project = await createShopProject({ source: primary, store: server, sourceUrl });
    const daemon = await start(project);
    const lost = await connectTo(primary, project.source.name);
    await lost.query("INSERT INTO orders VALUES (1, 1, 1, 'kept')");
    await untilReplicated(servers);
    await stopReplica(servers);
    for (let id = 2; id < 8; id += 1) await lost.query(`INSERT INTO orders VALUES (${id}, 1, 1, 'lost')`);
    await waitFor(async () => (await storeRows(project, 'SELECT id FROM orders_copy')).length === 7);
    await waitFor(async () => (await storeRows(project, 'SELECT n FROM totals'))[0]?.['n'] === 7);
    await promoteReplica(servers);
    const connection = await connectTo(replica, project.source.name);
    for (let id = 20; id < 40; id += 1) await connection.query(`INSERT INTO orders VALUES (${id}, 2, 2, 'new')`);
    const before = await computed(project);
    proxy.setTarget(replica);
    proxy.cut();
    expect(await refused(project, 'SOURCE_WRONG_SERVER')).toEqual(before);
    expect(daemon.stderr.filter((line) => line.includes('flow stopped')).at(-1)).toMatch(/"position":/);
    await rebuildOn(replica, project);
    await stop(daemon);
  }, 120_000);

  if (flavour === 'mysql') {
    it('L3 without GTIDs a server that takes the place of the source under the daemon is refused, whatever its binlog has; a rebuild goes on with it', async () => {
      const settings = { gtid_mode: 'OFF', enforce_gtid_consistency: 'OFF' };
      const [own, other] = await Promise.all([startPrivateServer(flavour, settings), startPrivateServer(flavour, settings)]);
      const proxy = await startHalfOpenProxy(own);
      const sourceUrl = own.url.replace(`:${own.port}`, `:${proxy.port}`);
      const project = await createShopProject({ source: own, store: server, sourceUrl });
      const daemon = await start(project);
      const copy = await connectTo(other);
      await copy.query(`CREATE DATABASE ${project.source.name}`);
      await copy.query(
        `CREATE TABLE ${project.source.name}.orders (id INT PRIMARY KEY, customer INT NOT NULL, cents INT NOT NULL, note VARCHAR(200))`,
      );
      for (let id = 1; id < 30; id += 1)
        await copy.query(`INSERT INTO ${project.source.name}.orders VALUES (${id}, 1, 1, 'other')`);
      await project.source.connection.query("INSERT INTO orders VALUES (1, 1, 1, 'own')");
      await waitFor(async () => (await storeRows(project, 'SELECT n FROM totals'))[0]?.['n'] === 1);
      await waitFor(async () => (await storeRows(project, 'SELECT id FROM orders_copy')).length === 1);
      const before = await computed(project);
      proxy.setTarget(other);
      proxy.cut();
      expect(await refused(project, 'SOURCE_WRONG_SERVER')).toEqual(before);
      // the right one is back: both go on where they were
      proxy.setTarget(own);
      await resumeFlows(project);
      const run: FaultRun = { project, source: () => own, random: randomFrom(seed), seed };
      await recoverFrom(run, 'source-other-server', () => Promise.resolve());
      // the other one is to be the source from now on
      proxy.setTarget(other);
      proxy.cut();
      await refused(project, 'SOURCE_WRONG_SERVER');
      await rebuildOn(other, project);
      await stop(daemon);
    }, 120_000);
  }
});
