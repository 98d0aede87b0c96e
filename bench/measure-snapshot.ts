import type { Bench } from './bench.ts';
import { runChild } from './child.ts';
import { askRow } from './connect.ts';
import { runToCurrent } from './daemon.ts';
import { compare, figureOf, seriesOf, type Figure } from './figure.ts';
import { createOrders, ordersChecksum } from './orders.ts';
import { createProject } from './project.ts';
import { snapshotToFlow, type SnapshotResult } from './scripts.ts';
import { resetStore } from './server-pair.ts';

/** A table read into a flow without a store, by one chunk and by four at once; and into a mirror, against INSERT … SELECT of the same rows. */
export async function measureSnapshot(bench: Bench): Promise<readonly Figure[]> {
  const { pair, data, options, log } = bench;
  const one: SnapshotResult[] = [];
  const four: SnapshotResult[] = [];
  const mirror: { readonly rate: number; readonly peakMb: number }[] = [];
  const copy: number[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [parallel, results] of [[1, one] as const, [4, four] as const]) {
      const result = await runChild(snapshotToFlow, { url: pair.source.url, parallel }, options);
      if (result.rows !== data.inserts) throw new Error(`${result.rows} rows were read of ${data.inserts}`);
      results.push(result);
    }
    copy.push(await insertSelect(bench));
    mirror.push(await runMirror(bench));
    const rates = [one.at(-1), four.at(-1)].map((result) => Math.round(rateOf(result)));
    log(`snapshot, round ${round}: to flow ${rates.join(', four chunks ')}, mirror ${Math.round(mirror.at(-1)?.rate ?? 0)} rows/s`);
  }
  const single = seriesOf('one chunk', one.map(rateOf));
  return [
    figureOf({
      name: 'snapshot to flow, no store',
      unit: 'rows/s',
      values: single.values,
      notes: { perCpuSecond: one.map(({ rows, cpuSeconds }) => rows / cpuSeconds), leastWanted: 100_000 },
    }),
    compare({ name: 'snapshot to flow, four chunks at once', unit: 'rows/s', values: four.map(rateOf), against: single }),
    compare({
      name: 'snapshot into a mirror',
      unit: 'rows/s',
      values: mirror.map(({ rate }) => rate),
      against: seriesOf('INSERT … SELECT', copy),
    }),
    figureOf({ name: 'snapshot, peak memory', unit: 'MB', values: mirror.map(({ peakMb }) => peakMb), aim: 300 }),
  ];
}

function rateOf(result: SnapshotResult | undefined): number {
  return result === undefined ? Number.NaN : result.rows / result.seconds;
}

/** The same rows within the source server, by one statement. */
async function insertSelect({ pair, data }: Bench): Promise<number> {
  await pair.sourceLink.query(`DROP TABLE IF EXISTS bench.orders_copied; ${createOrders('bench.orders_copied')}`);
  const startedAt = performance.now();
  await pair.sourceLink.query('INSERT INTO bench.orders_copied SELECT * FROM bench.orders');
  const seconds = (performance.now() - startedAt) / 1000;
  await pair.sourceLink.query('DROP TABLE bench.orders_copied');
  return data.inserts / seconds;
}

async function runMirror({ pair, data, options }: Bench): Promise<{ readonly rate: number; readonly peakMb: number }> {
  await resetStore(pair);
  const project = await createProject({
    flow: 'mirror',
    rows: 'change',
    tables: ['bench.orders'],
    start: 'snapshot',
    sourceUrl: pair.source.url,
    storeUrl: pair.store.url,
  });
  try {
    const { readSeconds, peakMb } = await runToCurrent(project.folder, options.profileDir);
    const have = await askRow(pair.storeLink, ordersChecksum('bench.orders'));
    if (have !== data.ordersChecksum)
      throw new Error(`the store does not agree with the source: ${have} instead of ${data.ordersChecksum}`);
    return { rate: data.inserts / readSeconds, peakMb };
  } finally {
    await project.remove();
  }
}
