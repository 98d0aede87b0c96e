import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findFreePort } from './free-port.ts';
import { startGuarded, type GuardedProcess } from './guarded-process.ts';
import { ServerError } from './server-error.ts';
import type { ServerSettings } from './server.ts';

const READY_TIMEOUT_MS = 120_000; // recovery after a kill under load can be long
const STOP_TIMEOUT_MS = 60_000;
const PAUSE_TIMEOUT_MS = 1_000;
const POLL_MS = 25;
const PORT_TRIES_MAX = 5;
const LOG_TAIL_LINES = 15;

/** What a kind of server is to the process that runs it. */
export interface LocalServerSpec {
  /** For messages: `MySQL 9.7.4`. */
  readonly name: string;
  readonly dataDir: string;
  /** Whether the data goes when the server goes. */
  readonly isTemporary: boolean;
  readonly port?: number;
  readonly settings: ServerSettings;
  /** Puts into the data directory what the server needs there before it starts. */
  fill(dataDir: string): Promise<void>;
  commandLine(port: number, settings: ServerSettings): { readonly command: string; readonly args: readonly string[] };
  /** Whether the server that answers on this port is up, and is this one: another may have taken the port first. */
  isReady(port: number, pid: number): Promise<boolean>;
}

/**
 * A server as a guarded process of this machine.
 *
 *   start ─> running <─ pause, resume ─> stopped (stop: data removed)
 *              │ ^
 *         kill v │ restart
 *             down
 */
export class LocalServer {
  readonly #spec: LocalServerSpec;
  #settings: ServerSettings;
  #port: number;
  #process: GuardedProcess;
  #isStopped = false;

  private constructor(spec: LocalServerSpec, port: number, process: GuardedProcess) {
    this.#spec = spec;
    this.#settings = spec.settings;
    this.#port = port;
    this.#process = process;
  }

  /**
   * Fills its data directory, starts it and waits until it answers. Takes another port when its own is taken, unless
   * the caller named it. A start that fails or is aborted leaves nothing of a temporary server.
   */
  static async start(spec: LocalServerSpec, signal?: AbortSignal): Promise<LocalServer> {
    try {
      await spec.fill(spec.dataDir);
      return await LocalServer.#startFilled(spec, signal);
    } catch (error) {
      if (spec.isTemporary) await rm(spec.dataDir, { recursive: true, force: true });
      throw error;
    }
  }

  static async #startFilled(spec: LocalServerSpec, signal: AbortSignal | undefined): Promise<LocalServer> {
    for (let tries = 1; ; tries += 1) {
      const port = spec.port ?? (await findFreePort());
      const started = await tryStart(spec, { port, settings: spec.settings, signal });
      if (started.outcome === 'ready') {
        const server = new LocalServer(spec, port, started.process);
        signal?.addEventListener('abort', () => void server.stop(), { once: true });
        return server;
      }
      const isWorthAnother = started.isPortTaken && spec.port === undefined && tries < PORT_TRIES_MAX;
      await started.process.release({ keep: isWorthAnother });
      if (!isWorthAnother) throw started.error;
    }
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Data that is thrown away needs no order: a temporary server is killed, which saves seconds a test. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (!this.#spec.isTemporary) await this.#shutDown();
    await this.#process.release();
  }

  async kill(): Promise<void> {
    this.#process.signal('SIGKILL');
    await this.#process.untilExit();
  }

  async restart(changes: ServerSettings = {}): Promise<void> {
    if (this.#isStopped) throw new ServerError('SERVER_FAILED', `${this.#spec.name} was stopped: it has no data left`);
    await this.#shutDown();
    await this.#process.release({ keep: true });
    this.#settings = { ...this.#settings, ...changes };
    for (let tries = 1; ; tries += 1) {
      const started = await tryStart(this.#spec, { port: this.#port, settings: this.#settings, signal: undefined });
      this.#process = started.process;
      if (started.outcome === 'ready') return;
      if (!started.isPortTaken || tries === PORT_TRIES_MAX) throw started.error;
      await started.process.release({ keep: true });
      await delay(1000); // another process has the port for a moment: a client's socket, most likely
    }
  }

  /** Resolves when every thread stands still: a moment after the signal, in which the server may still answer. */
  async pause(): Promise<void> {
    this.#process.signal('SIGSTOP');
    const deadline = Date.now() + PAUSE_TIMEOUT_MS;
    while (!(await isStandingStill(this.pid)) && Date.now() < deadline) await delay(1);
  }

  resume(): void {
    this.#process.signal('SIGCONT');
  }

  async #shutDown(): Promise<void> {
    this.resume(); // a paused process would never see the next signal
    this.#process.signal('SIGTERM');
    if ((await within(this.#process.untilExit(), STOP_TIMEOUT_MS)) === undefined) await this.kill();
  }
}

type Started =
  | { readonly outcome: 'ready'; readonly process: GuardedProcess }
  | { readonly outcome: 'failed'; readonly process: GuardedProcess; readonly isPortTaken: boolean; readonly error: Error };

interface Attempt {
  readonly port: number;
  readonly settings: ServerSettings;
  readonly signal: AbortSignal | undefined;
}

async function tryStart(spec: LocalServerSpec, { port, settings, signal }: Attempt): Promise<Started> {
  signal?.throwIfAborted();
  const logFile = join(spec.dataDir, 'server.log');
  const logBefore = await readLog(logFile);
  const process = await startGuarded({
    ...spec.commandLine(port, settings),
    cwd: spec.dataDir,
    logFile,
    ...(spec.isTemporary ? { removeDir: spec.dataDir } : {}),
  });
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (process.isRunning() && Date.now() < deadline) {
    if (signal?.aborted === true) break;
    if (await spec.isReady(port, process.pid)) return { outcome: 'ready', process };
    await delay(POLL_MS);
  }
  if (signal?.aborted === true) {
    await process.release();
    signal.throwIfAborted();
  }
  const log = (await readLog(logFile)).slice(logBefore.length);
  const what = process.isRunning()
    ? `did not answer on port ${port} in ${READY_TIMEOUT_MS} ms`
    : `ended with code ${await process.untilExit()} before it answered`;
  return {
    outcome: 'failed',
    process,
    isPortTaken: /address already in use|errno: 98\b/i.test(log),
    error: new ServerError('SERVER_FAILED', `${spec.name} ${what}. Its log ends with:\n${tail(log)}`),
  };
}

/** The promise's value, or undefined when it takes longer. */
async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([promise, delay(timeoutMs, undefined, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}

/** Where there is no /proc to ask, the caller's deadline decides. */
async function isStandingStill(pid: number): Promise<boolean> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const states = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8')));
    return states.every((state) => /\) T /.test(state));
  } catch {
    return false; // a thread that ended meanwhile, or no /proc
  }
}

async function readLog(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return ''; // not written yet
  }
}

/** The last lines of a log. */
export function tail(log: string): string {
  return log.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
}
