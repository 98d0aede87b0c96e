import type { Configuration } from '../config/configuration.ts';
import { loadConfiguration } from '../config/load.ts';
import type { Connector } from '../connector/contract.ts';
import { makeConnector, type ConnectorKinds } from '../connector/registry.ts';
import { buildFlow } from '../flow/build.ts';
import type { Flow, FunctionDefinition } from '../flow/contract.ts';
import { DrivenFlow, type DriveOptions } from '../flow/driven-flow.ts';
import { loadFunctions } from '../flow/loader.ts';
import { OpenConnectors } from '../flow/open-connectors.ts';
import { Registry } from '../flow/registry.ts';
import { CodedError } from '../lib/error.ts';
import { openStore, type Store } from '../store/open.ts';
import { connectorKinds, connectorsOf, flowOptionsOf } from './flow-options.ts';
import { examineOperators } from './operators.ts';

/**
 * What a project is loaded from. A run of a flow that saves into the local store is a transaction of the configured store, unless
 * `runInTransaction` says otherwise.
 */
export interface ProjectOptions extends DriveOptions {
  /** The configuration directory. */
  readonly conf: string;
  /** The folder of function files, or the functions themselves; `functions` when absent. */
  readonly functions?: string | readonly FunctionDefinition[] | undefined;
  /** What `${NAME}` in the configuration reads; process.env when absent. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Connectors made by the program; each takes the place of the configured one of its name. */
  readonly connectors?: readonly Connector[] | undefined;
  /** Kinds of connector beside the built-in ones, by type name. */
  readonly kinds?: ConnectorKinds | undefined;
}

/** A loaded configuration whose flows a program drives by hand. */
export interface Project {
  readonly flowNames: readonly string[];
  /** The flow of this name, always the same one; throws CONFIG_INVALID when there is none. */
  getFlow(name: string): DrivenFlow;
  /** Closes the store and the connectors that runs have opened. */
  close(): Promise<void>;
}

/**
 * Loads a configuration directory and its functions. A flow's `source` is not read: its rows are those that the program commits.
 * Rejects with CONFIG_INVALID, which lists all mistakes.
 */
export async function loadProject(options: ProjectOptions): Promise<Project> {
  const { functions = 'functions', env = process.env } = options;
  const definitions =
    typeof functions === 'string' ? (await loadFunctions(functions)).map((loaded) => loaded.definition) : functions;
  const registry = new Registry();
  for (const definition of definitions) registry.registerFunction(definition);
  const functionNames = new Set(registry.functionNames);
  const examine = (configuration: Configuration) =>
    examineOperators(configuration, { functionNames, runs: ({ status }) => status === 1 });
  const configuration = await loadConfiguration({ dir: options.conf, env, functionNames, examine });
  registerConnectors(registry, configuration, options);
  for (const flow of buildFlows(registry, configuration)) registry.registerFlow(flow);
  const openConnectors = new OpenConnectors();
  const store = new LazyStore(configuration.global.store?.url, options);
  const driven = new Map(registry.flows.map((flow) => [flow.name, new DrivenFlow(flow, store.optionsFor(flow), openConnectors)]));
  return {
    flowNames: [...driven.keys()],
    getFlow(name) {
      const flow = driven.get(name);
      if (flow === undefined) {
        throw new CodedError(
          'CONFIG_INVALID',
          `There is no flow ${name} in ${options.conf}. Known: ${[...driven.keys()].join(', ')}.`,
        );
      }
      return flow;
    },
    async close() {
      await openConnectors.close();
      await store.close();
    },
  };
}

/** The configured store, opened by the first run that needs it. */
class LazyStore {
  readonly #url: string | undefined;
  readonly #options: DriveOptions;
  #store: Promise<Store> | undefined;

  constructor(url: string | undefined, options: DriveOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** The options, with the store's transactions for a flow that works on the store. */
  optionsFor(flow: Flow): DriveOptions {
    const url = this.#url;
    const isOnStore = flow.steps.some((step) => step.connector?.guarantee === 'exactly-once');
    if (url === undefined || !isOnStore || this.#options.runInTransaction !== undefined) return this.#options;
    return { ...this.#options, runInTransaction: async (work) => (await this.#open(url)).transaction(work) };
  }

  async close(): Promise<void> {
    await (await this.#store)?.close();
    this.#store = undefined;
  }

  async #open(url: string): Promise<Store> {
    const { logger } = this.#options;
    this.#store ??= openStore({ url, ...(logger === undefined ? {} : { logger }) });
    try {
      return await this.#store;
    } catch (error) {
      // The next run tries anew.
      this.#store = undefined;
      throw error;
    }
  }
}

/** Registers the program's connectors, and makes those that an enabled flow needs: others may be of a kind that nobody has. */
function registerConnectors(registry: Registry, configuration: Configuration, options: ProjectOptions): void {
  for (const connector of options.connectors ?? []) registry.registerConnector(connector);
  const kinds: ConnectorKinds = new Map([...connectorKinds, ...(options.kinds ?? [])]);
  const enabled = [...configuration.flows.values()].filter((flow) => flow.status === 1);
  for (const conn of connectorsOf(configuration, enabled)) {
    if (registry.getConnector(conn.name) === undefined) registry.registerConnector(makeConnector(conn, kinds));
  }
}

function buildFlows(registry: Registry, configuration: Configuration): readonly Flow[] {
  return [...configuration.flows.values()].map((spec): Flow =>
    spec.status === 0
      ? { name: spec.flow_name, isEnabled: false, steps: [] }
      : buildFlow(flowOptionsOf(configuration, spec), registry),
  );
}
