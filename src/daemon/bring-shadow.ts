import { sleep } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { Position } from '../row/position.ts';
import type { Source } from '../source/contract.ts';
import type { FlowService } from './flow-service.ts';
import { hasPassed } from './freshness.ts';
import type { Shadow } from './shadow.ts';

/** How long the flow may stand and wait for its shadow, and how long for the end of a transaction. */
export const standMsMax = 10_000;

/** What tells that a position's history, or what follows it, is not there: no flow ever goes on from it. */
const goneCodes: ReadonlySet<string> = new Set(['SOURCE_PURGED', 'SOURCE_WRONG_SERVER', 'SOURCE_POSITION_INVALID']);

/**
 * Where the shadow of a flow that stands has to come before it takes the flow's place; undefined: the flow cannot go on from where it stands,
 * and its place may be on another server, so that nothing can be behind it. Throws what the source cannot be asked for.
 */
export async function findAim(
  { report, source }: { readonly report: Pick<FlowService['report'], 'state' | 'error'>; readonly source: Pick<Source, 'verify'> },
  position: Position,
  signal: AbortSignal,
): Promise<Position | undefined> {
  const { state, error: stoppedBy } = report;
  if (state !== 'failed' && state !== 'rebuilding' && state !== 'paused') return position;
  // some of it shows only when a dump begins, as the flow's own has
  if (stoppedBy !== undefined && goneCodes.has(stoppedBy.code)) return undefined;
  try {
    await source.verify(position, signal);
    return position;
  } catch (error) {
    if (error instanceof CodedError && goneCodes.has(error.code)) return undefined;
    throw error;
  }
}

/** Whether a place is where the flow's tables may be taken from. */
export function isAt(made: Position, aim: Position | undefined): boolean {
  return made.rows === 0 && (aim === undefined || hasPassed(made, aim));
}

/** The shadow goes on to there, and ends between two transactions; false: it takes too long. */
export async function bringShadow({ service, ended }: Shadow, aim: Position | undefined, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + standMsMax;
  const isThere = (): boolean => service.received !== undefined && (aim === undefined || hasPassed(service.received, aim));
  while (!isThere()) {
    if (signal.aborted || performance.now() > until) return false;
    await sleep(20, signal);
  }
  service.endBetweenTransactions();
  const over = new AbortController();
  const isEnded = await Promise.race([
    ended.then(() => true),
    sleep(standMsMax, AbortSignal.any([over.signal, signal])).then(() => false),
  ]);
  over.abort();
  return isEnded;
}
