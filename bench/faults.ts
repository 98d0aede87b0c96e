import type { Connection, RowDataPacket } from 'mysql2/promise';
import { killConnections } from '../test/support/fault/fault.ts';
import { makeReadOnly } from '../test/support/fault/store-limits.ts';
import { holdRows } from '../test/support/fault/store-locks.ts';
import type { HalfOpenProxy } from '../test/support/half-open-proxy.ts';
import { connectTo } from './connect.ts';
import type { ServerPair } from './server-pair.ts';

/** What a fault is done to. All that the daemon says to the servers goes through the proxies. */
export interface FaultPlace {
  readonly pair: ServerPair;
  readonly sourceProxy: HalfOpenProxy;
  readonly storeProxy: HalfOpenProxy;
  /** kill -9, and the next start at once. */
  readonly restartDaemon: () => Promise<void>;
}

export interface Fault {
  readonly name: string;
  /** How long it lasts, in seconds; 0: it is over as soon as it has been done. */
  readonly seconds: number;
  /** Begins it; gives what ends it. */
  readonly begin: (place: FaultPlace) => Promise<() => Promise<void>>;
}

const over = async (): Promise<void> => {};

export const faults: readonly Fault[] = [
  { name: 'binlog connection killed', seconds: 0, begin: ({ pair }) => withLink(pair.source.url, killDumps) },
  { name: 'source connections cut', seconds: 0, begin: async ({ sourceProxy }) => cut(sourceProxy) },
  { name: 'source half-open', seconds: 10, begin: async ({ sourceProxy }) => halfOpen(sourceProxy) },
  { name: 'source stands still', seconds: 10, begin: ({ pair }) => pause(pair.source) },
  { name: 'source killed, recovers', seconds: 0, begin: ({ pair }) => kill(pair.source) },
  { name: 'store connections killed', seconds: 0, begin: ({ pair }) => withLink(pair.store.url, killStoreConnections) },
  { name: 'store connections cut', seconds: 0, begin: async ({ storeProxy }) => cut(storeProxy) },
  { name: 'store half-open', seconds: 10, begin: async ({ storeProxy }) => halfOpen(storeProxy) },
  { name: 'store stands still', seconds: 10, begin: ({ pair }) => pause(pair.store) },
  { name: 'store killed, recovers', seconds: 0, begin: ({ pair }) => kill(pair.store) },
  { name: 'store read-only', seconds: 5, begin: beReadOnly },
  { name: 'computed rows locked', seconds: 15, begin: lockRows },
  { name: 'daemon killed, started again', seconds: 0, begin: ({ restartDaemon }) => restartDaemon().then(() => over) },
];

async function withLink(url: string, work: (link: Connection) => Promise<void>): Promise<() => Promise<void>> {
  const link = await connectTo(url);
  await work(link);
  link.destroy();
  return over;
}

async function killDumps(link: Connection): Promise<void> {
  const [rows] = await link.query<(RowDataPacket & { id: number })[]>(
    "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'",
  );
  for (const { id } of rows) await link.query(`KILL ${id}`).catch(() => {}); // it may have ended by itself
}

async function killStoreConnections(link: Connection): Promise<void> {
  await killConnections(link, 'bench');
}

function cut(proxy: HalfOpenProxy): () => Promise<void> {
  proxy.cut();
  return over;
}

/** What was sent meanwhile is lost, as on a real network: its connections are of no more use. */
function halfOpen(proxy: HalfOpenProxy): () => Promise<void> {
  proxy.setMode('half-open');
  return async () => {
    proxy.cut();
    proxy.setMode('forward');
  };
}

async function pause(server: ServerPair['source']): Promise<() => Promise<void>> {
  await server.pauseProcess();
  return () => server.resumeProcess();
}

async function kill(server: ServerPair['source']): Promise<() => Promise<void>> {
  await server.kill();
  await server.restart();
  return over;
}

async function beReadOnly({ pair }: FaultPlace): Promise<() => Promise<void>> {
  const link = await connectTo(pair.store.url);
  const end = await makeReadOnly(link, pair.store);
  return async () => {
    await end();
    link.destroy();
  };
}

async function lockRows({ pair }: FaultPlace): Promise<() => Promise<void>> {
  const link = await connectTo(`${pair.store.url}/bench`);
  const end = await holdRows(link, { table: 'orders' });
  return async () => {
    await end();
    link.destroy();
  };
}
