import { ConfigurationError } from '../config/problem.ts';
import type { Connector } from '../connector/contract.ts';
import { assemble } from '../daemon/assemble.ts';
import { runDaemon } from '../daemon/daemon.ts';
import { examineOperators } from '../daemon/operators.ts';
import { findStoreSources, refuseCycles } from '../daemon/same-server.ts';
import type { DaemonFlow } from '../daemon/daemon-flow.ts';
import { metricsOptionsOf } from '../daemon/flow-options.ts';
import type { FlowReport } from '../daemon/flow-service.ts';
import { openMetrics } from '../daemon/metrics.ts';
import type { RunObserver } from '../flow/contract.ts';
import { runFlow } from '../flow/runner.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { createBinlogSource } from '../source/binlog-source.ts';
import type { Source } from '../source/contract.ts';
import { migrate } from '../store/migrate.ts';
import { openStore, type Store } from '../store/open.ts';
import { exitCode, type Command, type CommandContext } from './command.ts';
import { isRun, readKnownFields } from './known-fields.ts';
import { folderOrNone, loadProjectFiles, requireStoreUrl, type ProjectFiles } from './project.ts';
import { formatCount, formatTable } from './table.ts';

/** Bytes of binlog that may wait for one flow: about seven times that in memory. More does not make it faster. */
const queueBytesMax = 1024 * 1024;

export const run: Command = {
  name: 'run',
  usage: '[--until-current] [--queue-bytes N] [--lease-ttl MS] [--stall-limit MS]',
  summary: 'run the flows; with --until-current, until each has passed the position that its source has now',
  options: {
    'until-current': { type: 'boolean', default: false },
    'queue-bytes': { type: 'string' },
    'lease-ttl': { type: 'string' },
    'stall-limit': { type: 'string' },
  },
  logLevel: 'info',
  async run(context) {
    const project = await loadProjectFiles(context);
    const store = await openStore({ url: requireStoreUrl(project.configuration), logger: context.logger });
    try {
      const dir = await folderOrNone(context.migrations);
      await migrate({ store, logger: context.logger, ...(dir === undefined ? {} : { dir }) });
      const figures = await openMetrics({ ...metricsOptionsOf(project.configuration), logger: context.logger });
      try {
        return await runProject(context, project, { store, observer: figures.metrics });
      } finally {
        await figures.close();
      }
    } finally {
      await store.close();
    }
  },
};

async function runProject(
  context: CommandContext,
  project: ProjectFiles,
  { store, observer }: { readonly store: Store; readonly observer: RunObserver | undefined },
): Promise<number> {
  const { configuration, functions, kinds } = project;
  const sources = openSources(context, configuration);
  const storeSources = await findStoreSources(store, sources, context.stop);
  refuseCycles(configuration, { storeDatabase: store.database, storeSources });
  const known = await readKnownFields(configuration, context.stop);
  const functionNames = new Set(functions.map(({ definition }) => definition.name));
  const problems = examineOperators(configuration, { known, functionNames, runs: isRun });
  if (problems.length > 0) throw new ConfigurationError(problems);
  const { flows, connectors } = assemble({
    configuration,
    functions: functions.map(({ definition }) => definition),
    kinds,
    storeDatabase: store.database,
    storeSources,
    known,
  });
  if (flows.length === 0) {
    throw new CodedError(
      'CONFIG_INVALID',
      `There is no flow to run in ${context.conf}: a flow runs with \`status: 1\` and a \`source\`.`,
    );
  }
  const deadline = armDeadline(context, configuration.global.stop_deadline * 1000);
  try {
    await openConnectors(connectors, context.logger);
    const reports = await runDaemon({
      flows,
      sources,
      store,
      runFlow: observer === undefined ? runFlow : (flow, rows, scope, hooks) => runFlow(flow, rows, scope, { ...hooks, observer }),
      logger: context.logger,
      untilCurrent: context.options['until-current'] === true,
      stallMs: readNumber(context, 'stall-limit', stallLimitMs(flows)),
      leaseTtlMs: readNumber(context, 'lease-ttl', 6000),
      queueBytesMax: readNumber(context, 'queue-bytes', queueBytesMax),
      stop: context.stop,
      abort: deadline.signal,
    });
    return conclude(context, reports, deadline.signal);
  } finally {
    deadline.disarm();
    await Promise.all([...sources.values()].map((source) => source.close()));
    await Promise.all(connectors.map((connector) => connector.close()));
  }
}

/** Opens what answers. A storage that does not answer now holds up the flows that use it, and no other (L4): they try again. */
async function openConnectors(connectors: readonly Connector[], logger: Logger): Promise<void> {
  await Promise.all(connectors.map((connector) => openConnector(connector, logger)));
}

async function openConnector(connector: Connector, logger: Logger): Promise<void> {
  try {
    await connector.open();
  } catch (error) {
    if (!(error instanceof CodedError)) {
      const message = `Connector ${connector.name} cannot be opened: ${describeError(error)}`;
      throw new CodedError('CONNECTOR_FAILED', message, { cause: error, details: { connector: connector.name } });
    }
    if (error.class !== 'retry') throw error;
    logger.warn({ connector: connector.name, code: error.code, error: describeError(error) }, 'connector does not answer');
  }
}

/** The sources that a running flow names. */
function openSources(context: CommandContext, configuration: ProjectFiles['configuration']): ReadonlyMap<string, Source> {
  const used = new Set([...configuration.flows.values()].filter((flow) => flow.status === 1).map((flow) => flow.source?.name));
  const sources = new Map<string, Source>();
  for (const { name, url, server_id: serverId } of configuration.sources.values()) {
    if (used.has(name)) sources.set(name, createBinlogSource({ name, url, serverId, logger: context.logger }));
  }
  return sources;
}

/** Aborts on the second signal, or when a stop takes longer than its deadline (L11). */
function armDeadline(context: CommandContext, ms: number): { readonly signal: AbortSignal; disarm(): void } {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onStop = (): void => {
    context.logger.info({ deadlineMs: ms }, 'stopping');
    timer = setTimeout(() => late.abort(), ms);
  };
  context.stop.addEventListener('abort', onStop, { once: true });
  return {
    signal: AbortSignal.any([late.signal, context.abort]),
    disarm() {
      clearTimeout(timer);
      context.stop.removeEventListener('abort', onStop);
    },
  };
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

/** No function may lawfully hold the main thread for longer than this. */
function stallLimitMs(flows: readonly DaemonFlow[]): number {
  return Math.max(30_000, ...flows.flatMap(({ flow }) => flow.steps.map((step) => 2 * step.timeoutMs)));
}

function readNumber(context: CommandContext, name: string, fallback: number): number {
  const text = context.options[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0)
    throw new CodedError('CONFIG_INVALID', `--${name} takes a whole number, not "${String(text)}".`);
  return value;
}
