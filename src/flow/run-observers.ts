import type { RunObserver } from './contract.ts';

/** Both as one; the first is told first. */
export function joinRunObservers(first: RunObserver, second: RunObserver | undefined): RunObserver {
  if (second === undefined) return first;
  return {
    runBegan(flow, rows) {
      first.runBegan(flow, rows);
      second.runBegan(flow, rows);
    },
    stepBegan(flow, step) {
      first.stepBegan(flow, step);
      second.stepBegan(flow, step);
    },
    stepRetried(flow, step, error) {
      first.stepRetried?.(flow, step, error);
      second.stepRetried?.(flow, step, error);
    },
    stepEnded(flow, step, ms, count) {
      first.stepEnded(flow, step, ms, count);
      second.stepEnded(flow, step, ms, count);
    },
    runEnded(flow, ms) {
      first.runEnded(flow, ms);
      second.runEnded(flow, ms);
    },
  };
}
