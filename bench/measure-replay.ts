import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.ts';
import { askNumber, askRow } from './connect.ts';
import { startDaemon, waitUntil } from './daemon.ts';
import { compare, figureOf, seriesOf, type Figure } from './figure.ts';
import { rateOf, runFlow } from './measure-mirror.ts';
import { ordersChecksum } from './orders.ts';
import { createProject } from './project.ts';
import { resetStore } from './server-pair.ts';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/**
 * A live mirror runs again over the whole binlog, against the same changes read by it the first time: a replay reads the binlog, and every row
 * that it names from the table, and only then writes.
 */
export async function measureReplay(bench: Bench): Promise<readonly Figure[]> {
  const { data, options, log } = bench;
  const first: number[] = [];
  const again: number[] = [];
  const peaks: number[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    first.push(rateOf(await runFlow(bench, { flow: 'mirror', rows: 'change' }), data.changes));
    const { seconds, peakMb } = await replayOnce(bench);
    again.push(data.changes / seconds);
    peaks.push(peakMb);
    log(`replay, round ${round}: first ${Math.round(first.at(-1) ?? 0)}, again ${Math.round(again.at(-1) ?? 0)} changes/s`);
  }
  return [
    compare({ name: 'replay of a mirror', unit: 'changes/s', values: again, against: seriesOf('mirror', first) }),
    figureOf({ name: 'replay, peak memory', unit: 'MB', values: peaks, aim: 300 }),
  ];
}

async function replayOnce(bench: Bench): Promise<{ readonly seconds: number; readonly peakMb: number }> {
  const { pair, data } = bench;
  await resetStore(pair);
  const project = await createProject({
    flow: 'mirror',
    rows: 'change',
    tables: ['bench.orders'],
    start: 'earliest',
    sourceUrl: pair.source.url,
    storeUrl: pair.store.url,
  });
  const daemon = startDaemon({ folder: project.folder });
  try {
    const made = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'bench' AND table_name = 'kis_checkpoint'";
    const total = 'SELECT COALESCE(SUM(rows_total), 0) FROM bench.kis_checkpoint';
    const isRead = async (): Promise<boolean> =>
      (await askNumber(pair.storeLink, made)) === 1 && (await askNumber(pair.storeLink, total)) === data.changes;
    await waitUntil(isRead, { what: 'the mirror', deadlineMs: 600_000, daemon, everyMs: 200 });
    daemon.resetPeak();
    // what the replay is to write anew
    await pair.storeLink.query("UPDATE bench.orders SET note = 'wrong'");
    const command = spawn(process.execPath, [MAIN, 'replay', 'mirror', '--from', 'earliest', '--detach'], {
      cwd: project.folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [code] = await once(command, 'close');
    if (code !== 0) throw new Error(`kisflow replay ended with ${String(code)}`);
    const done = "SELECT COUNT(*) FROM bench.kis_run WHERE kind = 'replay' AND state = 'done'";
    const isDone = async (): Promise<boolean> => (await askNumber(pair.storeLink, done)) === 1;
    await waitUntil(isDone, { what: 'the replay', deadlineMs: 900_000, daemon });
    const { peakMb } = daemon;
    const took = 'SELECT TIMESTAMPDIFF(MICROSECOND, created_at, updated_at) / 1e6 FROM bench.kis_run';
    const seconds = await askNumber(pair.storeLink, took);
    if ((await askRow(pair.storeLink, ordersChecksum('bench.orders'))) !== data.ordersChecksum)
      throw new Error('replay: the store does not agree with the source');
    await daemon.stop();
    return { seconds, peakMb };
  } finally {
    await daemon.kill();
    await project.remove();
  }
}
