import type { Run } from '../../repair/run.ts';

/** How far a run is, as people see it. */
export interface RunFigures {
  readonly tables: number;
  readonly tablesDone: number;
  readonly rowsDone: number;
  /** About how many there are; null where that of a table is not known. */
  readonly rowsTotal: number | null;
  readonly percent: number | null;
  readonly msLeft: number | null;
}

/** Of what is done, and of the source server's guesses about the rest. */
export function figuresOf({ state, rate, tables }: Pick<Run, 'state' | 'rate' | 'tables'>): RunFigures {
  const rowsDone = tables.reduce((sum, table) => sum + table.rowsDone, 0);
  // what is read is known better than by a guess
  const totals = tables.map((table) =>
    table.state === 'done' || state === 'done'
      ? table.rowsDone
      : table.rowsTotal === null
        ? null
        : Math.max(table.rowsTotal, table.rowsDone),
  );
  const isKnown = tables.length > 0 && totals.every((total) => total !== null);
  const rowsTotal = isKnown ? totals.reduce<number>((sum, total) => sum + (total ?? 0), 0) : null;
  return {
    tables: tables.length,
    tablesDone: tables.filter((table) => table.state === 'done').length,
    rowsDone,
    rowsTotal,
    percent: state === 'done' ? 100 : percentOf(rowsDone, rowsTotal),
    msLeft: state === 'running' && rowsTotal !== null && rate !== null && rate > 0 ? (1000 * (rowsTotal - rowsDone)) / rate : null,
  };
}

/** 100 is for what is done: before, a guess may have been too low. */
function percentOf(done: number, total: number | null): number | null {
  if (total === null) return null;
  return total === 0 ? 0 : Math.min(99, Math.floor((100 * done) / total));
}

/** A run as JSON documents have it: what is kept, and the figures. */
export function documentOfRun(run: Run) {
  const { tables, ...kept } = run;
  return {
    ...kept,
    ...figuresOf(run),
    tables: tables.map(({ cursorKey: _cursor, doneKeys: _done, ...table }) => table),
  };
}
