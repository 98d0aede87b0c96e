import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { expect } from 'vitest';
import type { SqlAddress, SqlFlavour, SqlServer } from '../../src/embedded/server.ts';
import { onEnd } from '../support/cleanup.ts';
import { startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectionsTo, killConnections, setGlobal, tellRecovery, type EndFault } from '../support/fault/fault.ts';
import {
  fillDisk,
  limitAccount,
  lowerPacket,
  makeReadOnly,
  mountSmallDisk,
  refuseWrites,
  takeConnections,
} from '../support/fault/store-limits.ts';
import { deadlockRows, holdDefinition, holdRows, holdTable } from '../support/fault/store-locks.ts';
import { connectTo, startPrivateServer } from '../support/servers.ts';
import { startLoad } from '../support/shop-load.ts';
import { createShopProject, disagreements, randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const account = { user: 'kis', password: 'kis' };

interface Scene {
  readonly flavour: SqlFlavour;
  readonly source: SqlAddress;
  readonly store: SqlServer;
  /** Where the store's data lies, when it can be filled. */
  readonly disk: string | undefined;
  readonly project: ShopProject;
  readonly daemon: DaemonProcess;
  /** A new connection to the store's database, of an administrator. */
  readonly connect: () => Promise<Connection>;
}

/** A daemon with a store of its own, under an account that is none of an administrator. */
async function openScene(flavour: SqlFlavour, source: SqlAddress): Promise<Scene> {
  const disk = await mountSmallDisk(600);
  const settings = {
    server_id: 2,
    log_bin: null,
    ...(flavour === 'mysql' ? { gtid_mode: null, enforce_gtid_consistency: null } : {}),
  };
  const store = await startPrivateServer(flavour, settings, disk === undefined ? {} : { dataDir: `${disk}/data` });
  onEnd(() => store.kill()); // an end in order would take longer, and be of no use
  const storeUrl = `mysql://${account.user}:${account.password}@${store.host}:${store.port}`;
  const project = await createShopProject({ source, store, storeUrl });
  const { name } = project.store;
  await project.store.connection.query(
    `CREATE USER kis@'%' IDENTIFIED BY 'kis'; GRANT PROCESS ON *.* TO kis@'%'; GRANT ALL ON \`${name}\`.* TO kis@'%'`,
  );
  const daemon = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
  await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2, { deadlineMs: 30_000 });
  return { flavour, source, store, disk, project, daemon, connect: () => connectTo(store, name) };
}

interface Trouble {
  readonly begin: () => Promise<EndFault>;
  /** What the log says before the fault ends. */
  readonly until?: readonly RegExp[];
  /** Nothing is written while it lasts. */
  readonly isIdle?: boolean;
}

/** One fault under load; then source and store must agree to the row, with no flow stopped. */
async function suffer(scene: Scene, name: string, { begin, until = [], isIdle = false }: Trouble): Promise<void> {
  const { flavour, source, project, daemon } = scene;
  const from = daemon.stderr.length;
  const said = (pattern: RegExp): boolean => daemon.stderr.slice(from).some((line) => pattern.test(line));
  const load = startLoad(source, project.source.name, { random, pauseMs: 5 });
  await waitFor(() => load.transactions > 20);
  if (isIdle) await load.stop();
  const end = await begin();
  for (const pattern of until) {
    const what = `${name}: ${pattern}, seed ${seed}; it said:\n${daemon.stderr.slice(from).join('\n')}`;
    await waitFor(() => said(pattern), { deadlineMs: 60_000, what });
  }
  await end();
  const endedAt = performance.now();
  await load.stop();
  const after = { ...project, store: { ...project.store, connection: await scene.connect() } };
  await waitFor(async () => (await disagreements(after)).length === 0, {
    deadlineMs: 60_000,
    pollMs: 50,
    what: `agreement after ${name}, seed ${seed}`,
  });
  tellRecovery(name, flavour, (performance.now() - endedAt) / 1000);
  expect(daemon.stderr.slice(from).filter((line) => line.includes('"flow stopped"'))).toEqual([]);
}

/** Both flows wait for a lock: one for rows, one for a table's definition. */
async function lockAll({ connect }: Scene): Promise<EndFault> {
  const endRows = await holdRows(await connect(), { table: 'totals' });
  const endDefinition = await holdDefinition([await connect(), await connect()], { table: 'orders_copy' });
  return async () => void (await Promise.all([endRows(), endDefinition()]));
}

async function killQueries(scene: Scene): Promise<EndFault> {
  const admin = await scene.connect();
  for (let i = 0; i < 40; i += 1) {
    await delay(random() * 30);
    for (const id of await connectionsTo(admin, scene.project.store.name)) await admin.query(`KILL QUERY ${id}`).catch(() => {});
  }
  return async () => {};
}

