import { readFileSync } from 'node:fs';

/** Memory that a process holds now, and the most it has held, in MB (VmRSS and VmHWM of proc_pid_status(5)). */
export function memoryOf(pid: number): { readonly residentMb: number; readonly peakMb: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number => {
    const kb = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    if (kb === undefined) throw new Error(`process ${pid} has no ${name}`);
    return Number(kb) / 1024;
  };
  return { residentMb: read('VmRSS'), peakMb: read('VmHWM') };
}
