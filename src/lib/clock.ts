import { uptime } from 'node:os';

/**
 * Milliseconds that only grow: the clock may be set back or forth meanwhile, and they count while the machine sleeps (what
 * performance.now() does not). For durations; it says nothing about the time of day. Counts in steps of 10 ms.
 */
export function steadyNow(): number {
  return uptime() * 1000;
}
