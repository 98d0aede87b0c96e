/**
 * A flow: an ordered chain of functions over batches of rows, and what a function sees while it runs.
 *
 * The daemon (or a program) gives a `Flow` rows and a batch scope; the runner calls its functions in order. Semantics are
 * KisFlow's: a function that commits no rows ends the run, unless it reuses its input or forces the next function; reuse passes the
 * function's input on and drops what it committed; a jump goes on at the named function with the rows that function received
 * before (an error where it has received none); abort wins over every other action; a disabled flow runs nothing; a function's
 * params are its defaults overlaid by the flow's.
 */
import type { Logger } from '../lib/logger.ts';
import type { BatchScope, Connector, ConnectorOptions, ConnectorSession } from '../connector/contract.ts';
import type { BatchState, FlowState } from './state.ts';

export type FunctionMode = 'Verify' | 'Save' | 'Load' | 'Calculate' | 'Expand';

/** What a function says should happen next. Several may be given together. */
export type Action =
  | { readonly kind: 'reuse' }
  | { readonly kind: 'forceNext' }
  | { readonly kind: 'abort' }
  | { readonly kind: 'jump'; readonly fname: string };

export type FunctionParams = Readonly<Record<string, string>>;

/** The context of one run, as the running function sees it. Nothing of a run lives on the flow itself. */
export interface FlowContext {
  readonly flowName: string;
  readonly functionName: string;
  readonly functionMode: FunctionMode;
  /** The rows this function received, as they came: JSON texts not parsed, no schema applied (`run` receives them parsed). */
  readonly input: readonly unknown[];
  /** The function's parameters: its defaults overlaid by the flow's. */
  readonly params: FunctionParams;
  /** The same when the batch is tried again; in a daemon after a crash too, where the flow has a connector that is not on the store. */
  readonly batchId: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Values kept for the flow's functions between runs; not transactional. `ttlMs` absent: no expiry. */
  readonly cache: { get(key: string): unknown; set(key: string, value: unknown, ttlMs?: number): void };
  /** Values kept for this function between runs, in the batch's own transaction (L1). In a program without a store: in memory, as long as the flow lives. */
  readonly state: FlowState;
  /** Values of this run only, shared by its functions. */
  readonly metadata: Map<string, unknown>;
  /**
   * Values of the flow, and of this function in its place in the flow, shared by all their runs. They last as long as the flow
   * in this process: a fork, a changed flow and the next process begin with none. Not transactional. Runs may be under way at
   * once: between reading a value and setting it there must be no `await`.
   */
  readonly flowMetadata: Map<string, unknown>;
  readonly functionMetadata: Map<string, unknown>;
  /** Hands a row to the next function: an object, or its JSON text. */
  commitRow(row: unknown): void;
  commitRowBatch(rows: readonly unknown[]): void;
  next(...actions: readonly Action[]): void;
  /** One parameter; '' when there is none. */
  param(key: string): string;
  /** The connector of this function, inside the batch. Throws when it has none. The step ends when all its calls have ended. */
  getConnector(): FunctionConnector;
}

/** What a connector's init and calls are given: its part of the configuration, and its own values. */
export interface ConnectorHandle extends ConnectorOptions {
  /** Values of the connector, shared by every flow and function that names it, from its init until it is closed. */
  readonly metadata: Map<string, unknown>;
}

/** A function's connector, inside the batch. */
export interface FunctionConnector extends ConnectorSession, ConnectorHandle {
  /** Runs the call that is registered for this connector, function and mode. */
  call(args?: unknown): Promise<unknown>;
}

/** Opens the connector of this name, instead of the kind that its type names (KisFlow's CaaSInit). */
export interface ConnectorInit {
  readonly connector: string;
  /** Runs once, before the first run of a flow that needs the connector; what it opens is kept in `connector.metadata`. */
  init(connector: ConnectorHandle): void | Promise<void>;
  /** Releases what `init` has opened. */
  close?(connector: ConnectorHandle): void | Promise<void>;
}

/** What `flow.getConnector().call(args)` runs in the function of this name and mode on this connector (KisFlow's CaaS). */
export interface ConnectorCall {
  readonly connector: string;
  readonly function: string;
  readonly mode: FunctionMode;
  call(flow: FlowContext, connector: ConnectorHandle, args: unknown): unknown;
}

/** How a function reads rows and writes them, where JSON texts and objects are not what it wants (KisFlow's Serialize). */
export interface RowSerializer {
  /** A row as it was committed becomes what `must`, the input schema and `run` see. What it throws is ROW_INVALID. */
  decode(row: unknown): unknown;
  /** A row that `run` commits becomes what the next function receives. Absent: it stays what it is. */
  encode?(row: unknown): unknown;
}

/** A function's code, as `defineFunction` takes it. */
export interface FunctionDefinition {
  readonly name: string;
  /** Parses one input row; a zod schema fits. */
  readonly input?: RowSchema | undefined;
  readonly serialize?: RowSerializer | undefined;
  /** Says that `run` uses `flow.getConnector().call`: a call that is not registered is then a mistake at load. */
  readonly callsConnector?: boolean | undefined;
  /** Says that giving it the same rows again changes nothing, so that a flow with it may be read again (see findIncrements). */
  readonly repeatable?: boolean | undefined;
  run(flow: FlowContext, rows: readonly never[]): void | Promise<void>;
}

