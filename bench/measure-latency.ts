import type { Bench } from './bench.ts';
import { runChild, startChild } from './child.ts';
import { askNumber, askRow } from './connect.ts';
import { startDaemon, waitUntil, type Daemon } from './daemon.ts';
import { figureOf, seriesOf, type Figure } from './figure.ts';
import { createOrders, ordersChecksum } from './orders.ts';
import { createProject } from './project.ts';
import { commitWriter, visiblePoller, type WriterInput, type WriterResult } from './scripts.ts';
import { resetStore } from './server-pair.ts';
import { spreadOf, type Spread } from './statistics.ts';

/** How rows are grouped in commits; each gives 1,000 rows a second. */
const shapes = [
  { name: '1,000 commits of 1 row', rowsPerCommit: 1, perSecond: 1000, connections: 8 },
  { name: '100 commits of 10 rows', rowsPerCommit: 10, perSecond: 100, connections: 4 },
] as const;
type Shape = (typeof shapes)[number];

/** Seconds before what counts, and of the other side. */
const warmUpSeconds = 5;
const otherSideSeconds = 10;

/** From a commit's answer at the source until another connection sees its rows in the store. */
export async function measureLatency(bench: Bench): Promise<readonly Figure[]> {
  const { pair, options, log } = bench;
  await pair.sourceLink.query(`DROP TABLE IF EXISTS bench.live; ${createOrders('bench.live')}`);
  const figures: Figure[] = await commitFloors(bench);
  const byHand: Spread[] = [];
  for (const [at, shape] of shapes.entries()) byHand.push((await writeTwice(bench, shape, (at + 1) * 10_000_000)).spread);
  await pair.sourceLink.query(`DROP TABLE bench.live; ${createOrders('bench.live')}`);
  await resetStore(pair);
  const project = await createProject({
    flow: 'mirror',
    rows: 'change',
    tables: ['bench.live'],
    start: 'latest',
    sourceUrl: pair.source.url,
    storeUrl: pair.store.url,
  });
  const daemon = startDaemon({ folder: project.folder, profileDir: options.profileDir });
  try {
    await waitForFlow(bench, daemon);
    for (const [at, shape] of shapes.entries()) {
      const { spread, notes } = await writeAndPoll(bench, shape, { firstId: (at + 1) * 10_000_000, seconds: options.seconds });
      log(`latency, ${shape.name} a second: median ${spread.median.toFixed(2)} ms, p99 ${spread.p99.toFixed(2)} ms`);
      figures.push(...latencyFigures(shape.name, { spread, byHand: byHand[at] ?? spread, notes }));
    }
    await checkAgreement(bench, daemon);
    return figures;
  } finally {
    await daemon.stop();
    await project.remove();
  }
}

function latencyFigures(
  name: string,
  measured: { readonly spread: Spread; readonly byHand: Spread; readonly notes: Readonly<Record<string, unknown>> },
): Figure[] {
  const { spread, byHand, notes } = measured;
  const figure = (what: 'median' | 'p99' | 'max', aim?: number): Figure =>
    figureOf({
      name: `latency, ${name}/s: ${what}`,
      unit: 'ms',
      values: [spread[what]],
      against: seriesOf('written twice', [byHand[what]]),
      notes: what === 'median' ? notes : {},
      ...(aim === undefined ? {} : { aim }),
    });
  return [figure('median', 5), figure('p99', 25), figure('max')];
}

/** The other side: the writer itself commits each row in the store as well, right after the source has it. */
async function writeTwice(bench: Bench, shape: Shape, firstId: number): Promise<Measured> {
  const { store, storeLink } = bench.pair;
  await storeLink.query(`DROP TABLE IF EXISTS bench.orders; ${createOrders('bench.orders')}`);
  const measured = await writeAndPoll(bench, shape, {
    firstId,
    seconds: otherSideSeconds,
    thenTo: { url: store.url, table: 'bench.orders' },
  });
  const { median, p99 } = measured.spread;
  bench.log(`written twice by hand, ${shape.name} a second: median ${median.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`);
  return measured;
}

interface Measured {
  readonly spread: Spread;
  readonly notes: Readonly<Record<string, unknown>>;
}

