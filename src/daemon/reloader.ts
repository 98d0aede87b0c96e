import { deferred, sleep } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { ErrorCode } from '../lib/error-codes.ts';
import type { Logger } from '../lib/logger.ts';
import type { Configuration } from '../config/configuration.ts';
import type { FlowChange } from '../config/flow-change.ts';
import type { Assembly } from './assemble.ts';
import { hashChanges } from './flow-change-record.ts';
import { FolderWatch } from './folder-watch.ts';
import type { LoadedProject, ProjectFiles } from './project-files.ts';
import type { ReloadRecord } from './reload-record.ts';
import type { AssemblyDifference } from './supervisor.ts';

/** What runs at first. */
export interface RunningProject {
  readonly project: LoadedProject;
  readonly changes: readonly FlowChange[];
  readonly assembly: Assembly;
}

export interface ReloaderOptions {
  readonly files: ProjectFiles;
  readonly running: RunningProject;
  /** Operators' changes as the store has them now. */
  readonly readChanges: () => Promise<readonly FlowChange[]>;
  /** Makes an assembly, or rejects with all that is wrong with it. */
  readonly build: (project: LoadedProject, previous: Assembly) => Promise<Assembly>;
  /** Lets it take effect, or rejects and leaves everything as it was. */
  readonly apply: (next: Assembly) => Promise<AssemblyDifference>;
  readonly record: ReloadRecord;
  /** Told after each look that had something to say; `isNew`: a version took effect, or is refused with an error that was not known. */
  readonly onNoted?: ((noted: { readonly isRefused: boolean; readonly isNew: boolean }) => void) | undefined;
  /** Told of a version that has taken effect. */
  readonly onTaken?: ((project: LoadedProject) => void) | undefined;
  readonly logger: Logger;
  /** Files are looked at this often without a hint. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/** After a hint files are left in peace until nothing has happened for this long: editors write in several steps. */
const calmMs = 100;
/** But no longer than this. */
const calmMsMax = 1000;
/** Changes in the store are looked for this often. */
const storePollMs = 500;

/** Errors that lie in what is written: nothing but another change mends them. Others may pass, and are tried again. */
const writtenErrors: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CONFIG_INVALID', 'FLOW_CYCLE', 'FLOW_OWNER_CLASH']);

/**
 * Lets changes of the project's files and of the store take effect in a running daemon.
 *
 *     hint, poll, SIGHUP, store ─► look: same contents? ─► load ─► build ─► apply ─► runs
 *                                            └─► nothing     └───────┴────────┴────► refused, the old version goes on
 *
 * All of the new version is made before any of it runs, and one mistake anywhere refuses all of it. A refused version is tried again
 * only when it is another, unless its error may pass by itself (a server that does not answer, a table that is not there yet).
 */
export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #watch = new FolderWatch(() => this.#hint());
  /** What runs, and what was looked at last: contents of the files and of the store. */
  #runningVersion: string;
  #seenVersion: string;
  #assembly: Assembly;
  #configuration: Configuration;
  #changes: readonly FlowChange[];
  #refusal: CodedError | undefined;
  #hinted = deferred<void>();
  #hintedAt = 0;
  #isForced = false;

  constructor(options: ReloaderOptions) {
    const { project, changes, assembly } = options.running;
    this.#options = options;
    this.#assembly = assembly;
    this.#configuration = project.configuration;
    this.#changes = changes;
    this.#runningVersion = versionOf(project.scan.hash, changes);
    this.#seenVersion = this.#runningVersion;
  }

  /** Looks at once, and tries again what was refused (SIGHUP). */
  force(): void {
    this.#isForced = true;
    this.#hint();
  }

