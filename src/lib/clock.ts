import { uptime } from 'node:os';

/**
 * Milliseconds that only grow: the clock may be set back or forth meanwhile, and they count while the machine sleeps (what
 * performance.now() does not). Counts in steps of 10 ms. It says nothing about the time of day.
 *
 * There are two clocks for durations, and no time of one is compared with a time of the other:
 *
 *     steadyNow()        how old something is that people and probes are told of: freshness, silence, lag, the time until a purge
 *     performance.now()  how long this process has waited or worked: deadlines, backoff, rows that wait, leases, rates. A machine
 *                        that sleeps must not let all of them run out at once when it wakes
 *
 * The clock (Date.now()) is for times of day, which people and other programs read.
 */
export function steadyNow(): number {
  return uptime() * 1000;
}
