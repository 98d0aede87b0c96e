import { requestSchedule, type ScheduleOutcome } from '../../daemon/operate/request-schedule.ts';
import type { ScheduleAsked } from '../../daemon/operate/run-asked.ts';
import { exitCode, type CommandContext } from '../command.ts';
import type { OpenProject } from '../existing-store.ts';
import { placeOf } from '../runs/asked.ts';
import { formatDuration } from '../table.ts';

/** `--every`: has the flow verified again and again from now on, or no more. */
export async function scheduleVerify(context: CommandContext, project: OpenProject, asked: ScheduleAsked): Promise<number> {
  const [flow = ''] = context.positionals;
  const outcome = await requestSchedule(placeOf(context, project), flow, asked);
  const message = sentenceOf(flow, outcome);
  context.print(context.json ? JSON.stringify({ flow, schedule: outcome.schedule, message }) : message);
  return exitCode.done;
}

function sentenceOf(flow: string, { schedule, hadOne }: ScheduleOutcome): string {
  if (schedule === null) return `Flow ${flow} ${hadOne ? 'is not verified by itself any more' : 'was not verified by itself'}.`;
  const { everyMs, repair, dueInMs, dueAt } = schedule;
  const head = `Flow ${flow} is verified every ${formatDuration(everyMs)}${repair ? ', and what differs is mended' : ''}.`;
  if (dueInMs === null) return `${head} A run is under way; the next one is due as long after its end.`;
  const when = dueInMs <= 0 ? 'now' : `in ${formatDuration(dueInMs)}, at ${String(dueAt)}`;
  return `${head} The next run is due ${when}: the daemon that holds the flow begins it. \`kisflow status\` shows what it found last.`;
}
