import type { ConfigurationError } from '../config/problem.ts';
import { errorCodes, isErrorCode } from '../lib/error-codes.ts';
import { isShort } from '../daemon/binlog-distance.ts';
import { readReloads, type ReloadStatus } from '../daemon/reload-record.ts';
import type { StatementCount } from '../daemon/table-statement-record.ts';
import { exitCode, type Command } from './command.ts';
import { withReadableStore } from './existing-store.ts';
import { readFlowStatus, shortHolder, shortPosition, type FlowStatus } from '../daemon/operate/flow-status.ts';
import type { Run } from '../repair/run.ts';
import { documentOfRun } from '../daemon/operate/run-document.ts';
import { formatFigures, shownState } from './runs/run-figures.ts';
import type { VerifySchedule } from '../repair/verify-schedule.ts';
import { formatAge, formatBytes, formatCount, formatDuration, formatTable } from './table.ts';

/** Every flow with its state. Exit 1 when an enabled flow of the configuration has failed, so that a health check can ask it. */
export const status: Command = {
  usage: '',
  run: (context) =>
    withReadableStore(context, async ({ configuration, store, mistakes }) => {
      const flows = await readFlowStatus(configuration, store);
      const daemons = store === undefined ? [] : await readReloads(store);
      context.print(
        context.json
          ? JSON.stringify({ flows: flows.map(documentOf), daemons, mistakes: mistakes?.problems ?? [] })
          : [formatStatus(flows), ...daemons.flatMap(noteOnRefusal), ...noteOnMistakes(mistakes)].join('\n'),
      );
      return flows.some(({ state, isEnabled }) => state === 'failed' && isEnabled) ? exitCode.failed : exitCode.done;
    }),
};

const columns = [
  { title: 'flow' },
  { title: 'state' },
  { title: 'fresh', isNumber: true },
  { title: 'lag', isNumber: true },
  { title: 'behind', isNumber: true },
  { title: 'purged in', isNumber: true },
  { title: 'rows/s', isNumber: true },
  { title: 'rows', isNumber: true },
  { title: 'dead', isNumber: true },
  { title: 'parked', isNumber: true },
  { title: 'position' },
];

function formatStatus(flows: readonly FlowStatus[]): string {
  if (flows.length === 0) return 'There are no flows in the configuration.';
  const daemons = [...new Set(flows.map(shortHolder).filter((daemon) => daemon !== '-'))];
  const isOne = daemons.length <= 1 && flows.every(({ isHeld, holder }) => isHeld || holder === null);
  // what is the same for all, or not there, needs no room in each line
  const more = [
    ...(isOne ? [] : [{ title: 'daemon', cell: shortHolder }]),
    ...(flows.every(({ error }) => error === null) ? [] : [{ title: 'error', cell: (flow: FlowStatus) => flow.error?.code ?? '' }]),
  ];
  const rows = flows.map((flow) => [
    flow.flow,
    flow.state,
    textOf(flow.freshMs, formatDuration),
    textOf(flow.lagMs, formatDuration),
    textOf(flow.lagBytes, formatBytes),
    purgedIn(flow),
    textOf(flow.rate, formatCount),
    textOf(flow.rowsTotal, formatCount),
    flow.rowsTotal === null ? '-' : formatCount(flow.deadRows),
    flow.rowsTotal === null ? '-' : formatCount(flow.parkedRows),
    shortPosition(flow.position),
    ...more.map(({ cell }) => cell(flow)),
  ]);
  const footer = isOne && daemons.length > 0 ? ['', `daemon: ${daemons.join('')}`] : [];
  return [formatTable([...columns, ...more], rows), ...footer, ...flows.flatMap(notesOn)].join('\n');
}

/** What was measured before the purge is no hope any more. */
function purgedIn({ purgeMs, error }: FlowStatus): string {
  if (error?.code === 'SOURCE_PURGED') return 'purged';
  return purgeMs === 'never' ? 'never' : textOf(purgeMs, formatDuration);
}

function textOf(value: number | null, format: (value: number) => string): string {
  return value === null ? '-' : format(value);
}

/** Below this a batch is no news. */
const longBatchMs = 10_000;

/** Why a flow that runs may be behind, and what may become of it. */
function notesOnDistance(flow: FlowStatus): string[] {
  const { reader, readerError, batchMs, purgeMs, purgeMsMax, error } = flow;
  const notes: string[] = [];
  if (reader === 'not connected') {
    notes.push(`${flow.flow}: its reader is not connected to the source${readerError === null ? '.' : `: ${readerError}`}`);
  }
  if (batchMs !== null && batchMs > longBatchMs) {
    notes.push(`${flow.flow}: a batch has been under way for ${formatDuration(batchMs)}; its freshness waits for it.`);
  }
  if (purgeMs === 0 && error?.code !== 'SOURCE_PURGED') {
    notes.push(`${flow.flow}: the source may have purged what it needs next already; \`kisflow check\` says so.`);
  }
  if (
    typeof purgeMs === 'number' &&
    purgeMs > 0 &&
    purgeMsMax !== null &&
    isShort({ kind: 'within', ms: purgeMs, expireMs: purgeMsMax })
  ) {
    notes.push(
      `${flow.flow}: the source may purge what it needs next in ${formatDuration(purgeMs)}: let it catch up, or raise ` +
        'binlog_expire_logs_seconds at the source until it has.',
    );
  }
  return notes.flatMap((note) => ['', note]);
}

