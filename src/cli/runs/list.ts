import { readRun, readRuns } from '../../repair/run-record.ts';
import type { Run, RunTable } from '../../repair/run.ts';
import type { Store } from '../../store/open.ts';
import { visible } from '../../lib/visible.ts';
import type { CommandContext } from '../command.ts';
import { readLimit } from '../dead-rows/list.ts';
import { formatCount, formatDuration, formatTable } from '../table.ts';
import { documentOfRun, figuresOf, positionOf } from '../../daemon/operate/run-document.ts';
import { readFindings } from '../verify/report.ts';
import { shownState } from './run-figures.ts';

const columns = [
  { title: 'id', isNumber: true },
  { title: 'flow' },
  { title: 'kind' },
  { title: 'state' },
  { title: 'rows', isNumber: true },
  { title: '%', isNumber: true },
  { title: 'rows/s', isNumber: true },
  { title: 'left', isNumber: true },
  { title: 'started' },
  { title: 'ended' },
  { title: 'error' },
];

/** The latest runs, one a line. */
export async function printRuns(context: CommandContext, store: Store): Promise<void> {
  const { flow, limit } = context.options;
  const runs = await readRuns(store, { flow: flow === undefined ? undefined : String(flow), limit: readLimit(limit) });
  if (context.json) return context.print(JSON.stringify({ runs: runs.map(documentOfRun) }));
  context.print(runs.length === 0 ? 'There are no such runs.' : formatTable(columns, runs.map(lineOf)));
}

function lineOf(run: Run): string[] {
  const { rowsDone, percent, msLeft } = figuresOf(run);
  return [
    run.id,
    run.flow,
    run.kind,
    shownState(run),
    formatCount(rowsDone),
    percent === null ? '-' : String(percent),
    run.rate === null ? '-' : formatCount(run.rate),
    msLeft === null ? '-' : formatDuration(Math.round(msLeft / 1000) * 1000),
    shortTime(run.startedAt),
    shortTime(run.endedAt),
    run.errorCode ?? '-',
  ];
}

/** One run with its tables, and what a verify found. Rejects with RUN_UNKNOWN. */
export async function printRun(options: {
  readonly context: CommandContext;
  readonly store: Store;
  readonly id: string;
}): Promise<void> {
  const { context, store, id } = options;
  const run = await readRun(store, id);
  const found = run.kind === 'verify' ? await readFindings(context, store, run) : undefined;
  if (context.json) return context.print(JSON.stringify({ run: documentOfRun(run), ...found?.document }));
  const { rowsDone, rowsTotal, percent, msLeft } = figuresOf(run);
  const facts: [string, string][] = [
    [
      'run',
      `${run.id}, a ${run.kind}${run.isStart ? ' with which the flow starts' : ''}${run.isScheduled ? ', by the schedule of the flow' : ''}`,
    ],
    ['flow', run.flow],
    ['state', shownState(run)],
    ...askedOf(run),
    [
      'rows',
      `${formatCount(rowsDone)}${rowsTotal === null ? '' : ` of about ${formatCount(rowsTotal)}`}${percent === null ? '' : `, ${percent} %`}`,
    ],
    ...(run.rate === null ? [] : [['rows/s', formatCount(run.rate)] as [string, string]]),
    ...(msLeft === null ? [] : [['left', formatDuration(Math.round(msLeft / 1000) * 1000)] as [string, string]]),
    ['made', run.createdAt],
    ['started', run.startedAt ?? '-'],
    ['ended', run.endedAt ?? '-'],
  ];
  context.print(facts.map(([name, value]) => `${name.padEnd(7)}  ${visible(value)}`).join('\n'));
  if (run.kind !== 'replay' && run.tables.length > 0) context.print(`\n${formatTable(tableColumns, run.tables.map(lineOfTable))}`);
  if (found !== undefined) context.print(`\n${found.lines.join('\n')}`);
  if (run.errorCode !== null) context.print(`\n${run.errorCode}: ${run.errorText ?? ''}`);
}

/** What was asked; of a replay also up to where it is. */
function askedOf(run: Run): [string, string][] {
  const { from, to, tables, where, repair, cause } = run.options;
  if (run.kind === 'replay') {
    return [
      ['from', from ?? '-'],
      ['to', to ?? '-'],
      ['is at', positionOf(run) ?? '-'],
    ];
  }
  if (run.kind === 'verify') return [['repair', repair === true ? 'yes' : 'no']];
  return [
    ['tables', tables.length === 0 ? 'all of the flow' : tables.join(', ')],
    ...(where === undefined ? [] : [['where', where] as [string, string]]),
    ...(cause === undefined ? [] : [['because', `${cause.code}: ${cause.message}`] as [string, string]]),
  ];
}

const tableColumns = [
  { title: 'table' },
  { title: 'state' },
  { title: 'rows', isNumber: true },
  { title: 'of about', isNumber: true },
  { title: 'chunks', isNumber: true },
  { title: 'key' },
  { title: 'ended' },
];

function lineOfTable(table: RunTable): string[] {
  return [
    table.sourceTable,
    table.state,
    formatCount(table.rowsDone),
    table.rowsTotal === null ? '-' : formatCount(table.rowsTotal),
    formatCount(table.chunks),
    table.keyColumns.join(', '),
    shortTime(table.endedAt),
  ];
}

function shortTime(iso: string | null): string {
  return iso === null ? '-' : iso.replace('T', ' ').replace(/\.\d+Z$/, '');
}
