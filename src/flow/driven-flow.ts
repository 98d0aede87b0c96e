import { randomUUID } from 'node:crypto';
import { silentLogger, type Logger } from '../lib/logger.ts';
import type { Connector } from '../connector/contract.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { buildFlow, type FlowOptions } from './build.ts';
import type { Flow, FunctionDefinition, RunResult } from './contract.ts';
import { OpenConnectors } from './open-connectors.ts';
import { Registry } from './registry.ts';
import { runFlow } from './runner.ts';
import { StoredState } from './stored-state.ts';

/** What a flow driven by hand runs in. */
export interface DriveOptions {
  readonly logger?: Logger | undefined;
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

  /** The same flow with rows of its own, for another part of the program that commits and runs (KisFlow's Fork). */
  fork(): DrivenFlow {
    return new DrivenFlow(this.flow, this.#options, this.#openConnectors);
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
      logger: this.#options.logger ?? silentLogger,
    };
    const { runInTransaction } = this.#options;
    if (runInTransaction === undefined) return runFlow(this.flow, rows, { ...scope, store: null });
    return runInTransaction(async (store) => {
      // nothing is remembered between runs: another program may have changed it
      const state = new StoredState({ flow: this.name, cache: { entriesMax: 0, bytesMax: 0 } }).begin(store);
      const result = await runFlow(this.flow, rows, { ...scope, store }, { state });
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
  readonly connectors?: readonly Connector[] | undefined;
}

/**
 * Builds a flow from code, ready to commit rows to and to run:
 * `createFlow({name: 'CalStuAvgScore', steps: [{fname: 'AvgStuScore'}], functions: [avgStuScore]})`.
 */
export function createFlow(options: CreateFlowOptions): DrivenFlow {
  const registry = new Registry();
  for (const definition of options.functions ?? []) registry.registerFunction(definition);
  for (const connector of options.connectors ?? []) registry.registerConnector(connector);
  return new DrivenFlow(buildFlow(options, registry), options);
}
