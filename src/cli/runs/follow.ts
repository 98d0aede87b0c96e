import { sleep } from '../../lib/abort.ts';
import { isErrorCode, errorCodes } from '../../lib/error-codes.ts';
import { readRun } from '../../repair/run-record.ts';
import { isOpen, type Run } from '../../repair/run.ts';
import type { Store } from '../../store/open.ts';
import { exitCode, type CommandContext } from '../command.ts';
import type { OpenProject } from '../existing-store.ts';
import { formatCount, formatDuration } from '../table.ts';
import { documentOfRun, figuresOf } from '../../daemon/operate/run-document.ts';
import { whyRunStands } from '../../daemon/operate/run-standing.ts';
import { formatFigures, shownState } from './run-figures.ts';

const pollMs = 500;

export interface FollowOptions {
  readonly context: CommandContext;
  readonly project: OpenProject;
  readonly store: Store;
  readonly id: string;
  /** Prints what came of one that is done, in place of a sentence; the exit code. */
  readonly report?: (run: Run) => Promise<number>;
}

/** Shows how far a run is until it ends, then what became of it; the exit code. The signal ends the showing, not the run: exit 1 then. */
export async function followRun(options: FollowOptions): Promise<number> {
  const { context, store, id } = options;
  for (;;) {
    const run = await readRun(store, id);
    if (!isOpen(run.state) || context.stop.aborted) {
      context.progressLine?.end();
      if (run.state === 'done' && options.report !== undefined) return options.report(run);
      printRun(context, run, isOpen(run.state) ? howToEnd(run) : outcomeOf(run));
      return run.state === 'done' ? exitCode.done : exitCode.failed;
    }
    const standing = await whyItStands(options, run);
    context.progressLine?.show(
      `${run.kind} ${id}: ${standing ?? `${isCatchingUp(run) ? 'catching up' : shownState(run)}, ${formatFigures(run)}`}`,
    );
    await sleep(pollMs, context.stop);
  }
}

/** The run and a sentence, as one JSON document or as the sentence. */
export function printRun(context: CommandContext, run: Run, sentence: string): void {
  context.print(context.json ? JSON.stringify({ run: documentOfRun(run), message: sentence }) : sentence);
}

/** What keeps a run from going on that nobody sees otherwise; undefined: nothing does. */
export async function whyItStands(
  { project, store }: Pick<FollowOptions, 'project' | 'store'>,
  run: Run,
): Promise<string | undefined> {
  const why = await whyRunStands({ configuration: project.configuration, store }, run);
  if (why === undefined) return undefined;
  return run.state === 'paused' && run.wish === null ? `paused, ${formatFigures(run)}; ${why}` : `${run.state}: ${why}`;
}

/** A rebuild that has read its tables, and is not done. */
function isCatchingUp({ kind, wish, tables }: Run): boolean {
  return kind === 'rebuild' && wish === null && tables.length > 0 && tables.every(({ state }) => state === 'done');
}

export function howToEnd({ id, kind, flow }: Run): string {
  return (
    `${titleOf(kind)} ${id} of flow ${flow} goes on by itself. \`kisflow runs show ${id}\` shows it, ` +
    `\`kisflow runs pause ${id}\` and \`kisflow runs cancel ${id}\` hold or end it.`
  );
}

/** What became of a run, in a sentence or two. */
export function outcomeOf(run: Run): string {
  const { tables, rowsDone } = figuresOf(run);
  const ms = run.startedAt === null || run.endedAt === null ? 0 : Date.parse(run.endedAt) - Date.parse(run.startedAt);
  const of = run.kind === 'replay' ? '' : ` of ${formatCount(tables)} ${tables === 1 ? 'table' : 'tables'}`;
  const what = `${formatCount(rowsDone)} rows${of}`;
  // of few rows it says nothing
  const rate = ms > 0 && rowsDone >= 100 && run.state === 'done' ? `, ${formatCount((1000 * rowsDone) / ms)} rows/s` : '';
  const head = `${titleOf(run.kind)} ${run.id} of flow ${run.flow}`;
  if (run.state === 'done') return `${head} is done: ${what} in ${formatDuration(ms)}${rate}.`;
  if (run.state === 'cancelled')
    return `${head} was cancelled. ${what} had been read; ${run.kind === 'rebuild' || run.kind === 'verify' ? 'the tables of the flow are as they were' : 'what they computed stays'}.`;
  const code = run.errorCode ?? 'INTERNAL';
  const remedy = isErrorCode(code) ? `\n  ${errorCodes[code].remedy}` : '';
  return `${head} has failed. ${tables === 0 ? '' : `${what} had been read. `}${code}: ${run.errorText ?? ''}${remedy}`;
}

export function titleOf(kind: Run['kind']): string {
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}
