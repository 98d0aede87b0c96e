import { readFileSync } from 'node:fs';
import type { Script } from './scripts.ts';

/** Runs a script's work with the input that its parent gave, answers the result, and ends; it ends with its parent, too. */
export async function answer<Input, Result>(
  _script: Script<Input, Result>,
  work: (input: Input) => Promise<Result>,
): Promise<void> {
  const orphaned = (): never => process.exit(1);
  process.once('disconnect', orphaned);
  const input: Input = JSON.parse(process.argv[2] ?? 'null');
  const result = await work(input);
  process.off('disconnect', orphaned);
  await new Promise<void>((resolve) => {
    process.send?.(JSON.stringify(result), () => resolve());
  });
  process.disconnect();
}

export function sayReady(): void {
  process.send?.('ready');
}

/** The most memory that a process has held so far, in MB; 0 when it is gone. */
export function peakMemory(pid: number | 'self'): number {
  return memoryLine(pid, /^VmHWM:\s*(\d+) kB/m);
}

/** The memory that a process holds now, in MB. */
export function currentMemory(pid: number | 'self'): number {
  return memoryLine(pid, /^VmRSS:\s*(\d+) kB/m);
}

function memoryLine(pid: number | 'self', pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0; // it has ended
  }
}

/** The machine's steady clock in milliseconds: the same for all its processes. */
export function steadyNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
