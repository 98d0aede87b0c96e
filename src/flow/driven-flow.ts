import { randomUUID } from 'node:crypto';
import { defaultLogger } from '../lib/default-logger.ts';
import type { Logger } from '../lib/logger.ts';
import type { Connector, ConnectorOptions } from '../connector/contract.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { CodedError } from '../lib/error.ts';
import { buildFlow, findUnusedRegistrations, type FlowOptions } from './build.ts';
import type { ConnectorCall, ConnectorInit, Flow, FunctionDefinition, RunObserver, RunResult } from './contract.ts';
import { InitConnector } from './init-connector.ts';
import { metadataOf } from './metadata.ts';
import { shareState } from './memory-state.ts';
import { OpenConnectors } from './open-connectors.ts';
import { Registry } from './registry.ts';
import { runFlow } from './runner.ts';
import { StoredState } from './stored-state.ts';

/** What a flow driven by hand runs in. */
export interface DriveOptions {
  /** What functions and kisflow log through; pino to stderr, from info on, when absent. */
  readonly logger?: Logger | undefined;
  /** Told what the runs do: `new FlowMetrics()` counts for Prometheus. */
  readonly observer?: RunObserver | undefined;
  /**
   * Runs `work` in one transaction of the local store: begins it, commits when `work` resolves, rolls back when it rejects.
   * Absent: the flow has no store, and connectors on the local store refuse to work.
   */
  readonly runInTransaction?: (<T>(work: (store: StoreTransaction) => Promise<T>) => Promise<T>) | undefined;
}

/** One run's own options. */
export interface RunOptions {
  /** Equal for runs of the same rows, so that storages outside the store can recognise a repetition; else a fresh one is made. */
  readonly batchId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A flow driven by a program instead of a source: commit rows, then run. Each run takes the rows committed since the last one,
 * and they are gone from here whether it succeeds or not. Several runs may be under way at once.
 */
export class DrivenFlow {
  readonly flow: Flow;
  readonly #options: DriveOptions;
  readonly #openConnectors: OpenConnectors;
  #rows: unknown[] = [];

  /** `openConnectors` is shared by flows that share connectors. */
  constructor(flow: Flow, options: DriveOptions = {}, openConnectors = new OpenConnectors()) {
    this.flow = flow;
    this.#options = options;
    this.#openConnectors = openConnectors;
  }

  get name(): string {
    return this.flow.name;
  }

  /** Adds a row to the next run: an object, or its JSON text. */
  commitRow(row: unknown): void {
    this.#rows.push(row);
  }

  commitRowBatch(rows: readonly unknown[]): void {
    for (const row of rows) this.#rows.push(row);
  }

  /** The flow's own values, which its functions see under the same name. */
  get flowMetadata(): Map<string, unknown> {
    return metadataOf(this.flow);
  }

  /**
   * A new flow of the same functions and parameters, with rows, cache and metadata of its own (KisFlow's Fork). Connectors, which
   * are opened once, are shared; keyed state is too.
   */
  fork(): DrivenFlow {
    const flow = { ...this.flow, steps: this.flow.steps.map((step) => ({ ...step })) };
    shareState(this.flow, flow);
    return new DrivenFlow(flow, this.#options, this.#openConnectors);
  }

  /** Runs the flow over the committed rows. Rejects with a CodedError, see `RunFlow`. */
  async run(options: RunOptions = {}): Promise<RunResult> {
    const rows = this.#rows;
    this.#rows = [];
    if (!this.flow.isEnabled) return { steps: [] };
    for (const step of this.flow.steps) if (step.connector !== undefined) await this.#openConnectors.open(step.connector);
    const scope = {
      id: options.batchId ?? randomUUID(),
      flow: this.name,
      signal: options.signal ?? new AbortController().signal,
      logger: this.#options.logger ?? defaultLogger(),
    };
    const { runInTransaction, observer } = this.#options;
    if (runInTransaction === undefined) return runFlow(this.flow, rows, { ...scope, store: null }, { observer });
    return runInTransaction(async (store) => {
      // nothing is remembered between runs: another program may have changed it
      const state = new StoredState({ flow: this.name, cache: { entriesMax: 0, bytesMax: 0 } }).begin(store);
      const result = await runFlow(this.flow, rows, { ...scope, store }, { state, observer });
      await state.flush();
      return result;
    });
  }

  /** Closes the connectors that runs have opened; a later run opens them again. */
  async close(): Promise<void> {
    await this.#openConnectors.close();
  }
}

/** A flow built from code, with the functions and connectors that its steps name. */
export interface CreateFlowOptions extends FlowOptions, DriveOptions {
  readonly functions?: readonly FunctionDefinition[] | undefined;
  /** Connectors, or what a registered init makes one from. */
  readonly connectors?: readonly (Connector | ConnectorOptions)[] | undefined;
  readonly connectorInits?: readonly ConnectorInit[] | undefined;
  readonly connectorCalls?: readonly ConnectorCall[] | undefined;
}

/**
 * Builds a flow from code, ready to commit rows to and to run:
 * `createFlow({name: 'CalStuAvgScore', steps: [{fname: 'AvgStuScore'}], functions: [avgStuScore]})`.
 * Throws CONFIG_INVALID for names that are missing or given twice.
 */
export function createFlow(options: CreateFlowOptions): DrivenFlow {
  const registry = new Registry();
  for (const definition of options.functions ?? []) registry.registerFunction(definition);
  for (const init of options.connectorInits ?? []) registry.registerConnectorInit(init);
  for (const call of options.connectorCalls ?? []) registry.registerConnectorCall(call);
  for (const connector of options.connectors ?? []) register(registry, connector);
  const connectorNames = new Set(registry.connectors.map(({ name }) => name));
  const problems = findUnusedRegistrations(registry, { connectorNames, functions: options.steps });
  if (problems.length > 0) throw new CodedError('CONFIG_INVALID', `Flow ${options.name}: ${problems.join('; ')}.`);
  return new DrivenFlow(buildFlow(options, registry), options);
}

function register(registry: Registry, connector: Connector | ConnectorOptions): void {
  if ('session' in connector) return registry.registerConnector(connector);
  const init = registry.getConnectorInit(connector.name);
  if (init === undefined) {
    throw new CodedError('CONFIG_INVALID', `The connector ${connector.name} has no init: register one, or give a connector.`);
  }
  registry.registerConnector(new InitConnector(connector, init), connector);
}
