import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onEnd } from '../support/cleanup.ts';

export type Environment = Readonly<Record<string, string>>;

/** The folder of an example. */
export function exampleFolder(name: string): string {
  return fileURLToPath(new URL(`../../docs/examples/${name}`, import.meta.url));
}

/** Runs an example's program to its end, with the package as built; its lines. Rejects when it fails, or takes half a minute. */
export async function runExample(name: string, env: Environment, args: readonly string[] = []): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [`${exampleFolder(name)}/main.mjs`, ...args], {
    env: { ...process.env, ...env },
    timeout: 30_000,
  });
  return stdout.split('\n').filter((line) => line !== '');
}

/** An example's program that goes on until it is told to end. Killed at the end of the test. */
export function startExample(name: string, env: Environment): { readonly child: ChildProcess; readonly lines: readonly string[] } {
  const child = spawn(process.execPath, [`${exampleFolder(name)}/main.mjs`], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  onEnd(async () => void child.kill('SIGKILL'));
  return { child, lines };
}
