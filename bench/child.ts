import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Script } from './scripts.ts';

export interface ChildOptions {
  /** Where it leaves its CPU profile. */
  readonly profileDir?: string | undefined;
  readonly nodeArgs?: readonly string[];
}

/** A script in a process of its own. */
export interface Child<Result> {
  /** Resolves when it has said that it is ready. */
  readonly ready: Promise<void>;
  readonly result: Promise<Result>;
}

/** Starts a script of this folder with an input; it ends with its result, or with us. Both travel as JSON. */
export function startChild<Input, Result>(script: Script<Input, Result>, input: Input, options: ChildOptions = {}): Child<Result> {
  const { profileDir, nodeArgs = [] } = options;
  const profile = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
  const child = fork(fileURLToPath(script.file), [JSON.stringify(input)], {
    execArgv: ['--import', import.meta.resolve('tsx'), ...profile, ...nodeArgs],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message) => message === 'ready' && resolve());
    child.once('close', () => reject(new Error(`${fileURLToPath(script.file)} ended before it was ready`)));
  });
  ready.catch(() => {}); // not every script says it
  const result = new Promise<Result>((resolve, reject) => {
    let answer: string | undefined;
    child.on('message', (message) => {
      if (typeof message === 'string' && message !== 'ready') answer = message;
    });
    child.once('close', (code) => {
      if (answer === undefined || code !== 0) return reject(new Error(`${fileURLToPath(script.file)} ended with ${code}`));
      const parsed: Result = JSON.parse(answer);
      resolve(parsed);
    });
  });
  return { ready, result };
}

/** Runs a script to its end. */
export function runChild<Input, Result>(script: Script<Input, Result>, input: Input, options?: ChildOptions): Promise<Result> {
  return startChild(script, input, options).result;
}
