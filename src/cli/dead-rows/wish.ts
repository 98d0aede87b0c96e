import { sleep } from '../../lib/abort.ts';
import { UsageError } from '../command.ts';
import { headsOf, readOutcomes, writeRowWish } from '../../repair/dead-row-wish.ts';
import type { ChosenOutcome, ChosenRow } from '../../repair/dead-row-wish.ts';
import { readParkedRows, type RowWish } from '../../repair/parked-row.ts';
import type { Store } from '../../store/open.ts';
import { exitCode, type CommandContext } from '../command.ts';
import type { OpenProject } from '../existing-store.ts';
import { chooseDeadRows, withoutOvertaken } from '../../daemon/operate/dead-row-choice.ts';
import { readFlowStatus, type FlowStatus } from '../../daemon/operate/flow-status.ts';
import { printWishes, type WishedRow } from './wish-report.ts';

/** How long the daemon is waited for where --wait does not say: it looks about once a second. */
const waitSecondsDefault = 10;
const waitSecondsMax = 86_400;
const pollMs = 150;

export interface WishOptions {
  readonly context: CommandContext;
  readonly project: OpenProject;
  readonly store: Store;
  readonly wish: RowWish;
  readonly ids: readonly string[];
}

/** Writes what an operator wants of dead rows, waits for the daemons that hold their flows, and prints what became of each. */
export async function wishRows(options: WishOptions): Promise<number> {
  const { context, store, wish } = options;
  const waitMs = readWait(context.options['wait']) * 1000;
  const chosen = await choose(options);
  const { rows, overtaken } = withoutOvertaken(chosen, { wish, isOutOfOrder: context.options['out-of-order'] === true });
  const heads = await readHeads(store, rows);
  await writeRowWish(store, rows.map(({ id }) => id), wish); // prettier-ignore
  const wished = await waitForDaemons({ ...options, rows, heads, until: Date.now() + waitMs });
  const flows = await statusOf(options, rows);
  printWishes(context, { wish, rows: wished, overtaken, flows });
  return wished.some(({ outcome }) => outcome === 'dead again') ? exitCode.failed : exitCode.done;
}

/** The rows that the command line means. */
async function choose({ context, project, store, wish, ids }: WishOptions): Promise<readonly ChosenRow[]> {
  const { flow, code, all } = context.options;
  if (ids.length === 0 && flow === undefined && code === undefined && all !== true) {
    throw new UsageError(
      `${wish} takes the numbers that \`kisflow dead-rows list\` names, --flow FLOW, --code CODE, or --all for every dead row.`,
    );
  }
  const wrong = ids.find((id) => !/^\d{1,20}$/.test(id));
  if (wrong !== undefined) throw new UsageError(`A dead row has a number, and "${wrong}" is none.`);
  const filter = { flow: flow === undefined ? undefined : String(flow), code: code === undefined ? undefined : String(code) };
  return chooseDeadRows({ configuration: project.configuration, store, wish, ids, ...filter });
}

interface Waiting extends WishOptions {
  readonly rows: readonly ChosenRow[];
  readonly heads: ReadonlyMap<string, string>;
  readonly until: number;
}

async function waitForDaemons(waiting: Waiting): Promise<readonly WishedRow[]> {
  const { context, store, rows, until } = waiting;
  for (;;) {
    const outcomes = await readOutcomes(store, rows.map(({ id }) => id)); // prettier-ignore
    const open = rows.filter(({ id }) => outcomes.get(id)?.outcome === 'pending');
    const moving = open.length === 0 ? await countMoving(waiting) : open.length;
    const isOver = Date.now() >= until || context.stop.aborted || rows.length === 0;
    if (moving === 0 || isOver || (open.length > 0 && (await areIdle(waiting, open)))) return report(waiting, outcomes);
    context.progress(`waiting for ${moving} rows`);
    await sleep(pollMs, context.stop);
  }
}

/** Whether nobody is at work on any of these rows now. */
async function areIdle(options: WishOptions, rows: readonly ChosenRow[]): Promise<boolean> {
  return (await statusOf(options, rows)).every(({ isHeld, state }) => !isHeld || state === 'paused' || state === 'failed');
}

/** Parked rows that were behind the chosen ones and are no longer behind a dead one: they are about to be applied. */
async function countMoving({ store, rows, heads }: Waiting): Promise<number> {
  const chosen = new Set(rows.map(({ id }) => id));
  let moving = 0;
  for (const flow of flowsOf(rows)) {
    for (const [id, head] of headsOf(await readParkedRows(store, flow, { after: '0' }))) {
      if (head === '' && chosen.has(heads.get(id) ?? '')) moving += 1;
    }
  }
  return moving;
}

async function report(waiting: Waiting, outcomes: ReadonlyMap<string, ChosenOutcome>): Promise<readonly WishedRow[]> {
  const { store, rows, heads } = waiting;
  const left = new Set<string>();
  for (const flow of flowsOf(rows)) for (const { id } of await readParkedRows(store, flow, { after: '0' })) left.add(id);
  const before = new Map<string, number>();
  const after = new Map<string, number>();
  for (const [id, head] of heads) {
    before.set(head, (before.get(head) ?? 0) + 1);
    if (left.has(id)) after.set(head, (after.get(head) ?? 0) + 1);
  }
  return rows.map((row) => ({
    ...row,
    ...(outcomes.get(row.id) ?? { outcome: 'pending', tries: 0, code: '', message: '' }),
    behind: { before: before.get(row.id) ?? 0, left: after.get(row.id) ?? 0 },
  }));
}

async function readHeads(store: Store, rows: readonly ChosenRow[]): Promise<ReadonlyMap<string, string>> {
  const heads = new Map<string, string>();
  for (const flow of flowsOf(rows)) {
    for (const [id, head] of headsOf(await readParkedRows(store, flow, { after: '0' }))) heads.set(id, head);
  }
  return heads;
}

async function statusOf({ project, store }: WishOptions, rows: readonly ChosenRow[]): Promise<readonly FlowStatus[]> {
  const flows = flowsOf(rows);
  return (await readFlowStatus(project.configuration, store)).filter(({ flow }) => flows.includes(flow));
}

function flowsOf(rows: readonly ChosenRow[]): readonly string[] {
  return [...new Set(rows.map(({ flow }) => flow))];
}

function readWait(text: CommandContext['options'][string]): number {
  if (text === undefined) return waitSecondsDefault;
  const seconds = Number(text);
  if (text !== '' && Number.isFinite(seconds) && seconds >= 0 && seconds <= waitSecondsMax) return seconds;
  throw new UsageError(`--wait takes seconds from 0 to ${waitSecondsMax}, not "${String(text)}".`);
}
