import { checkConnectorTypes } from '../config/connector-types.ts';
import type { Configuration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/problem.ts';
import type { Store } from '../store/open.ts';
import { assemble, type Assembly } from './assemble.ts';
import { connectorKinds } from './flow-options.ts';
import type { LoadedProject } from './project-files.ts';
import { refuseCycles } from './same-server.ts';
import type { SourceSet } from './source-set.ts';

export interface BuildOptions {
  readonly project: LoadedProject;
  readonly store: Store;
  readonly sources: SourceSet;
  /** What runs now; absent at start. */
  readonly previous?: Assembly | undefined;
  readonly signal: AbortSignal;
}

/**
 * Makes what the daemon runs out of a loaded project, and finds all that is wrong with it before anything runs: at start and at
 * each reload. Sources that are not open yet are opened; connectors are made only. Rejects with what `check` says too.
 */
export async function buildAssembly(options: BuildOptions): Promise<Assembly> {
  const { project, store, sources, previous, signal } = options;
  const { configuration, functions, codeHashes } = project;
  requireConnectors(configuration);
  const inUse = new Set(previous?.flows.map(({ sourceName }) => sourceName));
  await sources.ensure(usedSources(configuration), { inUse, signal });
  const storeSources = sources.onStoreServer;
  refuseCycles(configuration, { storeDatabase: store.database, storeSources });
  return assemble({
    configuration,
    functions: functions.map(({ definition }) => definition),
    codeHashes,
    storeDatabase: store.database,
    storeSources,
    previous,
  });
}

/** Rejects with what can be found wrong without a source: what a command looks at before it changes a flow. */
export function checkAssembly(project: LoadedProject, storeDatabase: string): void {
  const { configuration, functions, codeHashes } = project;
  requireConnectors(configuration);
  const definitions = functions.map(({ definition }) => definition);
  assemble({ configuration, functions: definitions, codeHashes, storeDatabase, storeSources: new Set() });
}

function requireConnectors(configuration: Configuration): void {
  const problems = checkConnectorTypes(configuration, connectorKinds.keys());
  if (problems.length > 0) throw new ConfigurationError(problems);
}

/** The sources that a running flow names. */
function usedSources(configuration: Configuration) {
  const used = new Set([...configuration.flows.values()].filter((flow) => flow.status === 1).map((flow) => flow.source?.name));
  return [...configuration.sources.values()].filter(({ name }) => used.has(name));
}
