import { exitCode, type Command } from './command.ts';
import { makeWish, printOutcome, type WishOutcome } from './flow-wish.ts';
import { shortHolder, shortPosition, type FlowStatus } from './flow-status.ts';

/** Lets a paused flow go on, or a failed one try again, from its checkpoint. Exit 1 when it failed again at once. */
export const resume: Command = {
  usage: 'FLOW',
  positionals: [1, 1],
  async run(context) {
    const outcome = await makeWish(context, { wanted: 'run', isSettled: (now) => now.state === 'running' || hasFailedAgain(now) });
    printOutcome(context, outcome, sentenceOf(outcome));
    return hasFailedAgain(outcome.after) ? exitCode.failed : exitCode.done;
  },
};

/** The wish to run clears the error: one that stands afterwards is new. */
function hasFailedAgain({ state, error }: FlowStatus): boolean {
  return state === 'failed' && error !== null;
}

function sentenceOf({ before, after }: WishOutcome): string {
  const { flow, state } = after;
  const from = after.position === null ? '' : ` from ${shortPosition(after.position)}`;
  const tried = before.error === null ? '' : ` It had failed with ${before.error.code} and is tried again.`;
  if (state === 'disabled') return `Flow ${flow} is disabled (status: 0 in the configuration) and does not run.`;
  if (state === 'no source') return `Flow ${flow} has no source: a program feeds it, no daemon runs it.`;
  if (state === 'never run') return `Flow ${flow} has never run and is not paused: it begins when a daemon starts.`;
  if (hasFailedAgain(after))
    return `Flow ${flow} was tried again and failed with ${after.error?.code ?? ''}: ${after.error?.message ?? ''}`;
  if (before.state === 'running' && state === 'running') return `Flow ${flow} is running already.`;
  if (state === 'running') return `Flow ${flow} runs${from}.${tried}`;
  if (!after.isHeld) return `No daemon runs flow ${flow} now. It goes on${from} when one starts.${tried}`;
  return `Flow ${flow} is ${state}: the daemon ${shortHolder(after)} has not started it yet; see \`kisflow status\`.${tried}`;
}
