import type { Bench } from './bench.ts';
import { runChild } from './child.ts';
import { askRow } from './connect.ts';
import { runToCurrent, type CurrentRun } from './daemon.ts';
import { compare, figureOf, seriesOf, type Figure } from './figure.ts';
import { createOrders, ordersChecksum } from './orders.ts';
import { createProject, type FlowKind } from './project.ts';
import { upsertLoop } from './scripts.ts';
import { resetStore } from './server-pair.ts';
import { keptTotalsQuery } from './source-data.ts';

/** The daemon from the binlog's beginning until it is current, against a loop of upserts of the same rows. */
export async function measureMirror(bench: Bench): Promise<readonly Figure[]> {
  const { data, options, log } = bench;
  const loop: number[] = [];
  const runs: Record<'mirror' | 'after' | 'totals', CurrentRun[]> = { mirror: [], after: [], totals: [] };
  for (let round = 1; round <= options.rounds; round += 1) {
    loop.push(await runLoop(bench));
    runs.mirror.push(await runFlow(bench, { flow: 'mirror', rows: 'change' }));
    runs.after.push(await runFlow(bench, { flow: 'mirror', rows: 'after' }));
    runs.totals.push(await runFlow(bench, { flow: 'totals', rows: 'change' }));
    const rates = Object.entries(runs).map(([name, done]) => `${name} ${Math.round(rateOf(done.at(-1), data.changes))}`);
    log(`mirror, round ${round}: upsert loop ${Math.round(loop.at(-1) ?? 0)}, ${rates.join(', ')} rows/s`);
  }
  const rates = (done: readonly CurrentRun[]): number[] => done.map((run) => rateOf(run, data.changes));
  const notes = (done: readonly CurrentRun[]): Record<string, unknown> => ({
    fromProcessStart: done.map(({ processSeconds }) => data.changes / processSeconds),
    peakMb: done.map(({ peakMb }) => peakMb),
  });
  const against = seriesOf('upsert loop', loop);
  const mirror = seriesOf('mirror', rates(runs.mirror));
  return [
    compare({
      name: 'mirror flow (rows: change)',
      unit: 'rows/s',
      values: mirror.values,
      against,
      aim: 0.8,
      notes: notes(runs.mirror),
    }),
    compare({
      name: 'mirror flow (rows: after)',
      unit: 'rows/s',
      values: rates(runs.after),
      against,
      aim: 0.8,
      notes: notes(runs.after),
    }),
    compare({ name: 'aggregate flow', unit: 'rows/s', values: rates(runs.totals), against: mirror, notes: notes(runs.totals) }),
    figureOf({ name: 'mirror flow, peak memory', unit: 'MB', values: runs.mirror.map(({ peakMb }) => peakMb) }),
  ];
}

export function rateOf(run: CurrentRun | undefined, changes: number): number {
  return run === undefined ? Number.NaN : changes / run.readSeconds;
}

async function runLoop(bench: Bench): Promise<number> {
  const { pair, data } = bench;
  await resetStore(pair);
  await pair.storeLink.query(createOrders('bench.orders'));
  const input = { url: pair.store.url, table: 'bench.orders', inserts: data.inserts };
  const { rows, seconds } = await runChild(upsertLoop, input, { nodeArgs: ['--max-old-space-size=8000'] });
  await checkStore(bench, 'mirror');
  return rows / seconds;
}

/** One run of a flow over all changes. Rejects when its computed table does not agree with the source. */
export async function runFlow(
  bench: Bench,
  kind: { readonly flow: FlowKind; readonly rows: 'after' | 'change'; readonly hasLineage?: boolean },
): Promise<CurrentRun> {
  const { pair, options } = bench;
  await resetStore(pair);
  const project = await createProject({
    ...kind,
    tables: ['bench.orders'],
    start: 'earliest',
    sourceUrl: pair.source.url,
    storeUrl: pair.store.url,
  });
  try {
    const run = await runToCurrent(project.folder, options.profileDir);
    await checkStore(bench, kind.flow);
    return run;
  } finally {
    await project.remove();
  }
}

/** A wrong result is no figure. */
async function checkStore({ pair, data }: Bench, flow: FlowKind): Promise<void> {
  const want = flow === 'mirror' ? data.ordersChecksum : data.totalsChecksum;
  const have = await askRow(pair.storeLink, flow === 'mirror' ? ordersChecksum('bench.orders') : keptTotalsQuery);
  if (have !== want) throw new Error(`${flow}: the store does not agree with the source: ${have} instead of ${want}`);
}
