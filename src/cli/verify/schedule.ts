import { duration } from '../../config/values.ts';
import { unknownName } from '../../config/unknown-name.ts';
import {
  endVerifySchedule,
  readVerifyStatus,
  setVerifySchedule,
  type VerifyOptions,
  type VerifySchedule,
} from '../../repair/verify-schedule.ts';
import type { Store } from '../../store/open.ts';
import { exitCode, UsageError, type CommandContext } from '../command.ts';
import type { OpenProject } from '../existing-store.ts';
import { formatDuration } from '../table.ts';

const leastMs = 60_000;
const mostMs = 366 * 86_400_000;

/** `--every`, in milliseconds; undefined: a run is to begin now. Throws UsageError, also for options that go with a run alone. */
export function readEvery({ every, detach, repair, ...others }: CommandContext['options']): number | 'off' | undefined {
  if (every === undefined) return undefined;
  if (detach === true) throw new UsageError('--every begins no run, so there is none to --detach from.');
  if (every !== 'off') return readPeriod(String(every));
  if (repair === true || others['rows-per-second'] !== undefined) throw new UsageError('--every off takes no other options.');
  return 'off';
}

function readPeriod(text: string): number {
  const ms = duration.safeParse(text).data;
  if (ms !== undefined && ms >= leastMs && ms <= mostMs) return ms;
  throw new UsageError(`--every takes a time from 1m to 366d with s, m, h or d, such as 6h, or "off"; not "${text}".`);
}

/** Has the flow verified again and again, from now on. */
export async function scheduleVerify(
  context: CommandContext,
  store: Store,
  { everyMs, options }: { readonly everyMs: number; readonly options: VerifyOptions },
): Promise<number> {
  const [flow = ''] = context.positionals;
  await setVerifySchedule(store, { flow, everyMs, options });
  const { schedule = null } = (await readVerifyStatus(store)).get(flow) ?? {};
  const repairs = options.repair === true ? ', and what differs is mended' : '';
  const message = `Flow ${flow} is verified every ${formatDuration(everyMs)}${repairs}. ${whenDue(schedule)}`;
  print(context, { flow, schedule, message });
  return exitCode.done;
}

/** `--every off`: also of a flow that is not in the configuration any more. */
export async function endSchedule(context: CommandContext, { configuration, store }: OpenProject): Promise<number> {
  const [flow = ''] = context.positionals;
  const isEnded = store !== undefined && (await endVerifySchedule(store, flow));
  if (!isEnded && !configuration.flows.has(flow)) throw unknownName('flow', flow, configuration.flows.keys());
  const message = `Flow ${flow} ${isEnded ? 'is not verified by itself any more' : 'was not verified by itself'}.`;
  print(context, { flow, schedule: null, message });
  return exitCode.done;
}

function whenDue(schedule: VerifySchedule | null): string {
  const dueInMs = schedule?.dueInMs ?? null;
  if (dueInMs === null) return 'A run is under way; the next one is due as long after its end.';
  const when = dueInMs <= 0 ? 'now' : `in ${formatDuration(dueInMs)}, at ${String(schedule?.dueAt)}`;
  return `The next run is due ${when}: the daemon that holds the flow begins it. \`kisflow status\` shows what it found last.`;
}

function print(
  context: CommandContext,
  document: { readonly flow: string; readonly schedule: VerifySchedule | null; readonly message: string },
): void {
  context.print(context.json ? JSON.stringify(document) : document.message);
}