async function writeAndPoll(
  bench: Bench,
  shape: Shape,
  run: { readonly firstId: number; readonly seconds: number; readonly thenTo?: { readonly url: string; readonly table: string } },
): Promise<Measured> {
  const { pair } = bench;
  const { rowsPerCommit, perSecond, connections } = shape;
  const { seconds, firstId, ...more } = run;
  const commits = (warmUpSeconds + seconds) * perSecond;
  const poller = startChild(visiblePoller, {
    url: pair.store.url,
    table: 'bench.orders',
    firstId,
    rows: commits * rowsPerCommit,
    pauseMs: 1,
    deadlineMs: (warmUpSeconds + seconds) * 1000 + 30_000,
  });
  await poller.ready;
  const writer = { url: pair.source.url, table: 'bench.live', firstId, commits, rowsPerCommit, perSecond, connections, ...more };
  const written = await runChild(commitWriter, writer);
  const { seenAt, periodMs } = await poller.result;
  const latencies: number[] = [];
  for (let row = warmUpSeconds * perSecond * rowsPerCommit; row < seenAt.length; row += 1) {
    const at = seenAt[row] ?? 0;
    if (at === 0) throw new Error(`row ${firstId + row} was never seen in the store`);
    latencies.push(at - (written.committedAt[Math.floor(row / rowsPerCommit)] ?? 0));
  }
  const spread = spreadOf(latencies);
  const sourceCommitMs = spreadOf(written.tookMs);
  return { spread, notes: { ...shape, ...spread, pollPeriodMs: periodMs, achievedPerSecond: written.achieved, sourceCommitMs } };
}

/** How long a commit of one row takes by itself: of each server alone, and of the store while the source has its load. */
async function commitFloors({ pair, log }: Bench): Promise<Figure[]> {
  const writer = (url: string, table: string, more: Partial<WriterInput>): Promise<WriterResult> =>
    runChild(commitWriter, {
      url,
      table,
      firstId: 1,
      commits: 2000,
      rowsPerCommit: 1,
      perSecond: 0,
      connections: 1,
      ...more,
    });
  const { source, store, storeLink, sourceLink } = pair;
  await resetStore(pair);
  await storeLink.query(createOrders('bench.floor'));
  const atSource = await writer(source.url, 'bench.live', {});
  const atStore = await writer(store.url, 'bench.floor', {});
  const loading = writer(source.url, 'bench.live', { firstId: 1_000_000, commits: 6000, perSecond: 1000, connections: 8 });
  const besideLoad = await writer(store.url, 'bench.floor', { firstId: 1_000_000, commits: 1000 });
  await loading;
  await sourceLink.query('TRUNCATE TABLE bench.live');
  const floors = { 'source, alone': atSource, 'store, alone': atStore, 'store, source under 1,000 commits/s': besideLoad };
  return Object.entries(floors).map(([name, { tookMs }]) => {
    const spread = spreadOf(tookMs);
    log(`one commit at the ${name}: median ${spread.median.toFixed(2)} ms, p99 ${spread.p99.toFixed(2)} ms`);
    return figureOf({ name: `one commit by itself: ${name}`, unit: 'ms', values: [spread.median], notes: { ...spread } });
  });
}

async function waitForFlow({ pair }: Bench, daemon: Daemon): Promise<void> {
  await waitUntil(async () => daemon.lines.some(({ text }) => text.includes('flow runs')), {
    what: 'the flow runs',
    deadlineMs: 20_000,
    daemon,
  });
  await pair.sourceLink.query(`INSERT INTO bench.live SELECT * FROM bench.orders WHERE id <= 10`);
  const isThere = async (): Promise<boolean> => (await askNumber(pair.storeLink, 'SELECT COUNT(*) FROM bench.orders')) >= 10;
  await waitUntil(isThere, { what: 'first rows in the store', deadlineMs: 20_000, daemon });
}

async function checkAgreement({ pair }: Bench, daemon: Daemon): Promise<void> {
  const want = await askRow(pair.sourceLink, ordersChecksum('bench.live'));
  const agrees = async (): Promise<boolean> => (await askRow(pair.storeLink, ordersChecksum('bench.orders'))) === want;
  await waitUntil(agrees, { what: 'store and source agree', deadlineMs: 20_000, daemon });
}
