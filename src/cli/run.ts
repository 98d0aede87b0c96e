import type { FlowChange } from '../config/flow-change.ts';
import type { Assembly } from '../daemon/assemble.ts';
import { buildAssembly } from '../daemon/build-assembly.ts';
import { runDaemon, type DaemonControl } from '../daemon/daemon.ts';
import { readFlowChanges } from '../daemon/flow-change-record.ts';
import { metricsOptionsOf } from '../daemon/flow-options.ts';
import type { FlowReport } from '../daemon/flow-report.ts';
import { openMetrics } from '../daemon/metrics.ts';
import { ProjectFiles, type LoadedProject } from '../daemon/project-files.ts';
import { ReloadRecord } from '../daemon/reload-record.ts';
import { Reloader } from '../daemon/reloader.ts';
import { SourceSet } from '../daemon/source-set.ts';
import { unlessAborted } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { keepHeapSmall } from '../lib/small-heap.ts';
import { migrate } from '../store/migrate.ts';
import { openStore, type Store } from '../store/open.ts';
import { exitCode, UsageError, type Command, type CommandContext } from './command.ts';
import { readKnownFields } from './known-fields.ts';
import { folderOrNone, requireStoreUrl } from './project.ts';
import { serveDaemon, type DaemonServer } from './run/serve-daemon.ts';
import { beginStart, overdueError, type Start } from './run/start.ts';
import { watchFlows, type Watching } from './run/watching.ts';
import { formatCount, formatTable } from './table.ts';

/** Bytes of binlog that may wait for one flow: about seven times that in memory. More does not make it faster. */
const queueBytesMax = 1024 * 1024;

/** How often the project's files are looked at when the system says nothing of them. */
const filePollMs = 5000;

export const run: Command = {
  usage: '[--until-current] [--queue-bytes N] [--lease-ttl MS] [--stall-limit MS]',
  options: {
    'until-current': { type: 'boolean', default: false },
    'queue-bytes': { type: 'string' },
    'lease-ttl': { type: 'string' },
    'stall-limit': { type: 'string' },
  },
  logLevel: 'info',
  async run(context) {
    const files = new ProjectFiles(context);
    let start: Start | undefined;
    try {
      // a function's module may wait for something, and cannot be interrupted
      const written = await unlessAborted(files.load(), context.stop, givenUp);
      start = beginStart(context, written.configuration.global.stop_deadline * 1000);
      const running = runOpened(context, { files, written, start });
      return await unlessAborted(running, start.overdue, overdueError);
    } catch (error) {
      if (start?.isOver === true || !context.stop.aborted) throw error;
      context.logger.info({ reason: describeError(error) }, 'stopped while it started');
      return start?.abort.aborted === true ? exitCode.failed : exitCode.done;
    } finally {
      start?.end();
    }
  },
};

/** What is at hand before the store is open. */
interface LoadedFiles {
  readonly files: ProjectFiles;
  readonly written: LoadedProject;
  readonly start: Start;
}

async function runOpened(context: CommandContext, loaded: LoadedFiles): Promise<number> {
  const { start, written } = loaded;
  const store = await openStore({ url: requireStoreUrl(written.configuration), logger: context.logger, signal: context.stop });
  // whoever waits for an answer then gets an error: it may be one that never comes
  const drop = (): void => void store.close();
  start.abort.addEventListener('abort', drop, { once: true });
  try {
    return await runFiles(context, { ...loaded, store });
  } finally {
    start.abort.removeEventListener('abort', drop);
    await store.close();
  }
}

interface OpenedFiles extends LoadedFiles {
  readonly store: Store;
}

async function runFiles(context: CommandContext, { files, written, store, start }: OpenedFiles): Promise<number> {
  const dir = await folderOrNone(context.migrations);
  await migrate({ store, logger: context.logger, signal: context.stop, ...(dir === undefined ? {} : { dir }) });
  const changes = (await unlessAborted(readFlowChanges(store), context.stop, givenUp)).map(({ change }) => change);
  const project = changes.length === 0 ? written : await unlessAborted(files.load(changes), context.stop, givenUp);
  const figures = await openMetrics({ ...metricsOptionsOf(project.configuration), logger: context.logger });
  try {
    // one that ends by itself may run beside a daemon, which has the address
    const isServed = context.options['until-current'] !== true;
    const { metrics } = figures;
    const served = await serveDaemon({ isServed, project, readKnown: readKnownFields, metrics, logger: context.logger });
    const watching = await watchFlows(metrics, context);
    try {
      return await runProject(context, { files, store, project, changes, served, watching, start });
    } finally {
      await watching.close();
      await served.close();
    }
  } finally {
    await figures.close();
  }
}

