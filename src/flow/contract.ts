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
import type { BatchScope, Connector, ConnectorSession } from '../connector/contract.ts';
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
  /** The rows this function received, as they came: JSON texts not parsed, no schema applied (`run` receives them parsed). */
  readonly input: readonly unknown[];
  /** The function's parameters: its defaults overlaid by the flow's. */
  readonly params: FunctionParams;
  /** Deterministic: the same rows from the same position have the same id. */
  readonly batchId: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Values kept for the flow's functions between runs; not transactional. `ttlMs` absent: no expiry. */
  readonly cache: { get(key: string): unknown; set(key: string, value: unknown, ttlMs?: number): void };
  /** Values kept for this function between runs, in the batch's own transaction (L1). In a program without a store: in memory, as long as the flow lives. */
  readonly state: FlowState;
  /** Values of this run only, shared by its functions. */
  readonly metadata: Map<string, unknown>;
  /** Hands a row to the next function: an object, or its JSON text. */
  commitRow(row: unknown): void;
  commitRowBatch(rows: readonly unknown[]): void;
  next(...actions: readonly Action[]): void;
  /** One parameter; '' when there is none. */
  param(key: string): string;
  /** The connector of this function, inside the batch. Throws when it has none. The step ends when all its calls have ended. */
  getConnector(): ConnectorSession;
}

/** A function's code, as `defineFunction` takes it. */
export interface FunctionDefinition {
  readonly name: string;
  /** Parses one input row; a zod schema fits. */
  readonly input?: RowSchema | undefined;
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

/** One function in its place in a flow. */
export interface FlowStep {
  readonly fname: string;
  readonly mode: FunctionMode;
  /** Absent: the connector's own save or load runs. */
  readonly definition: FunctionDefinition | undefined;
  readonly connector: Connector | undefined;
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
}

/** A flow ready to run: data only, shared by all its runs. */
export interface Flow {
  readonly name: string;
  readonly isEnabled: boolean;
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
 * causes), FUNCTION_TIMEOUT, FUNCTION_JUMP (class stop), ROW_INVALID (class row, as a BadRowsError that names its rows), STOP_DEADLINE or the abort reason when the
 * scope's signal aborts, or what a connector rejected with. After a rejection nothing of this run writes any more.
 */
export type RunFlow = (flow: Flow, rows: readonly unknown[], scope: BatchScope, hooks?: RunHooks) => Promise<RunResult>;

export interface RunHooks {
  /** Called right before the step at this index of `flow.steps` starts. */
  readonly onStep?: (index: number) => void;
  /** The functions' state; who gives it keeps it when the batch commits. Absent: in memory. */
  readonly state?: BatchState;
}
