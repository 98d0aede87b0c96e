import { shortHolder, shortPosition, type FlowStatus } from './flow-status.ts';
import type { FlowWishKind, WishOutcome } from './flow-wish.ts';

/** A flow commits what it has and holds; it stays paused, over restarts too, until it is resumed. */
export const pauseFlow: FlowWishKind = {
  wanted: 'pause',
  isSettled: ({ state }) => state === 'paused' || state === 'failed' || state === 'rebuilding',
  describe: describePause,
};

/** A paused flow goes on, a failed one tries again, from its checkpoint. */
export const resumeFlow: FlowWishKind = {
  wanted: 'run',
  isSettled: (now) => now.state === 'running' || now.state === 'rebuilding' || hasFailedAgain(now),
  describe: describeResume,
};

function describePause({ before, after }: WishOutcome): string {
  const { flow, state } = after;
  const where = after.position === null ? '' : ` at ${shortPosition(after.position)}`;
  if (state === 'failed') {
    return `Flow ${flow} has failed (${after.error?.code ?? 'without a code'}) and does not run. It is to stay paused: \`kisflow resume ${flow}\` tries it again.`;
  }
  if (state === 'rebuilding') return `${describeRebuild(after)} It pauses once it has its new tables.`;
  if (before.state === 'paused' && before.wanted === 'pause') return `Flow ${flow} is paused already${where}.`;
  if (!after.isHeld) return `No daemon runs flow ${flow} now. It stays paused${where} when one starts.`;
  if (state === 'paused') return `Flow ${flow} is paused${where}.`;
  return `Flow ${flow} is still ${state}: the daemon ${shortHolder(after)} has not taken notice yet. It pauses once it has; see \`kisflow status\`.`;
}

/** The wish to run clears the error: one that stands afterwards is new. */
export function hasFailedAgain({ state, error }: FlowStatus): boolean {
  return state === 'failed' && error !== null;
}

function describeRebuild({ flow }: FlowStatus): string {
  return `Flow ${flow} has lost its binlog and is rebuilt by itself: \`kisflow runs\` shows how far it is.`;
}

function describeResume({ before, after }: WishOutcome): string {
  const { flow, state } = after;
  const from = after.position === null ? '' : ` from ${shortPosition(after.position)}`;
  const tried = before.error === null ? '' : ` It had failed with ${before.error.code} and is tried again.`;
  if (state === 'disabled') return `Flow ${flow} is disabled (status: 0 in the configuration) and does not run.`;
  if (state === 'no source') return `Flow ${flow} has no source: a program feeds it, no daemon runs it.`;
  if (state === 'never run') return `Flow ${flow} has never run and is not paused: it begins when a daemon starts.`;
  if (hasFailedAgain(after))
    return `Flow ${flow} was tried again and failed with ${after.error?.code ?? ''}: ${after.error?.message ?? ''}`;
  if (state === 'rebuilding') return describeRebuild(after);
  if (before.state === 'running' && state === 'running') return `Flow ${flow} is running already.`;
  if (state === 'running') return `Flow ${flow} runs${from}.${tried}`;
  if (!after.isHeld) return `No daemon runs flow ${flow} now. It goes on${from} when one starts.${tried}`;
  return `Flow ${flow} is ${state}: the daemon ${shortHolder(after)} has not started it yet; see \`kisflow status\`.${tried}`;
}
