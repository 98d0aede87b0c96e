import { exitCode, type Command } from './command.ts';
import { makeWish, printOutcome, type WishOutcome } from './flow-wish.ts';
import { shortHolder, shortPosition } from './flow-status.ts';

/** Lets a flow commit what it has and hold; it stays paused, over restarts too, until it is resumed. */
export const pause: Command = {
  usage: 'FLOW',
  positionals: [1, 1],
  async run(context) {
    const outcome = await makeWish(context, {
      wanted: 'pause',
      isSettled: ({ state }) => state === 'paused' || state === 'failed',
    });
    printOutcome(context, outcome, sentenceOf(outcome));
    return exitCode.done;
  },
};

function sentenceOf({ before, after }: WishOutcome): string {
  const { flow, state } = after;
  const where = after.position === null ? '' : ` at ${shortPosition(after.position)}`;
  if (state === 'failed') {
    return `Flow ${flow} has failed (${after.error?.code ?? 'without a code'}) and does not run. It is to stay paused: \`kisflow resume ${flow}\` tries it again.`;
  }
  if (before.state === 'paused' && before.wanted === 'pause') return `Flow ${flow} is paused already${where}.`;
  if (!after.isHeld) return `No daemon runs flow ${flow} now. It stays paused${where} when one starts.`;
  if (state === 'paused') return `Flow ${flow} is paused${where}.`;
  return `Flow ${flow} is still ${state}: the daemon ${shortHolder(after)} has not taken notice yet. It pauses once it has; see \`kisflow status\`.`;
}
