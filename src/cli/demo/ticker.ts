import type { Connection } from 'mysql2/promise';
import { sleep } from '../../lib/abort.ts';
import { formatCount } from '../table.ts';
import type { DemoDaemon } from './demo-daemon.ts';
import { findFailure, formatFigures, readFigures, type FlowFigures } from './flow-figures.ts';
import type { ChangeCounts } from './live-changes.ts';
import type { Screen } from './problem.ts';

export interface TickerOptions {
  readonly connection: Connection;
  readonly screen: Screen;
  readonly counts: ChangeCounts;
  /** The daemon of the moment. */
  readonly daemon: () => DemoDaemon;
  readonly signal: AbortSignal;
}

const periodMs = 1000;

/** Shows lag and rates once a second. Rejects when a flow failed, or the daemon ended by itself. */
export async function runTicker({ connection, screen, counts, daemon, signal }: TickerOptions): Promise<void> {
  const startedAt = performance.now();
  let previous: { readonly at: number; readonly rows: ReadonlyMap<string, number> } | undefined;
  for (;;) {
    await sleep(periodMs, signal);
    if (signal.aborted) return;
    const figures = await readFigures(connection);
    const problem = (await daemon().findProblem()) ?? findFailure(figures);
    if (problem !== undefined) throw problem;
    const at = performance.now();
    const seconds = (at - (previous?.at ?? startedAt)) / 1000;
    const flows = figures.map((one) =>
      formatFigures(one, {
        rows: previous?.rows.get(one.flow) ?? 0,
        seconds,
        daemon: { pid: daemon().pid, isRunning: daemon().isRunning() },
      }),
    );
    const time = `${((at - startedAt) / 1000).toFixed(0)} s`.padStart(6);
    screen.tick([`${time}  ${formatCount(counts.changes).padStart(9)} changes`, ...flows].join('   '));
    previous = { at, rows: rowsOf(figures) };
  }
}

function rowsOf(figures: readonly FlowFigures[]): ReadonlyMap<string, number> {
  return new Map(figures.map((one) => [one.flow, one.rowsTotal]));
}
