import { Worker } from 'node:worker_threads';

export interface WatchdogOptions {
  /** A main thread that does not turn for this long is stuck, and the process is ended. */
  readonly stallMs: number;
}

export interface Watchdog {
  /** A function begins, or ends: those that have begun are named if the main thread never turns again. */
  enter(activity: string): void;
  leave(activity: string): void;
  /** Lets the main thread be busy for this long; a shorter time than now changes nothing. */
  allow(stallMs: number): void;
  stop(): Promise<void>;
}

const noteBytes = 256;

/**
 * Ends a process whose main thread no longer turns (L12): a function that loops for ever behind an `await` cannot be interrupted
 * from inside, and would hold all flows of this daemon, and its log, still. `kill -9` is safe at any moment (L1), a standby or
 * the next start goes on; what was running is named on stderr first.
 *
 * The main thread counts up a shared number every quarter of the limit; a worker thread looks at it and has the process id.
 */
export function startWatchdog(options: WatchdogOptions): Watchdog {
  const shared = new SharedArrayBuffer(12 + noteBytes);
  const beats = new Int32Array(shared, 0, 3);
  const text = new Uint8Array(shared, 12);
  beats[2] = options.stallMs;
  const worker = new Worker(workerCode, {
    eval: true,
    workerData: { shared, stallMs: options.stallMs, pid: process.pid },
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  });
  worker.unref();
  const timer = setInterval(() => Atomics.add(beats, 0, 1), options.stallMs / 4);
  timer.unref();
  const encoder = new TextEncoder();
  const active = new Set<string>();
  const note = (): void => {
    beats[1] = encoder.encodeInto([...active].join(', '), text).written;
  };
  return {
    enter(activity) {
      active.add(activity);
      note();
    },
    leave(activity) {
      if (active.delete(activity)) note();
    },
    allow(stallMs) {
      if (stallMs > Atomics.load(beats, 2)) Atomics.store(beats, 2, stallMs);
    },
    async stop() {
      clearInterval(timer);
      await worker.terminate();
    },
  };
}

/** Runs in the worker. Plain JavaScript in a string, so that it is the same from sources and from a build. */
const workerCode = `
const { workerData } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const { performance } = require('node:perf_hooks');
const { shared, stallMs: firstStallMs, pid } = workerData;
const beats = new Int32Array(shared, 0, 3);
const text = new Uint8Array(shared, 12);
let seen = -1;
let since = performance.now();
let looked = since;
setInterval(() => {
  const now = performance.now();
  const stallMs = Atomics.load(beats, 2);
  const beat = Atomics.load(beats, 0);
  // a process that was frozen as a whole (SIGSTOP, a suspended machine) is not stuck
  if (beat !== seen || now - looked > stallMs / 2) { seen = beat; since = now; }
  looked = now;
  if (now - since < stallMs) return;
  const activity = Buffer.from(text.slice(0, beats[1])).toString();
  try { writeSync(2, JSON.stringify({ level: 60, time: new Date().toISOString(), code: 'PROCESS_STUCK', activity, stallMs,
    msg: 'the main thread has not turned for ' + stallMs + ' ms: a function that never returns? The process ends itself; the next start goes on from the last checkpoint' }) + '\\n'); } catch {} // nobody reads, or no room: it ends all the same
  process.kill(pid, 'SIGKILL');
}, firstStallMs / 8);
`;
