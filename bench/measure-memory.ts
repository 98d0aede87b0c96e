import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { startChild } from './child.ts';
import { askNumber, askRow } from './connect.ts';
import { startDaemon, waitUntil, type Daemon } from './daemon.ts';
import { figureOf, type Figure } from './figure.ts';
import { createOrders, ordersChecksum } from './orders.ts';
import { createProject } from './project.ts';
import { commitWriter, type WriterInput } from './scripts.ts';
import { resetStore } from './server-pair.ts';

const aimMb = 300;
const stallMs = 30_000;
const catchUpMs = 300_000;

/** The most memory that the daemon holds where a careless one would hold everything. */
export async function measureMemory(bench: Bench): Promise<readonly Figure[]> {
  return [
    await oneHugeTransaction(bench, { isCompressed: false }),
    await oneHugeTransaction(bench, { isCompressed: true }),
    await stalledStore(bench),
  ];
}

/** All orders in one transaction; compressed by binlog_transaction_compression, or MariaDB's log_bin_compress. */
async function oneHugeTransaction(bench: Bench, { isCompressed }: { readonly isCompressed: boolean }): Promise<Figure> {
  const { pair, data, log, options } = bench;
  const setting = options.flavour === 'mysql' ? 'SESSION binlog_transaction_compression' : 'GLOBAL log_bin_compress';
  await pair.sourceLink.query(`DROP TABLE IF EXISTS bench.big; ${createOrders('bench.big')}`);
  return withDaemon(bench, { tables: ['bench.big'], start: 'latest' }, async (daemon) => {
    await waitUntil(async () => daemon.lines.some(({ text }) => text.includes('flow runs')), {
      what: 'the flow runs',
      deadlineMs: 20_000,
      daemon,
    });
    await sleep(1000);
    const restMb = daemon.residentMb;
    await pair.sourceLink.query(`SET ${setting} = ${isCompressed ? 'ON' : 'OFF'}`);
    const startedAt = performance.now();
    await pair.sourceLink.query('INSERT INTO bench.big SELECT * FROM bench.orders');
    await pair.sourceLink.query(`SET ${setting} = OFF`);
    const committedMs = performance.now() - startedAt;
    const want = await askRow(pair.sourceLink, ordersChecksum('bench.big'));
    await untilAgreed(bench, daemon, { want, rows: data.inserts });
    const seconds = (performance.now() - startedAt - committedMs) / 1000;
    const name = isCompressed ? 'compressed transaction' : 'transaction';
    log(`memory: ${data.inserts} rows in one ${name}, ${daemon.peakMb.toFixed(0)} MB at most`);
    return figureOf({
      name: `memory, one ${name} of ${data.inserts.toLocaleString('en-US')} rows`,
      unit: 'MB',
      values: [daemon.peakMb],
      aim: aimMb,
      notes: { restMb, committedMs, secondsUntilAgreed: seconds },
    });
  });
}

/** The store's process stands still for 30 s, while the daemon reads a long binlog and more is being written. */
async function stalledStore(bench: Bench): Promise<Figure> {
  const { pair, data, log } = bench;
  await pair.sourceLink.query(`DROP TABLE IF EXISTS bench.stalled; ${createOrders('bench.stalled')}`);
  const tables = ['bench.orders', 'bench.stalled'];
  return withDaemon(bench, { tables, start: 'earliest' }, async (daemon) => {
    const hasBegun = async (): Promise<boolean> => daemon.lines.some(({ text }) => text.includes('flow runs'));
    await waitUntil(hasBegun, { what: 'the flow runs', deadlineMs: 20_000, daemon, everyMs: 10 });
    await sleep(Math.min(3000, data.changes / 100));
    const writer: WriterInput = {
      url: pair.source.url,
      table: 'bench.stalled',
      firstId: 100_000_000,
      commits: 300,
      rowsPerCommit: 200,
      perSecond: 10,
      connections: 2,
    };
    const writing = startChild(commitWriter, writer);
    await writing.ready;
    await pair.store.pauseProcess();
    await sleep(stallMs);
    const stalledMb = daemon.peakMb;
    await pair.store.resumeProcess();
    const resumedAt = performance.now();
    await writing.result;
    const sum = 'SELECT * FROM bench.orders UNION ALL SELECT * FROM bench.stalled';
    const want = await askRow(pair.sourceLink, ordersChecksum(`(${sum}) AS everything`));
    await untilAgreed(bench, daemon, { want, rows: data.inserts + writer.commits * writer.rowsPerCommit });
    const seconds = (performance.now() - resumedAt) / 1000;
    log(`memory: store stalled for 30 s, ${daemon.peakMb.toFixed(0)} MB at most, caught up ${seconds.toFixed(0)} s later`);
    return figureOf({
      name: 'memory, store stalled for 30 s',
      unit: 'MB',
      values: [daemon.peakMb],
      aim: aimMb,
      notes: { stalledMb, secondsUntilAgreed: seconds, warnings: daemon.lines.map(({ text }) => text).slice(-20) },
    });
  });
}

async function withDaemon<T>(
  bench: Bench,
  flow: { readonly tables: readonly string[]; readonly start: 'earliest' | 'latest' },
  work: (daemon: Daemon) => Promise<T>,
): Promise<T> {
  const { pair } = bench;
  await resetStore(pair);
  const project = await createProject({
    flow: 'mirror',
    rows: 'change',
    ...flow,
    sourceUrl: pair.source.url,
    storeUrl: pair.store.url,
  });
  const daemon = startDaemon({ folder: project.folder });
  try {
    return await work(daemon);
  } finally {
    await daemon.stop();
    await project.remove();
  }
}

/** Counting a large table costs the store: done rarely, and the checksum once the count is right. */
async function untilAgreed(
  bench: Bench,
  daemon: Daemon,
  { want, rows }: { readonly want: string; readonly rows: number },
): Promise<void> {
  const { storeLink } = bench.pair;
  const isComplete = async (): Promise<boolean> => (await askNumber(storeLink, 'SELECT COUNT(*) FROM bench.orders')) >= rows;
  await waitUntil(isComplete, { what: `${rows} rows in the store`, deadlineMs: catchUpMs, daemon, everyMs: 1000 });
  const agrees = async (): Promise<boolean> => (await askRow(storeLink, ordersChecksum('bench.orders'))) === want;
  await waitUntil(agrees, { what: 'store and source agree', deadlineMs: 60_000, daemon, everyMs: 1000 });
}
