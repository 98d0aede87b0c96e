import type { Run } from '../../repair/run.ts';
import { figuresOf } from '../../daemon/operate/run-document.ts';
import { formatCount, formatDuration } from '../table.ts';

/** `3 of 40 tables, 1,200,000 rows, 45 %, 120,000 rows/s, 3 min 20 s left`: as much of it as is known. */
export function formatFigures(run: Pick<Run, 'state' | 'rate' | 'tables'>): string {
  const { tables, tablesDone, rowsDone, percent, msLeft } = figuresOf(run);
  const isRunning = run.state === 'running';
  return [
    ...(tables > 1 ? [`${formatCount(tablesDone)} of ${formatCount(tables)} tables`] : []),
    `${formatCount(rowsDone)} rows`,
    ...(percent === null ? [] : [`${percent} %`]),
    ...(isRunning && run.rate !== null ? [`${formatCount(run.rate)} rows/s`] : []),
    ...(msLeft === null ? [] : [`${formatDuration(Math.round(msLeft / 1000) * 1000)} left`]),
  ].join(', ');
}

/** What is going on, in a word or two: `running`, `running, to pause`. */
export function shownState({ state, wish }: Pick<Run, 'state' | 'wish'>): string {
  return wish === null ? state : `${state}, to ${wish}`;
}
