import { expect, it } from 'vitest';
import { ProgressLine } from '../../src/cli/progress-line.ts';
import { figuresOf } from '../../src/daemon/operate/run-document.ts';
import { formatFigures } from '../../src/cli/runs/run-figures.ts';
import type { RunTable } from '../../src/repair/run.ts';

function table(state: RunTable['state'], rowsDone: number, rowsTotal: number | null): RunTable {
  const nothing = { cursorKey: null, doneKeys: [], startedAt: null, endedAt: null };
  return { ...nothing, sourceTable: 's.t', keyColumns: ['id'], chunks: 0, updatedAt: '', state, rowsDone, rowsTotal };
}

it('what is left of a run is reckoned from what was read, and from guesses about the rest only', () => {
  // the first guess was far too high, the second one is too low already
  const tables = [table('done', 100, 900), table('reading', 60, 50), table('waiting', 0, 240)];
  const run = { state: 'running', rate: 80, tables } as const;
  expect(figuresOf(run)).toEqual({ tables: 3, tablesDone: 1, rowsDone: 160, rowsTotal: 400, percent: 40, msLeft: 3000 });
  expect(formatFigures(run)).toBe('1 of 3 tables, 160 rows, 40 %, 80 rows/s, 3.0 s left');
  expect(formatFigures({ ...run, state: 'paused' })).toBe('1 of 3 tables, 160 rows, 40 %');
});

it('a run is at 100 % when it is done, and not before', () => {
  const tables = [table('reading', 60, 50)];
  expect(figuresOf({ state: 'running', rate: null, tables })).toMatchObject({ percent: 99, msLeft: null });
  expect(figuresOf({ state: 'done', rate: null, tables: [] })).toMatchObject({ percent: 100 });
  expect(figuresOf({ state: 'running', rate: 1, tables: [] })).toMatchObject({ percent: null, rowsTotal: null, msLeft: null });
  expect(figuresOf({ state: 'running', rate: 1, tables: [table('reading', 1, null)] })).toMatchObject({ percent: null });
});

it('progress is one line that is rewritten on a terminal, and elsewhere a line every ten seconds', () => {
  let now = 0;
  const show = (isTerminal: boolean, times: readonly number[], width = 6): string => {
    const written: string[] = [];
    const line = new ProgressLine({ isTerminal, columns: () => width, write: (text) => written.push(text), now: () => now });
    for (const time of times) {
      now = time;
      line.show(`at ${time} ms`);
    }
    line.end();
    return written.join('').replaceAll('\u001B[K', '<').replaceAll('\r', '>');
  };
  expect(show(true, [1, 2])).toBe('><at 1 ><at 2 ><');
  expect(show(true, [1], 0), 'a terminal that does not know how wide it is').toBe('><at 1 ms><');
  expect(show(false, [0, 9999, 10_000, 10_001])).toBe('at 0 ms\nat 10000 ms\n');
});