/** The disk is full; where none could be mounted, the server says so of its own accord. */
async function fillUp({ connect, disk }: Scene): Promise<EndFault> {
  if (disk !== undefined) return fillDisk(disk);
  console.log('no file system could be mounted: a trigger says that the table is full');
  return refuseWrites(await connect(), { table: 'orders_copy', errno: 1114, message: 'The table is full' });
}

/** Others are in the way, or the server does not take writes: what differs most from one another. */
function commonTroubles(scene: Scene, admin: Connection): Readonly<Record<string, Trouble>> {
  const { store, project, connect } = scene;
  const place = { server: store, database: project.store.name, account };
  return {
    deadlocks: {
      begin: async () => deadlockRows(await connect(), { table: 'totals', key: 'customer' }),
      until: [/"flow":"totals","code":"STORE_CONFLICT".*Deadlock.*statement: INSERT INTO totals/],
    },
    'lock waits': {
      begin: () => lockAll(scene),
      until: [
        /"flow":"totals","code":"STORE_CONFLICT".*INSERT INTO totals.*may hold the lock: connection \d+ of \w+@.*idle/,
        /"flow":"mirror","code":"STORE_CONFLICT".*orders_copy/,
      ],
    },
    // for as long as leases are renewed in vain more than once
    'read-only': { begin: () => makeReadOnly(admin, store), until: [/STORE_READ_ONLY.*leases not/, /STORE_READ_ONLY","tries":6/] },
    'out of connections': {
      begin: () => takeConnections(admin, place),
      until: [/"flow":"mirror".*STORE_UNREACHABLE.*Too many/, /"flow":"totals".*STORE_UNREACHABLE.*Too many/],
    },
    'disk full': { begin: () => fillUp(scene), until: [/STORE_FULL/] },
    restart: { begin: async () => () => store.restart() },
  };
}

function rareTroubles(scene: Scene, admin: Connection): Readonly<Record<string, Trouble>> {
  const { store, project, connect } = scene;
  const database = project.store.name;
  const notReady = { table: 'orders_copy', errno: 1047, message: 'WSREP has not yet prepared node for application use' };
  return {
    'table locked': {
      begin: async () => holdTable(await connect(), { table: 'totals' }),
      until: [/"flow":"totals","code":"STORE_CONFLICT".*INSERT INTO totals/],
    },
    'connections of the account': {
      begin: () => limitAccount(admin, { database, user: account.user }),
      until: [/STORE_UNREACHABLE.*\[(1226|1203)\]/],
    },
    'statements killed': { begin: () => killQueries(scene), until: [/STORE_TIMEOUT.*\[1317\]/] },
    'smaller packets': { begin: () => lowerPacket(admin, { database, bytes: 16_384 }) },
    'idle sessions ended': { isIdle: true, begin: () => shortenIdle(admin, database) },
    'a cluster’s node not ready': {
      begin: () => refuseWrites(admin, notReady),
      until: [/"flow":"mirror","code":"STORE_UNREACHABLE".*WSREP/],
    },
    'frozen for longer than the leases': {
      async begin() {
        await store.pauseProcess();
        await delay(3500); // longer than the leases
        return () => store.resumeProcess();
      },
    },
  };
}

async function shortenIdle(admin: Connection, database: string): Promise<EndFault> {
  const end = await setGlobal(admin, 'wait_timeout', 1);
  await killConnections(admin, database);
  await delay(2500); // as long as it takes to be idle for too long
  return end;
}

/** Everything that a store does to a daemon, in turn, under one daemon; in short only what is common. */
export async function sufferStoreFaults(flavour: SqlFlavour, source: SqlAddress, options: { isShort: boolean }): Promise<void> {
  const scene = await openScene(flavour, source);
  const { daemon, connect } = scene;
  const admin = await connect();
  const troubles = { ...(options.isShort ? {} : rareTroubles(scene, admin)), ...commonTroubles(scene, admin) };
  for (const [name, trouble] of Object.entries(troubles)) await suffer(scene, name, trouble);
  daemon.kill('SIGTERM');
  expect(await daemon.waitForExit(), daemon.stderr.slice(-20).join('\n')).toEqual({ code: 0, signal: null });
  expectSaidOnce(daemon.stderr);
}

/** Leases that cannot be renewed are said once for each cause, until that is over, and not at each try. */
function expectSaidOnce(log: readonly string[]): void {
  const said = log.flatMap((line) => (line.includes('"leases ') ? [/"code":"(\w+)"/.exec(line)?.[1] ?? 'over'] : []));
  expect(said).toContain('over');
  for (const [index, word] of said.entries()) expect(word, said.join(' ')).not.toBe(said[index - 1]);
}
