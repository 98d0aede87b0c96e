import { afterEach, expect, test, vi } from 'vitest';
import { judge, newFailure } from '../../src/daemon/failure.ts';
import { makeBatch } from '../../src/daemon/batch.ts';
import { CodedError } from '../../src/lib/error.ts';
import { SilenceWatch } from '../../src/source/silence-watch.ts';
import { startPosition } from '../daemon/transactions.ts';
import { waitFor } from '../support/wait-for.ts';

const day = 24 * 60 * 60_000;

afterEach(() => void vi.useRealTimers());

/** The host's clock is set by this much; timers go on as they did. */
function jump(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
}

test.each([day, -day])('L12 a silent socket is noticed though the clock jumps by %d ms', async (ms) => {
  const silent: number[] = [];
  const watch = new SilenceWatch({
    silenceMs: 200,
    progress: () => 1,
    isPaused: () => false,
    onTick: () => {},
    onSilence: (silentMs) => silent.push(silentMs),
  });
  jump(ms);
  const before = performance.now();
  await waitFor(() => silent.length > 0, { deadlineMs: 5000 });
  watch.stop();
  expect(performance.now() - before).toBeGreaterThan(100);
  expect(silent[0]).toBeLessThan(5000);
});

test.each([day, -day])('a batch is tried again for as long as it may be, though the clock jumps by %d ms', (ms) => {
  const error = new CodedError('STORE_CONFLICT', 'made up', { class: 'retry' });
  const failure = newFailure(error);
  jump(ms);
  const batch = makeBatch(startPosition('none'), [], { hasGtid: false });
  const flow = { name: 'f', isEnabled: true, steps: [] };
  const judged = (now: number) => judge({ error, batch, failure, flow, retryLimitMs: 1000, now }).kind;
  expect(judged(performance.now())).toBe('again');
  expect(judged(performance.now() + 1100)).toBe('stop');
});
