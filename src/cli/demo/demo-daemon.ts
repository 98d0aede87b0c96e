import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startGuarded, type GuardedProcess } from '../../embedded/guarded-process.ts';
import { DemoProblem } from './problem.ts';
import { demoDir, mainFile, type Stage } from './stage.ts';

const logLinesShown = 15;

/** What `kisflow run` is given to run the demo's flows. */
const demoFolders = [
  '--conf',
  join(demoDir, 'conf'),
  '--functions',
  join(demoDir, 'functions'),
  '--migrations',
  join(demoDir, 'migrations'),
];

/** `kisflow run` as a process of its own, which does not outlive the demo. */
export class DemoDaemon {
  readonly #process: GuardedProcess;
  readonly #logFile: string;
  #isExpectedToEnd = false;

  private constructor(process: GuardedProcess, logFile: string) {
    this.#process = process;
    this.#logFile = logFile;
  }

  /** `folder` holds the log; it goes when the demo ends, however that ends. */
  static async start(stage: Stage, folder: string): Promise<DemoDaemon> {
    const logFile = join(folder, 'kisflow.log');
    const variables = Object.entries(stage.env).map(([name, value]) => `${name}=${value}`);
    const process_ = await startGuarded({
      command: 'env',
      args: [...variables, process.execPath, mainFile, 'run', ...demoFolders],
      cwd: demoDir,
      logFile,
      removeDir: folder,
    });
    return new DemoDaemon(process_, logFile);
  }

  get pid(): number {
    return this.#process.pid;
  }

  isRunning(): boolean {
    return this.#process.isRunning();
  }

  /** kill -9: it can do nothing about it. */
  async kill(): Promise<void> {
    this.#isExpectedToEnd = true;
    this.#process.signal('SIGKILL');
    await this.#process.untilExit();
  }

  /** Asks it to stop; gives its exit code. */
  async stop(): Promise<number> {
    this.#isExpectedToEnd = true;
    this.#process.signal('SIGTERM');
    return this.#process.untilExit();
  }

  /** Ends whatever still runs, and removes the folder. */
  async release(): Promise<void> {
    await this.#process.release();
  }

  /** What there is to say when it has ended by itself. */
  async findProblem(): Promise<DemoProblem | undefined> {
    if (this.#process.isRunning() || this.#isExpectedToEnd) return undefined;
    const code = await this.#process.untilExit();
    const log = (await readFile(this.#logFile, 'utf8')).trimEnd().split('\n').slice(-logLinesShown).join('\n');
    return new DemoProblem(`kisflow run ended by itself with code ${code}. Its log ends with:\n${log}`);
  }
}