/** What does not fit into a line: the error's text and remedy, and a flow that nobody configures any more. */
function notesOn(flow: FlowStatus): string[] {
  const notes: string[] = [];
  if (flow.error !== null) {
    notes.push('', `${flow.flow}: ${flow.error.code}: ${flow.error.message}`);
    if (flow.state === 'rebuilding') notes.push('  Its tables are computed anew by themselves, and are as they were until then.');
    else if (isErrorCode(flow.error.code)) notes.push(`  ${remedyFor(flow.flow, errorCodes[flow.error.code].remedy)}`);
    if (flow.state === 'failed') notes.push(`  Then: kisflow resume ${flow.flow}`);
  }
  if (flow.isSilent) {
    const what = 'is connected to the store, but has let its lease run out: the store takes no writes, or the process hangs';
    notes.push(
      '',
      `${flow.flow}: its daemon ${what}. What stands here is old. \`kisflow check\` examines the store; the log of the daemon says more.`,
    );
  }
  notes.push(...notesOnDistance(flow), ...flow.runs.flatMap(noteOnRun), ...noteOnVerify(flow));
  if (flow.wanted === 'pause' && flow.state !== 'paused') {
    notes.push('', `${flow.flow}: it is to be paused. \`kisflow resume ${flow.flow}\` lets it run.`);
  }
  if (flow.waitingRows > 0) {
    const what = flow.waitingRows === 1 ? 'row waits' : 'rows wait';
    notes.push('', `${flow.flow}: ${formatCount(flow.waitingRows)} ${what} for what a Load function did not find yet.`);
  }
  if (flow.deadRows > 0)
    notes.push('', `${flow.flow}: it has dead rows. \`kisflow dead-rows list --flow ${flow.flow}\` shows them.`);
  if (flow.parkedRows > 0) {
    const what =
      flow.parkedRows === 1
        ? '1 later change of their keys waits'
        : `${formatCount(flow.parkedRows)} later changes of their keys wait`;
    notes.push(`  ${what} behind its dead and waiting rows.`);
  }
  if (flow.skippedRows > 0)
    notes.push(
      '',
      `${flow.flow}: it has skipped ${formatCount(flow.skippedRows)} ${flow.skippedRows === 1 ? 'row' : 'rows'} (on_bad_row: skip).`,
    );
  if (flow.tableStatements !== null) notes.push('', `${flow.flow}: ${describeStatements(flow.tableStatements)}`);
  if (!flow.isConfigured) notes.push('', `${flow.flow}: it is not in this configuration; the store keeps its checkpoint.`);
  return notes;
}

/** With the flow's own name in the commands. */
function remedyFor(flow: string, remedy: string): string {
  return remedy.replaceAll(/`kisflow [^`]*`/g, (command) => command.replaceAll(/\bFLOW\b/g, () => flow));
}

function documentOf(flow: FlowStatus): object {
  return { ...flow, runs: flow.runs.map(documentOfRun) };
}

function noteOnRun(run: Run): string[] {
  const error = run.errorCode === null ? '' : `; ${run.errorCode}: ${run.errorText ?? ''}`;
  return ['', `${run.flow}: ${run.kind} ${run.id} is ${shownState(run)}: ${formatFigures(run)}${error}`];
}

/** Of one that is verified by itself, and of one that was found wrong. */
function noteOnVerify({ flow, verify: { schedule, last } }: FlowStatus): string[] {
  if (schedule === null && (last?.differences ?? 0) === 0) return [];
  const parts: string[] = [];
  if (schedule !== null) parts.push(`every ${formatDuration(schedule.everyMs)}${schedule.repair ? ' with repair' : ''}`);
  const wrong = last === null ? '' : last.differences === 0 ? 'its tables were right' : wrongRows(last.differences);
  parts.push(last === null ? 'never done yet' : `last done ${formatAge(last.ageMs)}: ${wrong}`);
  if (schedule !== null) parts.push(nextOf(schedule));
  const remedy = `  \`kisflow runs show ${last?.run}\` shows them, \`kisflow verify ${flow} --repair\` mends them.`;
  return ['', `${flow}: verify: ${parts.join('; ')}.`, ...((last?.differences ?? 0) > 0 ? [remedy] : [])];
}

function wrongRows(count: number): string {
  return count === 1 ? '1 row was wrong' : `${formatCount(count)} rows were wrong`;
}

function nextOf({ dueInMs }: VerifySchedule): string {
  if (dueInMs === null) return 'one is under way';
  return dueInMs > 0 ? `the next is due in ${formatDuration(dueInMs)}` : 'the next is due now';
}

function describeStatements({ count, last }: StatementCount): string {
  const many = count === 1 ? '1 statement' : `${formatCount(count)} statements`;
  const when = last.at === null ? '' : ` of ${last.at}`;
  return `${many} about whole tables, not rows, passed by (kis_table_statement). The last one was ${last.outcome}: ${last.statement}, at ${last.position}${when}.`;
}

/** The change that a daemon refuses, with every mistake in it. */
function noteOnRefusal({ holder, refused }: ReloadStatus): string[] {
  if (refused === null) return [];
  const daemon = shortHolder({ holder, isHeld: true });
  const head = `${daemon}: it has refused a change since ${refused.at} and goes on with the version before.`;
  return ['', head, ...`${refused.code}: ${refused.message}`.split('\n').map((line) => `  ${line}`)];
}

/** Flows that a mistake hides are shown as the store knows them. */
function noteOnMistakes(mistakes: ConfigurationError | undefined): string[] {
  if (mistakes === undefined) return [];
  return [
    '',
    'The files are not what runs: no daemon starts with them, and one that runs goes on with the version before.',
    mistakes.message,
  ];
}
