import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onFileEnd } from './cleanup.ts';

const hostFile = fileURLToPath(new URL('./command-host.mjs', import.meta.url));
const endMark = '\u0001ended';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A command line that was started: where its lines go as they come, and who is told of its end. */
export interface CommandStart {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void;
  readonly onExit: (exit: Exit) => void;
}

export interface HostOptions {
  readonly main: string;
  readonly nodeArgs: readonly string[];
}

/** Those that wait for a command line. */
const idle: CommandHost[] = [];

/** Runs a command line in a process that has run others of this file, or in a new one when none is idle; gives the process. */
export function runInHost(options: HostOptions, start: CommandStart): ChildProcess {
  const host = idle.pop() ?? new CommandHost(options);
  host.run(start);
  return host.child;
}

/** A process of command-host.mjs. One that is killed, or whose command line leaves something behind, is not used again. */
class CommandHost {
  readonly child: ChildProcess;
  #current: CommandStart | undefined;
  #marks = 0;
  #code = 0;

  constructor({ main, nodeArgs }: HostOptions) {
    this.child = spawn(process.execPath, [...nodeArgs, hostFile, main, endMark], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdin?.on('error', () => {}); // its end tells
    this.#listen('stdout', this.child.stdout);
    this.#listen('stderr', this.child.stderr);
    this.child.once('close', (code, signal) => {
      const at = idle.indexOf(this);
      if (at >= 0) idle.splice(at, 1);
      this.#end({ code, signal });
    });
    onFileEnd(async () => void this.child.kill('SIGKILL'));
  }

  run(start: CommandStart): void {
    this.#current = start;
    this.#marks = 0;
    const { cwd, env, args } = start;
    const at = resolve(cwd); // of this process, not of the host that was elsewhere
    this.child.stdin?.write(`${JSON.stringify({ cwd: at, env, args })}\n`);
  }

  #listen(stream: 'stdout' | 'stderr', input: Readable | null): void {
    if (input === null) throw new Error('the host of commands has no pipes');
    createInterface({ input }).on('line', (line) => {
      const at = line.indexOf(endMark);
      if (at !== 0) this.#current?.onLine(stream, at < 0 ? line : line.slice(0, at)); // a last line may have no end
      if (at >= 0) this.#mark(line.slice(at + endMark.length + 1).split(' '));
    });
  }

  #mark([code, left]: readonly string[]): void {
    this.#code = Number(code);
    this.#marks += 1;
    if (this.#marks < 2) return;
    if (left === 'clean') idle.push(this);
    this.#end({ code: this.#code, signal: null });
  }

  #end(exit: Exit): void {
    const ended = this.#current;
    this.#current = undefined;
    ended?.onExit(exit);
  }
}