  /** Follows the project until the signal aborts; never rejects for what it finds there. */
  async run(): Promise<void> {
    const { signal, record, logger, pollMs, running } = this.#options;
    await record.begin(hashChanges(this.#changes)).catch((error: unknown) => this.#warn(error));
    await this.#watch.set(running.project.scan.folders);
    let lookedAt = Number.NEGATIVE_INFINITY;
    try {
      while (!signal.aborted) {
        const isDue = performance.now() - lookedAt >= pollMs;
        const hasChanged = await this.#readChanges();
        if (isDue || hasChanged || this.#hintedAt > 0) {
          await this.#calmDown();
          lookedAt = performance.now();
          await this.#look();
        }
        await this.#wait();
      }
    } finally {
      this.#watch.close();
      await record.end().catch((error: unknown) => logger.debug({ error: describeError(error) }, 'reload record not removed'));
    }
  }

  #hint(): void {
    this.#hintedAt = performance.now();
    this.#hinted.resolve();
  }

  async #wait(): Promise<void> {
    const { signal } = this.#options;
    if (this.#hintedAt > 0) return;
    const over = new AbortController();
    const onAbort = (): void => over.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#hinted = deferred();
    await Promise.race([this.#hinted.promise, sleep(storePollMs, over.signal)]);
    signal.removeEventListener('abort', onAbort);
    over.abort();
  }

  async #calmDown(): Promise<void> {
    const until = performance.now() + calmMsMax;
    while (this.#hintedAt > 0 && performance.now() - this.#hintedAt < calmMs && performance.now() < until)
      await sleep(20, this.#options.signal);
    this.#hintedAt = 0;
  }

  /** Whether the changes in the store are others than before. */
  async #readChanges(): Promise<boolean> {
    try {
      const changes = await this.#options.readChanges();
      const hasChanged = hashChanges(changes) !== hashChanges(this.#changes);
      this.#changes = changes;
      return hasChanged;
    } catch (error) {
      this.#options.logger.debug({ error: describeError(error) }, 'changes of flows not read');
      return false;
    }
  }

  async #look(): Promise<void> {
    const { files, signal } = this.#options;
    const scan = await files.scan();
    await this.#watch.set(scan.folders);
    const version = versionOf(scan.hash, this.#changes);
    const refusal = this.#refusal;
    const mayPass = refusal !== undefined && (refusal.class === 'retry' || !writtenErrors.has(refusal.code));
    if (signal.aborted || (version === this.#seenVersion && !mayPass && !this.#isForced)) return;
    this.#isForced = false;
    this.#seenVersion = version;
    if (version === this.#runningVersion) return this.#note(undefined, false);
    try {
      await this.#reload();
    } catch (error) {
      if (signal.aborted) return;
      const coded = error instanceof CodedError ? error : new CodedError('INTERNAL', describeError(error), { cause: error });
      await this.#note(coded, false);
    }
  }

  async #reload(): Promise<void> {
    const { files, build, apply, logger } = this.#options;
    const startedAt = performance.now();
    const changes = this.#changes;
    const project = await files.load(changes);
    refuseOtherStore(this.#configuration, project.configuration);
    const next = await build(project, this.#assembly);
    const difference = await apply(next);
    this.#assembly = next;
    this.#options.onTaken?.(project);
    this.#runningVersion = versionOf(project.scan.hash, changes);
    this.#seenVersion = this.#runningVersion;
    const { added, changed, removed } = difference;
    if (JSON.stringify(project.configuration.global) !== JSON.stringify(this.#configuration.global)) {
      logger.warn({}, 'the global document has changed: that takes effect when the daemon is started again');
    }
    const isNew = added.length + changed.length + removed.length > 0;
    if (isNew) logger.info({ added, changed, removed, ms: Math.round(performance.now() - startedAt) }, 'reloaded');
    await this.#note(undefined, isNew);
  }

  /** Says once what is refused, in the log and in the store. */
  async #note(error: CodedError | undefined, isNew: boolean): Promise<void> {
    const { record, logger } = this.#options;
    const isSaid = error?.message === this.#refusal?.message;
    const hadRefusal = this.#refusal !== undefined;
    this.#refusal = error;
    this.#options.onNoted?.({ isRefused: error !== undefined, isNew: error === undefined ? isNew : !isSaid });
    if (error !== undefined && !isSaid) {
      logger.error({ ...error.details, code: error.code, error: describeError(error) }, 'change refused, the old version goes on');
    }
    if (error === undefined && hadRefusal && !isNew) logger.info({}, 'the refused change was taken back');
    const hash = hashChanges(this.#changes);
    const written = error === undefined ? record.accept(hash, isNew) : record.refuse(hash, error);
    await written.catch((failure: unknown) => this.#warn(failure));
  }

  #warn(failure: unknown): void {
    this.#options.logger.warn({ error: describeError(failure) }, 'reload not noted in the store');
  }
}

function versionOf(filesHash: string, changes: readonly FlowChange[]): string {
  return `${filesHash} ${hashChanges(changes)}`;
}

/** A running daemon keeps its store: its checkpoints are there. */
function refuseOtherStore(before: Configuration, now: Configuration): void {
  if (before.global.store?.url === now.global.store?.url) return;
  throw new CodedError('CONFIG_INVALID', 'The url of the store has changed: restart the daemon to change the store.');
}
