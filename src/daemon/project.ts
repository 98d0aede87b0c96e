import assert from 'node:assert/strict';
import type { Configuration } from '../config/configuration.ts';
import { exportFlow, writeExport, type FlowExport } from '../config/export.ts';
import { loadConfiguration } from '../config/load.ts';
import type { ProgramDocument } from '../config/program-document.ts';
import type { Connector } from '../connector/contract.ts';
import { makeConnector, type ConnectorKinds } from '../connector/registry.ts';
import { buildFlow, findUnusedRegistrations } from '../flow/build.ts';
import type { ConnectorCall, ConnectorInit, Flow, FunctionDefinition } from '../flow/contract.ts';
import { DrivenFlow, type DriveOptions } from '../flow/driven-flow.ts';
import type { FlowMetrics } from '../flow/flow-metrics.ts';
import { InitConnector } from '../flow/init-connector.ts';
import { loadFunctions } from '../flow/loader.ts';
import { OpenConnectors } from '../flow/open-connectors.ts';
import { Registry } from '../flow/registry.ts';
import { CodedError } from '../lib/error.ts';
import { openStore, type Store } from '../store/open.ts';
import { connectorKinds, connectorsOf, flowOptionsOf, loadKinds, metricsOptionsOf } from './flow-options.ts';
import { openMetrics } from './metrics.ts';
import { examineOperators } from './operators.ts';

/**
 * What a project is loaded from. A run of a flow that saves into the local store is a transaction of the configured store, unless
 * `runInTransaction` says otherwise. Runs are counted as the global document says.
 */
export interface ProjectOptions extends Omit<DriveOptions, 'observer'> {
  /** The configuration directory; absent: there are only the documents. */
  readonly conf?: string | undefined;
  /** Documents of the configuration from code, with the keys of the YAML, beside those of the directory. */
  readonly documents?: readonly ProgramDocument[] | undefined;
  /** The folder of function files, or functions and folders; `functions` when absent. */
  readonly functions?: string | readonly (FunctionDefinition | string)[] | undefined;
  /** What `${NAME}` in the configuration reads; process.env when absent. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Connectors made by the program; each takes the place of the configured one of its name. */
  readonly connectors?: readonly Connector[] | undefined;
  /** How the program opens configured connectors itself, whatever their type. */
  readonly connectorInits?: readonly ConnectorInit[] | undefined;
  /** What functions' calls of configured connectors do. */
  readonly connectorCalls?: readonly ConnectorCall[] | undefined;
  /** Kinds of connector beside the built-in ones: by type name, or the folder of their files. */
  readonly kinds?: ConnectorKinds | string | undefined;
}

/** A loaded configuration whose flows a program drives by hand. */
export interface Project {
  readonly flowNames: readonly string[];
  /** Counts the runs, with `prometheus_enable`; with `prometheus_listen` it is served at `prometheus_serve` until `close`. */
  readonly metrics: FlowMetrics | undefined;
  /** Where the metrics are served: `http://host:port/metrics`. */
  readonly metricsUrl: string | undefined;
  /** The flow of this name, always the same one; throws CONFIG_INVALID when there is none. */
  getFlow(name: string): DrivenFlow;
  /**
   * Writes the flow's part of the configuration into a folder: `flow-NAME.yaml`, `func-NAME.yaml`, `conn-NAME.yaml` and what else it
   * names. Secrets become variables, which are returned.
   */
  exportFlow(name: string, dir: string): Promise<FlowExport>;
  /** Closes the store, the connectors that runs have opened, and the metrics' port. */
  close(): Promise<void>;
}

/**
 * Loads a configuration (a directory, documents from code, or both) and its functions. A flow's `source` is not read: its rows are those that the program commits.
 * Rejects with CONFIG_INVALID, which lists all mistakes.
 */
export async function loadProject(options: ProjectOptions): Promise<Project> {
  const { functions = 'functions', env = process.env } = options;
  const registry = new Registry();
  for (const one of typeof functions === 'string' ? [functions] : functions) {
    const definitions = typeof one === 'string' ? (await loadFunctions(one)).map((loaded) => loaded.definition) : [one];
    for (const definition of definitions) registry.registerFunction(definition);
  }
  const functionNames = new Set(registry.functionNames);
  const configuration = await loadConfiguration({
    dir: options.conf,
    documents: options.documents,
    env,
    functionNames,
    examine: (loaded) => examineOperators(loaded, { functionNames, runs: ({ status }) => status === 1 }),
  });
  await registerConnectors(registry, configuration, options);
  for (const flow of buildFlows(registry, configuration)) registry.registerFlow(flow);
  const openConnectors = new OpenConnectors();
  const figures = await openMetrics({ ...metricsOptionsOf(configuration), logger: options.logger });
  const drive: DriveOptions = { ...options, observer: figures.metrics };
  const store = new LazyStore(configuration.global.store?.url, drive);
  const driven = new Map(registry.flows.map((flow) => [flow.name, new DrivenFlow(flow, store.optionsFor(flow), openConnectors)]));
  const getFlow = (name: string): DrivenFlow => {
    const flow = driven.get(name);
    if (flow !== undefined) return flow;
    const place = options.conf ?? 'the documents';
    throw new CodedError('CONFIG_INVALID', `There is no flow ${name} in ${place}. Known: ${[...driven.keys()].join(', ')}.`);
  };
  return {
    flowNames: [...driven.keys()],
    metrics: figures.metrics,
    metricsUrl: figures.url,
    getFlow,
    async exportFlow(name, dir) {
      const exported = exportFlow(configuration, getFlow(name).name);
      assert(exported !== undefined);
      await writeExport(exported, dir);
      return exported;
    },
    async close() {
      await figures.close();
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
async function registerConnectors(registry: Registry, configuration: Configuration, options: ProjectOptions): Promise<void> {
  for (const connector of options.connectors ?? []) registry.registerConnector(connector);
  for (const init of options.connectorInits ?? []) registry.registerConnectorInit(init);
  for (const call of options.connectorCalls ?? []) registry.registerConnectorCall(call);
  const problems = findUnusedRegistrations(registry, {
    connectorNames: new Set([...configuration.conns.keys(), ...registry.connectors.map(({ name }) => name)]),
    functions: [...configuration.funcs.values()].map(({ fname, fmode, option }) => ({
      fname,
      mode: fmode,
      connector: option.cname,
    })),
  });
  if (problems.length > 0) throw new CodedError('CONFIG_INVALID', problems.map((problem) => `${problem}.`).join('\n'));
  const kinds: ConnectorKinds =
    typeof options.kinds === 'string' ? await loadKinds(options.kinds) : new Map([...connectorKinds, ...(options.kinds ?? [])]);
  const enabled = [...configuration.flows.values()].filter((flow) => flow.status === 1);
  for (const conn of connectorsOf(configuration, enabled)) {
    if (registry.getConnector(conn.name) !== undefined) continue;
    const init = registry.getConnectorInit(conn.name);
    registry.registerConnector(init === undefined ? makeConnector(conn, kinds) : new InitConnector(conn, init), conn);
  }
}

function buildFlows(registry: Registry, configuration: Configuration): readonly Flow[] {
  return [...configuration.flows.values()].map((spec): Flow =>
    spec.status === 0
      ? { name: spec.flow_name, isEnabled: false, steps: [] }
      : buildFlow(flowOptionsOf(configuration, spec), registry),
  );
}
