/**
 * What function files and programs import as `kisflow`.
 *
 * A function file needs `defineFunction`, the actions and `isChange`. A program builds a flow from code with `createFlow`, or from a
 * configuration directory with `loadProject`, commits rows to it and runs it.
 */
import { loadConfiguration } from './config/load.ts';
import type { Configuration } from './config/configuration.ts';
import type { Connector } from './connector/contract.ts';
import { createMysqlConnector } from './connector/mysql.ts';
import { builtInKinds, makeConnector, type ConnectorKinds, type MakeConnector } from './connector/registry.ts';
import { buildFlow, type FlowOptions } from './flow/build.ts';
import type { Flow, FunctionDefinition } from './flow/contract.ts';
import { DrivenFlow, type DriveOptions } from './flow/driven-flow.ts';
import { loadFunctions } from './flow/loader.ts';
import { OpenConnectors } from './flow/open-connectors.ts';
import { Registry } from './flow/registry.ts';
import { CodedError } from './lib/error.ts';
import { openStore, type Store } from './store/open.ts';

export {
  abort,
  ActionAbort,
  ActionDataReuse,
  ActionForceEntryNext,
  ActionJumpFunc,
  forceNext,
  jump,
  reuse,
} from './flow/actions.ts';
export { defineFunction, type PlainFunction, type PlainRow, type SchemaFunction, type TypedRowSchema } from './flow/define.ts';
export { createFlow, DrivenFlow, type CreateFlowOptions, type DriveOptions, type RunOptions } from './flow/driven-flow.ts';
export { buildFlow, type FlowOptions, type StepOptions } from './flow/build.ts';
export { Registry } from './flow/registry.ts';
export { isChange, makeChange, type Change, type Row, type Value } from './row/change.ts';
export { CodedError, type CodedErrorOptions, type ErrorClass } from './lib/error.ts';
export type { ErrorCode } from './lib/error-codes.ts';
export type { Logger } from './lib/logger.ts';
export { makeMemoryConnector, MemoryConnector } from './connector/memory.ts';
export type { ConnectorKinds, MakeConnector } from './connector/registry.ts';
export type { BatchScope, Connector, ConnectorOptions, ConnectorSession, Guarantee } from './connector/contract.ts';
export { openStore, type OpenStoreOptions, type Store } from './store/open.ts';
export type { StoreResult, StoreTransaction } from './store/contract.ts';
export type {
  Action,
  Flow,
  FlowContext,
  FunctionDefinition,
  FunctionMode,
  FunctionParams,
  RowSchema,
  RunResult,
  StepCount,
} from './flow/contract.ts';

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
  const configuration = await loadConfiguration({ dir: options.conf, env, functionNames: new Set(registry.functionNames) });
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
  const kinds = new Map<string, MakeConnector>([...builtInKinds, ['mysql', createMysqlConnector], ...(options.kinds ?? [])]);
  const enabled = [...configuration.flows.values()].filter((flow) => flow.status === 1);
  for (const { fname } of enabled.flatMap((flow) => flow.flows)) {
    const conn = configuration.conns.get(configuration.funcs.get(fname)?.option.cname ?? '');
    if (conn === undefined || registry.getConnector(conn.cname) !== undefined) continue;
    const { cname: name, type, addrs, key, params } = conn;
    registry.registerConnector(makeConnector({ name, type, addrs, key, params }, kinds));
  }
}

function buildFlows(registry: Registry, configuration: Configuration): readonly Flow[] {
  return [...configuration.flows.values()].map((spec): Flow => {
    if (spec.status === 0) return { name: spec.flow_name, isEnabled: false, steps: [] };
    const steps: FlowOptions['steps'] = spec.flows.map(({ fname, params }) => {
      const func = configuration.funcs.get(fname);
      return {
        fname,
        params,
        mode: func?.fmode,
        must: func?.source.must,
        connector: func?.option.cname,
        defaultParams: func?.option.default_params,
        retryTimes: func?.option.retry_times,
        retryDelayMs: func?.option.return_duration,
        timeoutMs: func?.option.timeout,
      };
    });
    return buildFlow({ name: spec.flow_name, steps }, registry);
  });
}
