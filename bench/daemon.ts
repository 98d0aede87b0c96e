import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { currentMemory, peakMemory, steadyNow } from './child-side.ts';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** Daemons that still run: killed when we end in any way. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** `kisflow run` as a user starts it. */
export interface Daemon {
  readonly startedAt: number;
  /** What it has logged, with the steady time at which it came. */
  readonly lines: readonly { readonly at: number; readonly text: string }[];
  /** The most memory it has held, in MB: read while it runs. */
  readonly peakMb: number;
  readonly residentMb: number;
  /** The most memory counts from now on (proc_pid_clear_refs(5)). */
  resetPeak(): void;
  /** Resolves with the steady time at which it ended; rejects when it ended with another code than 0. */
  readonly ended: Promise<number>;
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
}

export function startDaemon(options: {
  readonly folder: string;
  readonly args?: readonly string[];
  readonly profileDir?: string | undefined;
}): Daemon {
  const { folder, args = [], profileDir } = options;
  const profile = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
  const startedAt = steadyNow();
  const child = spawn(process.execPath, [...profile, MAIN, 'run', ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  running.add(child);
  const lines: { at: number; text: string }[] = [];
  createInterface({ input: child.stderr }).on('line', (text) => lines.push({ at: steadyNow(), text }));
  let peakMb = 0;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, peakMemory(child.pid ?? 0))), 50);
  const ended = once(child, 'close').then(([code, signal]) => {
    const endedAt = steadyNow();
    clearInterval(watch);
    running.delete(child);
    if (code === 0) return endedAt;
    const said = lines.slice(-10).map(({ text }) => text);
    throw new Error(`kisflow run ended with ${String(code ?? signal)}:\n${said.join('\n')}`);
  });
  ended.catch(() => {}); // whoever waits for it gets the error
  return {
    startedAt,
    lines,
    get peakMb() {
      return Math.max(peakMb, peakMemory(child.pid ?? 0));
    },
    get residentMb() {
      return currentMemory(child.pid ?? 0);
    },
    resetPeak() {
      writeFileSync(`/proc/${child.pid}/clear_refs`, '5');
      peakMb = 0;
    },
    ended,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended.catch(() => {}); // which it has to reject with
    },
  };
}

export interface CurrentRun {
  /** From the log line before its first read to its end. */
  readonly readSeconds: number;
  /** From the start of its process to its end. */
  readonly processSeconds: number;
  readonly peakMb: number;
}

/** Runs the daemon until it is current. */
export async function runToCurrent(folder: string, profileDir?: string): Promise<CurrentRun> {
  const daemon = startDaemon({ folder, args: ['--until-current'], profileDir });
  const endedAt = await daemon.ended;
  const ready = daemon.lines.find(({ text }) => text.includes('source is ready'));
  if (ready === undefined) throw new Error('kisflow run did not say that its source is ready');
  return {
    readSeconds: (endedAt - ready.at) / 1000,
    processSeconds: (endedAt - daemon.startedAt) / 1000,
    peakMb: daemon.peakMb,
  };
}

/** Waits until a condition holds. Rejects when it does not within the deadline, or when the daemon ends before. */
export async function waitUntil(
  isTrue: () => Promise<boolean>,
  options: { readonly what: string; readonly deadlineMs: number; readonly daemon: Daemon; readonly everyMs?: number },
): Promise<void> {
  const { what, deadlineMs, daemon, everyMs = 100 } = options;
  const deadline = steadyNow() + deadlineMs;
  while (!(await isTrue())) {
    if (steadyNow() > deadline) throw new Error(`still not after ${deadlineMs} ms: ${what}; ${daemon.lines.at(-1)?.text ?? ''}`);
    await Promise.race([sleep(everyMs), daemon.ended]);
  }
}
