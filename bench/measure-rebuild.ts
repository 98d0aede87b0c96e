import type { RowDataPacket } from 'mysql2/promise';
import type { Bench } from './bench.ts';
import { steadyNow } from './child-side.ts';
import { askNumber, connectTo } from './connect.ts';
import { startDaemon, waitUntil, type Daemon } from './daemon.ts';
import { figureOf, seriesOf, type Figure } from './figure.ts';
import { createProject } from './project.ts';
import { resetStore } from './server-pair.ts';

/** How long one reader's answers took, in milliseconds. */
interface Answers {
  readonly count: number;
  readonly longestMs: number;
  /** From the question to the answer, of those that came between two times. */
  longestBetween(from: number, to: number): number;
}

/** A rebuild of the mirror of all orders: how long readers of its table wait, with and without one that blocks the swap. */
export async function measureRebuild(bench: Bench): Promise<readonly Figure[]> {
  const { pair, data, log } = bench;
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
    const isRead = async (): Promise<boolean> =>
      (await askNumber(
        pair.storeLink,
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'bench' AND table_name = 'kis_checkpoint'",
      )) === 1 &&
      (await askNumber(pair.storeLink, 'SELECT COALESCE(SUM(rows_total), 0) FROM bench.kis_checkpoint')) === data.changes;
    await waitUntil(isRead, { what: 'the mirror', deadlineMs: 600_000, daemon, everyMs: 500 });
    const calm = await readWhile(bench, () => new Promise((resolve) => setTimeout(resolve, 5000)));
    const free = await rebuildOnce(bench, daemon, undefined);
    log(
      `rebuild: ${free.seconds.toFixed(1)} s, longest answer ${free.answers.longestMs.toFixed(1)} ms, at the swap ${free.swapMs.toFixed(1)} ms`,
    );
    const blocker = await connectTo(`${pair.store.url}/bench`);
    await blocker.query('START TRANSACTION');
    await blocker.query('SELECT * FROM orders LIMIT 1');
    const held = await rebuildOnce(bench, daemon, async () => {
      await blocker.query('COMMIT');
    });
    blocker.destroy();
    log(`rebuild behind an open transaction: longest answer ${held.answers.longestMs.toFixed(1)} ms`);
    await daemon.stop();
    const against = seriesOf('no rebuild', [calm.longestMs]);
    return [
      figureOf({
        name: 'rebuild: a reader waits at the swap',
        unit: 'ms',
        values: [free.swapMs],
        against,
        notes: { answers: free.answers.count },
      }),
      figureOf({ name: 'rebuild: longest answer from begin to end', unit: 'ms', values: [free.answers.longestMs], against }),
      figureOf({
        name: 'rebuild: longest answer behind an open transaction',
        unit: 'ms',
        values: [held.answers.longestMs],
        against,
        aim: 4000,
      }),
      figureOf({ name: 'rebuild: from begin to end', unit: 's', values: [free.seconds] }),
      figureOf({ name: 'rebuild: peak memory', unit: 'MB', values: [daemon.peakMb], aim: 300 }),
    ];
  } finally {
    await daemon.kill();
    await project.remove();
  }
}

/** `onBlocked`: lets go of what blocks the swap. */
async function rebuildOnce(bench: Bench, daemon: Daemon, onBlocked: (() => Promise<void>) | undefined) {
  const { pair } = bench;
  const startedAt = steadyNow();
  await pair.storeLink.query(
    "INSERT INTO bench.kis_run (flow, kind, state, options, created_at, updated_at) VALUES ('mirror', 'rebuild', 'waiting', '{}', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))",
  );
  const isAt = async (condition: string): Promise<boolean> =>
    (await askNumber(
      pair.storeLink,
      `SELECT COUNT(*) FROM bench.kis_run WHERE ${condition} AND kind = 'rebuild' ORDER BY id DESC LIMIT 1`,
    )) > 0;
  const before = daemon.lines.length;
  const limits = { deadlineMs: 900_000, daemon };
  const answers = await readWhile(bench, async () => {
    if (onBlocked !== undefined) {
      await waitUntil(() => isAt("error_code = 'REBUILD_SWAP_BLOCKED'"), { ...limits, what: 'a swap that is blocked' });
      await onBlocked();
    }
    await waitUntil(async () => !(await isAt('open_kind IS NOT NULL')), { ...limits, what: 'the end of the rebuild' });
  });
  if (await isAt("state = 'failed'")) throw new Error('the rebuild failed');
  const seconds = (steadyNow() - startedAt) / 1000;
  const swap = daemon.lines.slice(before).find(({ text }) => text.includes('rebuilt tables are in place'));
  if (swap === undefined) throw new Error('the daemon did not say that it swapped');
  return { answers, seconds, swapMs: answers.longestBetween(swap.at - 2000, swap.at + 200) };
}

/** Reads one order after another for as long as the work takes; an answer that is none is no figure. */
async function readWhile({ pair, options }: Bench, work: () => Promise<unknown>): Promise<Answers> {
  const link = await connectTo(`${pair.store.url}/bench`);
  const times: { readonly at: number; readonly ms: number }[] = [];
  const over = new AbortController();
  const reading = (async () => {
    for (let i = 0; !over.signal.aborted; i += 1) {
      const sentAt = steadyNow();
      const id = 1 + ((i * 7919) % options.rows);
      const [rows] = await link.query<RowDataPacket[]>('SELECT note FROM orders WHERE id = ?', [id]);
      times.push({ at: steadyNow(), ms: steadyNow() - sentAt });
      if (rows.length !== 1) throw new Error(`order ${id} was not there`);
    }
  })();
  reading.catch(() => {}); // whoever waits for it gets the error
  try {
    await work();
  } finally {
    over.abort();
  }
  await reading;
  await link.end();
  const longest = (some: typeof times): number => some.reduce((most, { ms }) => Math.max(most, ms), 0);
  return {
    count: times.length,
    longestMs: longest(times),
    longestBetween: (from, to) => longest(times.filter(({ at }) => at >= from && at <= to)),
  };
}
