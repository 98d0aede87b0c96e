import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onEnd } from './cleanup.ts';
import { runInHost, type CommandStart, type Exit } from './command-host.ts';
import { waitFor } from './wait-for.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const keptTransforms = fileURLToPath(new URL('./kept-transforms.cjs', import.meta.url));

/** A `kisflow` of its own process: what it said, and how it ended. */
export interface DaemonProcess {
  readonly pid: number;
  readonly cwd: string;
  /** Complete lines so far, in the order in which they came. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** The first line of either stream, from the beginning, that matches. Rejects when the process ends without it. */
  waitForLine(pattern: RegExp, deadlineMs?: number): Promise<string>;
  kill(signal?: NodeJS.Signals): void;
  /** Resolves when it has ended and all it said has been read. */
  waitForExit(deadlineMs?: number): Promise<Exit>;
}

export interface DaemonOptions {
  /** Where it runs; a fresh folder, removed at the end, when left out. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Options of node itself, as `--max-old-space-size=200`. */
  readonly nodeArgs?: readonly string[];
}

/** None outside of a test run; what is told how much memory it may have loads all that is shipped. */
function keptArgs(): readonly string[] {
  return process.env['KISFLOW_TEST_TRANSFORMS'] === undefined ? [] : ['--require', keptTransforms];
}

/** Runs `node dist/main.js ARGS` (npm test has built it). Killed at the end when it still runs. */
export function spawnDaemon(args: readonly string[], options: DaemonOptions = {}): Promise<DaemonProcess> {
  return start(args, options, { run: (command) => spawnProcess(command, options.nodeArgs ?? keptArgs()), endsWithinMs: 0 });
}

/** The same in a process that may have run other command lines: a third of the cost, where what is shown is not the process. */
export function startCommand(args: readonly string[], options: Pick<DaemonOptions, 'cwd' | 'env'> = {}): Promise<DaemonProcess> {
  const run = (command: CommandStart): ChildProcess => runInHost({ main: MAIN, nodeArgs: keptArgs() }, command);
  return start(args, options, { run, endsWithinMs: 1000 });
}

function spawnProcess({ args, cwd, env, onLine, onExit }: CommandStart, nodeArgs: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  createInterface({ input: child.stdout }).on('line', (line) => onLine('stdout', line));
  createInterface({ input: child.stderr }).on('line', (line) => onLine('stderr', line));
  child.once('close', (code, signal) => onExit({ code, signal }));
  return child;
}

interface Starter {
  readonly run: (command: CommandStart) => ChildProcess;
  /** What still runs at the end may end by itself in this time, so that its process can be used again. */
  readonly endsWithinMs: number;
}

async function start(
  args: readonly string[],
  { cwd: at, env = {} }: DaemonOptions,
  { run, endsWithinMs }: Starter,
): Promise<DaemonProcess> {
  const cwd = at ?? (await createFolder());
  const lines: Record<'stdout' | 'stderr', string[]> = { stdout: [], stderr: [] };
  const { stdout, stderr } = lines;
  let exit: Exit | undefined;
  const child = run({
    args,
    cwd,
    env,
    onLine: (stream, line) => lines[stream].push(line),
    onExit: (ended) => (exit = ended),
  });
  const said = () => [...stdout, ...stderr].slice(-40).join('\n');
  const daemon: DaemonProcess = {
    pid: child.pid ?? -1,
    cwd,
    stdout,
    stderr,
    async waitForLine(pattern, deadlineMs = 20_000) {
      const find = () => stdout.find((line) => pattern.test(line)) ?? stderr.find((line) => pattern.test(line));
      await waitFor(() => find() !== undefined || exit !== undefined, { deadlineMs, what: `${pattern}; it said:\n${said()}` });
      const line = find();
      if (line === undefined) throw new Error(`ended with ${JSON.stringify(exit)} without ${pattern}; it said:\n${said()}`);
      return line;
    },
    // by then the process may be another command line's
    kill: (signal = 'SIGTERM') => void (exit === undefined && child.kill(signal)),
    waitForExit: (deadlineMs = 20_000) => waitFor(() => exit, { deadlineMs, what: `the end of ${args.join(' ')}` }),
  };
  onEnd(async () => {
    if (exit === undefined && endsWithinMs > 0) {
      child.kill();
      await daemon.waitForExit(endsWithinMs).catch(() => undefined); // it is killed then
    }
    if (exit !== undefined) return;
    child.kill('SIGKILL');
    await daemon.waitForExit();
  });
  return daemon;
}

/** A fresh folder with these files (path: content), removed at the end. */
export async function createFolder(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kisflow-test-'));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}
