import { sleep } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { Position } from '../row/position.ts';
import type { FlowFeed } from './feed.ts';
import { hasPassed } from './freshness.ts';

export interface OnePositionOptions {
  /** The live flow's. */
  readonly live: FlowFeed;
  /** Of the same flow, which computes anew beside it. */
  readonly shadow: FlowFeed;
  readonly signal: AbortSignal;
}

const standMsMax = 5000;
const pollMs = 2;

/**
 * Does the work while a flow and its shadow stand for one position, at the end of a transaction, with all before it committed and nothing
 * behind it taken:
 *
 *     shadow   ── stands where it is ─────────────────────────► goes on to where the flow stands ──┐
 *     flow     ──────────────► has passed that place: stands ───────────────────────────────────── work ──► both go on
 *
 * Both read on all the while, as far as their queues have room. Throws VERIFY_NOT_STANDING (retry) when it takes too long; both go on
 * whatever happens. Gives how long the flow stood.
 */
export async function atOnePosition(
  { live, shadow, signal }: OnePositionOptions,
  work: (position: Position) => Promise<void>,
): Promise<number> {
  const until = <T>(look: () => T | undefined): Promise<T> => waitUntil(look, signal);
  let stoodAt: number | undefined;
  try {
    shadow.holdAt('here');
    const theirs = await until(() => shadow.standing);
    await until(() => (hasPassed(live.underWay.done, theirs) ? true : undefined));
    stoodAt = performance.now();
    live.holdAt('here');
    const position = await until(() => live.standing);
    shadow.holdAt(position);
    await until(() => (hasPassed(shadow.received, position) ? shadow.standing : undefined));
    await work(position);
    return performance.now() - stoodAt;
  } finally {
    live.holdAt(undefined);
    shadow.holdAt(undefined);
  }
}

async function waitUntil<T>(look: () => T | undefined, signal: AbortSignal): Promise<T> {
  const deadline = performance.now() + standMsMax;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    signal.throwIfAborted();
    if (performance.now() > deadline) {
      throw new CodedError('VERIFY_NOT_STANDING', `The flow and its shadow did not come to one position within ${standMsMax} ms.`, {
        class: 'retry',
      });
    }
    await sleep(pollMs, signal);
  }
}
