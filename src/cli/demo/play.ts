import { performance } from 'node:perf_hooks';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { sleep } from '../../lib/abort.ts';
import { formatCount, formatDuration } from '../table.ts';
import { compareTable, comparisons, type ComparisonResult } from './compare.ts';
import { DemoDaemon } from './demo-daemon.ts';
import { readFigures } from './flow-figures.ts';
import { lastId, runLiveChanges, runTransaction, type ChangeCounts } from './live-changes.ts';
import { DemoProblem, type Screen } from './problem.ts';
import { firstStudents } from './school-changes.ts';
import type { Stage } from './stage.ts';
import { runTicker } from './ticker.ts';

/** The demo's acts, in milliseconds. */
const beforeKillMs = 6000;
const withoutDaemonMs = 1500;
const afterKillMs = 5000;
const waitMsMax = 60_000;

export interface PlayOptions {
  readonly stage: Stage;
  readonly connection: Connection;
  /** Holds the daemons' log. */
  readonly folder: string;
  readonly screen: Screen;
  /** What to undo at the end, last in first out. */
  readonly onEnd: (release: () => Promise<void>) => void;
  readonly signal: AbortSignal;
}

export interface PlayResult {
  readonly counts: Readonly<ChangeCounts>;
  readonly daemon: DemoDaemon;
  readonly results: readonly ComparisonResult[];
}

/** Plays the demo on its stage: changes go on while the daemon is killed and started again, then both sides are compared. */
export async function play(options: PlayOptions): Promise<PlayResult> {
  const { connection, screen } = options;
  const counts: ChangeCounts = { transactions: 0, changes: 0 };
  const trouble = new AbortController();
  const signal = AbortSignal.any([options.signal, trouble.signal]);
  const changes = new AbortController();
  const end = new AbortController();
  let daemon = await startDaemon(options);
  const ticker = watched(
    runTicker({ connection, screen, counts, daemon: () => daemon, signal: AbortSignal.any([signal, end.signal]) }),
    trouble,
  );
  let live: Promise<void> = Promise.resolve();
  try {
    await showFirstRows({ ...options, signal }, counts);
    screen.say('live changes begin: inserts, updates and deletes, in transactions of one row to several thousand');
    const liveSignal = AbortSignal.any([signal, changes.signal]);
    live = watched(runLiveChanges({ url: options.stage.server.url, seed: 1, counts, signal: liveSignal }), trouble);
    await pause(beforeKillMs, signal);
    await daemon.kill();
    screen.say(`kill -9 ${daemon.pid}: the daemon is dead, in the middle of its work; the changes go on`);
    await pause(withoutDaemonMs, signal);
    daemon = await startDaemon(options, 'started again; it goes on from its checkpoints once the dead one’s leases have run out');
    await waitForDaemon({ ...options, signal }, daemon);
    await pause(afterKillMs, signal);
    changes.abort();
    await live;
    await showCatchUp({ ...options, signal }, counts);
  } finally {
    changes.abort();
    end.abort();
    await Promise.allSettled([live, ticker]);
  }
  const results: ComparisonResult[] = [];
  for (const comparison of comparisons) results.push(await compareTable(connection, comparison));
  return { counts, daemon, results };
}

async function startDaemon({ stage, folder, screen, onEnd }: PlayOptions, what = 'started'): Promise<DemoDaemon> {
  const daemon = await DemoDaemon.start(stage, folder);
  onEnd(() => daemon.release());
  screen.say(`kisflow run (process ${daemon.pid}): ${what}`);
  return daemon;
}

/** KisFlow's own two rows, through the running daemon. */
async function showFirstRows({ connection, screen, signal }: PlayOptions, counts: ChangeCounts): Promise<void> {
  await runTransaction(connection, firstStudents, counts);
  await waitForRow(connection, { table: 'stu_avg_score', condition: 'stu_id = 102', signal });
  const [rows] = await connection.query<RowDataPacket[]>(
    `SELECT stu_id, score_1, score_2, score_3, avg_score
     FROM school.student_score JOIN kisflow.stu_avg_score USING (stu_id) ORDER BY stu_id`,
  );
  for (const row of rows) {
    const scores = `${String(row['score_1'])}/${String(row['score_2'])}/${String(row['score_3'])}`;
    screen.say(`  student ${String(row['stu_id'])} with ${scores} has the average ${String(row['avg_score'])}`);
  }
}

/** Waits until every flow is in the hands of this daemon. */
async function waitForDaemon({ connection, signal }: PlayOptions, daemon: DemoDaemon): Promise<void> {
  const deadline = performance.now() + waitMsMax;
  while ((await readFigures(connection)).some((figures) => figures.pid !== daemon.pid)) {
    if (performance.now() > deadline)
      throw new DemoProblem(`After ${formatDuration(waitMsMax)} the new daemon still has not taken over.`);
    await pause(100, signal);
  }
}

/** Waits for the effects of the last transaction: every flow applies its changes in commit order. */
async function showCatchUp({ connection, screen, signal }: PlayOptions, counts: ChangeCounts): Promise<void> {
  screen.say(`live changes end: ${formatCount(counts.transactions)} transactions, ${formatCount(counts.changes)} rows changed`);
  const endedAt = performance.now();
  await waitForRow(connection, { table: 'stu_avg_score', condition: `stu_id = ${lastId}`, signal });
  await waitForRow(connection, { table: 'customer_value', condition: `customer_id = ${lastId}`, signal });
  screen.say(`the flows are current ${formatDuration(performance.now() - endedAt)} later`);
}

async function waitForRow(
  connection: Connection,
  row: { readonly table: string; readonly condition: string; readonly signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + waitMsMax;
  for (;;) {
    const [tables] = await connection.query<RowDataPacket[]>('SHOW TABLES FROM kisflow LIKE ?', [row.table]);
    if (tables.length > 0) {
      const [found] = await connection.query<RowDataPacket[]>(`SELECT 1 FROM kisflow.${row.table} WHERE ${row.condition}`);
      if (found.length > 0) return;
    }
    if (performance.now() > deadline) {
      throw new DemoProblem(`After ${formatDuration(waitMsMax)} kisflow.${row.table} still has no row with ${row.condition}.`);
    }
    await pause(20, row.signal);
  }
}

/** Waits; rejects with the signal's reason when it aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, signal);
  signal.throwIfAborted();
}

/** Work beside the play: when it fails, the play is over. */
async function watched(work: Promise<void>, trouble: AbortController): Promise<void> {
  try {
    await work;
  } catch (error) {
    trouble.abort(error);
  }
}