/** The part of a zod schema that is used (its own interface, so that any zod 3.25+ or 4 instance fits). */
export interface RowSchema {
  safeParse(value: unknown):
    | { readonly success: true; readonly data: unknown }
    | {
        readonly success: false;
        readonly error: { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] };
      };
}

/**
 * What a Load function without code does with a row that it finds nothing for: passes it on as it is (`null`), makes it a bad row
 * (`dead-row`), or has the batch tried again until it finds something or `waitMs` have passed, and makes it a bad row then (`wait`).
 */
export interface MissingPolicy {
  readonly kind: 'null' | 'wait' | 'dead-row';
  readonly waitMs: number;
}

/** Which fields of its rows an operator cannot do without; `all`: it keeps whole rows, or compares them. */
export interface OperatorReads {
  readonly fields: readonly string[] | 'all';
  /** Only of rows of this table; undefined: of all. */
  readonly table: string | undefined;
}

/** One function in its place in a flow. */
export interface FlowStep {
  readonly fname: string;
  readonly mode: FunctionMode;
  /** Absent: the connector's own save or load runs. */
  readonly definition: FunctionDefinition | undefined;
  readonly connector: Connector | undefined;
  /** What calls of the connector are given; absent: its name and type. */
  readonly connectorOptions?: ConnectorOptions | undefined;
  readonly connectorCall?: ConnectorCall | undefined;
  readonly params: FunctionParams;
  /** Fields that every input row must have. */
  readonly must: readonly string[];
  /** Further tries when the function throws, or a storage outside the store fails for a while; never after an error of the store. */
  readonly retryTimes: number;
  /** Before the first further try; doubled for each one after it. */
  readonly retryDelayMs: number;
  /** For one try, kept to a tenth. 0: no limit. */
  readonly timeoutMs: number;
  /** Absent: `null`. */
  readonly missing?: MissingPolicy | undefined;
  /** What an operator reads of its rows; absent: the step is none. */
  readonly reads?: OperatorReads | undefined;
  /** Of an operator: what it is called, and whether it keeps something from batch to batch. */
  readonly operator?: { readonly kind: string; readonly keepsState: boolean } | undefined;
  /** The configuration says that giving it the same rows again changes nothing. */
  readonly isRepeatable?: boolean | undefined;
}

/** A flow ready to run: data only, shared by all its runs. */
export interface Flow {
  readonly name: string;
  /** KisFlow's flow_id, a label of its metrics. */
  readonly id?: string | undefined;
  readonly isEnabled: boolean;
  /**
   * Whether its functions cope with rows that lack columns because the source's binlog_row_image is not FULL, and an insert may take its
   * computed table's defaults for those that it lacks. Absent: full: the run rejects with SOURCE_ROW_IMAGE (stop) instead.
   */
  readonly rowImage?: 'full' | 'partial' | undefined;
  readonly steps: readonly FlowStep[];
}

/** Rows in and out of one step of a run. */
export interface StepCount {
  readonly fname: string;
  readonly rowsIn: number;
  readonly rowsOut: number;
}

export interface RunResult {
  readonly steps: readonly StepCount[];
}

/**
 * Runs the flow once over these rows. Rejects with a CodedError: FUNCTION_FAILED (class stop, or that of a CodedError among its
 * causes), FUNCTION_TIMEOUT, FUNCTION_JUMP, SOURCE_ROW_IMAGE (class stop), ROW_INVALID (class row, as a BadRowsError that names its rows), STOP_DEADLINE or the abort reason when the
 * scope's signal aborts, or what a connector rejected with. After a rejection nothing of this run writes any more.
 */
export type RunFlow = (flow: Flow, rows: readonly unknown[], scope: BatchScope, hooks?: RunHooks) => Promise<RunResult>;

export interface RunHooks {
  /** Called right before the step at this index of `flow.steps` starts. */
  readonly onStep?: (index: number) => void;
  /** Told what the run does, for figures; none costs nothing. */
  readonly observer?: RunObserver | undefined;
  /** Some rows may be partial (see row/partial-row.ts); absent: none is. */
  readonly hasPartialRows?: boolean | undefined;
  /** The functions' state; who gives it keeps it when the batch commits. Absent: in memory. */
  readonly state?: BatchState;
}

/**
 * Is told of each run and of each function called in it. A run or a function that fails has begun and does not end. What it does is
 * part of the run: it neither waits nor throws.
 */
export interface RunObserver {
  /** An enabled flow was given so many rows. */
  runBegan(flow: Flow, rows: number): void;
  /** A function is called; not said again when it is tried again. */
  stepBegan(flow: Flow, step: FlowStep): void;
  /** A function has failed and is tried again. */
  stepRetried?(flow: Flow, step: FlowStep, error: unknown): void;
  /** A function has ended well, so many milliseconds after it was called, its further tries included. */
  stepEnded(flow: Flow, step: FlowStep, ms: number, count: StepCount): void;
  /** The run has ended well. */
  runEnded(flow: Flow, ms: number): void;
}