function givenUp(): CodedError {
  return new CodedError('STOP_DEADLINE', 'The start was given up.');
}

interface OpenedProject {
  readonly start: Start;
  readonly files: ProjectFiles;
  readonly store: Store;
  readonly project: LoadedProject;
  readonly changes: readonly FlowChange[];
  readonly watching: Watching;
  readonly served: DaemonServer;
}

async function runProject(context: CommandContext, opened: OpenedProject): Promise<number> {
  const { project, store, changes, watching, start } = opened;
  const sources = new SourceSet({ store, logger: context.logger });
  const untilCurrent = context.options['until-current'] === true;
  try {
    const building = buildAssembly({ project, store, sources, readKnown: readKnownFields, signal: context.stop });
    const assembly = await unlessAborted(building, context.stop, givenUp);
    // switched off by command, all of them may be: the daemon then waits for one to be switched on
    if (assembly.flows.length === 0 && (untilCurrent || changes.length === 0)) {
      throw new CodedError(
        'CONFIG_INVALID',
        `There is no flow to run in ${context.conf}: a flow runs with \`status: 1\` and a \`source\`.`,
      );
    }
    start.pass();
    // not before: what is loaded stays, and collecting it again and again is a tenth of what a start costs
    keepHeapSmall();
    const reports = await runDaemon({
      assembly,
      sources,
      store,
      runFlow: watching.runFlow,
      observer: watching.observer,
      onStarted: (daemon) => {
        watching.metrics?.watch(daemon);
        opened.served.watch(daemon);
      },
      logger: context.logger,
      untilCurrent,
      stallMs: context.options['stall-limit'] === undefined ? undefined : readNumber(context, 'stall-limit', 0),
      leaseTtlMs: readNumber(context, 'lease-ttl', 6000),
      queueBytesMax: readNumber(context, 'queue-bytes', queueBytesMax),
      follow: untilCurrent ? undefined : (control) => followProject(context, { ...opened, assembly, sources }, control),
      stop: context.stop,
      abort: start.abort,
    });
    return conclude(context, reports, start.abort);
  } finally {
    await sources.close();
  }
}

/** Lets changes of the files and of the store take effect while the daemon runs; SIGHUP makes it look at once. */
async function followProject(
  context: CommandContext,
  opened: OpenedProject & { readonly assembly: Assembly; readonly sources: SourceSet },
  { apply, holder, signal }: DaemonControl,
): Promise<void> {
  const { files, store, sources, project, changes, assembly } = opened;
  const reloader = new Reloader({
    files,
    running: { project, changes, assembly },
    readChanges: async () => (await readFlowChanges(store)).map(({ change }) => change),
    build: (next, previous) => buildAssembly({ project: next, store, sources, previous, readKnown: readKnownFields, signal }),
    apply,
    record: new ReloadRecord({ store, holder }),
    onTaken: (taken) => opened.served.follow(taken),
    onNoted: (noted) => opened.watching.metrics?.noteReload(noted),
    logger: context.logger,
    pollMs: filePollMs,
    signal,
  });
  const onHangUp = (): void => reloader.force();
  process.on('SIGHUP', onHangUp);
  try {
    await reloader.run();
  } finally {
    process.off('SIGHUP', onHangUp);
  }
}

function conclude(context: CommandContext, reports: readonly FlowReport[], aborted: AbortSignal): number {
  const failed = reports.filter((report) => report.state === 'failed');
  if (context.json) {
    context.print(
      JSON.stringify({
        flows: reports.map(({ error, ...rest }) => ({ ...rest, error: error?.message ?? null, code: error?.code ?? null })),
      }),
    );
  } else if (context.options['until-current'] === true) {
    const rows = reports.map((report) => [
      report.name,
      report.state,
      formatCount(report.committed),
      formatCount(report.filtered),
      formatCount(report.dead),
      report.error?.code ?? '',
    ]);
    context.print(
      formatTable(
        [
          { title: 'flow' },
          { title: 'state' },
          { title: 'changes', isNumber: true },
          { title: 'filtered', isNumber: true },
          { title: 'dead', isNumber: true },
          { title: 'error' },
        ],
        rows,
      ),
    );
  }
  if (aborted.aborted) {
    context.logger.error(
      { code: 'STOP_DEADLINE' },
      'stopped before everything was committed; the next start goes on from the last checkpoint',
    );
    return exitCode.failed;
  }
  context.logger.info({ flows: reports.length, failed: failed.length }, 'stopped');
  return failed.length > 0 ? exitCode.failed : exitCode.done;
}

function readNumber(context: CommandContext, name: string, fallback: number): number {
  const text = context.options[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) throw new UsageError(`--${name} takes a whole number, not "${String(text)}".`);
  return value;
}
