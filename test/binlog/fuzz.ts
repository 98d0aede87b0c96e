import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'vitest';
import { brokenSegment, randomFrom, segments } from './breaking.ts';
import { isRefusal, outcomeOf } from './recorded.ts';

/** Set FUZZ_SEED (or FAST_CHECK_SEED) to the seed that a failure printed to run the same rounds again. */
export const seed = Number(process.env['FUZZ_SEED'] ?? process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31);

/** No event of some kilobytes may take longer, whatever its bytes are; on a busy machine a whole one takes far less than that. */
const EVENT_MS_MAX = 1000;
/** What all rounds together may add to the memory that the process ever held at once: an event of the recordings has 4 KB at most. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;

export interface FuzzCount {
  rounds: number;
  refused: number;
  read: number;
}

/** Breaks transactions until the time or the rounds are over; fails at the first that is neither read nor refused as it must be. */
export async function fuzz(limits: { readonly ms: number; readonly rounds: number }): Promise<FuzzCount> {
  const until = performance.now() + limits.ms;
  const memory = process.resourceUsage().maxRSS * 1024;
  const count: FuzzCount = { rounds: 0, refused: 0, read: 0 };
  for (let round = 0; round < limits.rounds && performance.now() < until; round += 1) {
    const random = randomFrom((seed + round) % 2 ** 31);
    const segment = segments[random(segments.length)];
    if (segment === undefined) throw new Error('nothing is recorded');
    const what = `FUZZ_SEED=${(seed + round) % 2 ** 31} (${segment.name})`;
    const events = [...segment.head, ...brokenSegment(segment, random)];
    const { error } = await outcomeOf(events, (bytes, ms) => {
      if (ms > EVENT_MS_MAX) expect.fail(`${what}: an event of ${bytes} bytes took ${ms} ms`);
    });
    if (error !== undefined && !isRefusal(error)) throw new Error(`${what}: refused as nothing may be`, { cause: error });
    count.rounds += 1;
    // as a connection does between its packets: what is behind freed handles is only let go then
    if (count.rounds % 200 === 0) await nextTurn();
    count[error === undefined ? 'read' : 'refused'] += 1;
  }
  const grown = process.resourceUsage().maxRSS * 1024 - memory;
  expect(grown, `FUZZ_SEED=${seed}: bytes that the process grew by`).toBeLessThan(MEMORY_BYTES_MAX);
  return count;
}
