import { checkConnectorTypes } from '../config/connector-types.ts';
import type { Configuration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/problem.ts';
import type { FlowSpec } from '../config/spec.ts';
import type { Store } from '../store/open.ts';
import { assemble, type Assembly } from './assemble.ts';
import { examineOperators, type KnownFields } from './operators.ts';
import type { LoadedProject } from './project-files.ts';
import { refuseCycles } from './same-server.ts';
import type { SourceSet } from './source-set.ts';

/** Asks source and store for the columns that operators work with. */
export type ReadKnown = (configuration: Configuration, signal: AbortSignal) => Promise<KnownFields>;

export interface BuildOptions {
  readonly project: LoadedProject;
  readonly store: Store;
  readonly sources: SourceSet;
  /** What runs now; absent at start. */
  readonly previous?: Assembly | undefined;
  readonly readKnown: ReadKnown;
  readonly signal: AbortSignal;
}

/**
 * Makes what the daemon runs out of a loaded project, and finds all that is wrong with it before anything runs: at start and at
 * each reload. Sources that are not open yet are opened; connectors are made only. Rejects with what `check` says too.
 */
export async function buildAssembly(options: BuildOptions): Promise<Assembly> {
  const { project, store, sources, previous, signal } = options;
  const { configuration } = project;
  requireConnectors(project);
  const inUse = new Set(previous?.flows.map(({ sourceName }) => sourceName));
  await sources.ensure(usedSources(configuration), { inUse, signal });
  const storeSources = sources.onStoreServer;
  refuseCycles(configuration, { storeDatabase: store.database, storeSources });
  const known = await options.readKnown(configuration, signal);
  requireOperators(project, known);
  return assemble({ ...partsOf(project), storeDatabase: store.database, storeSources, known, previous });
}

/** Throws what can be found wrong before anything is opened: what a command looks at before it changes a flow. */
export function checkAssembly(
  project: LoadedProject,
  options: { readonly storeDatabase: string; readonly known: KnownFields },
): void {
  requireConnectors(project);
  requireOperators(project, options.known);
  assemble({ ...partsOf(project), ...options, storeSources: new Set() });
}

function partsOf({ configuration, functions, codeHashes, kinds }: LoadedProject) {
  return { configuration, codeHashes, kinds, functions: functions.map(({ definition }) => definition) };
}

function requireConnectors({ configuration, kinds }: LoadedProject): void {
  const problems = checkConnectorTypes(configuration, kinds.keys());
  if (problems.length > 0) throw new ConfigurationError(problems);
}

function requireOperators({ configuration, functions }: LoadedProject, known: KnownFields): void {
  const functionNames = new Set(functions.map(({ definition }) => definition.name));
  const problems = examineOperators(configuration, { known, functionNames, runs: isRun });
  if (problems.length > 0) throw new ConfigurationError(problems);
}

/** Whether the daemon runs the flow. */
function isRun(flow: FlowSpec): boolean {
  return flow.status === 1 && flow.source !== undefined;
}

/** The sources that a running flow names. */
function usedSources(configuration: Configuration) {
  const used = new Set([...configuration.flows.values()].filter((flow) => flow.status === 1).map((flow) => flow.source?.name));
  return [...configuration.sources.values()].filter(({ name }) => used.has(name));
}
