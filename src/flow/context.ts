import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { BatchScope, Connector, ConnectorSession } from '../connector/contract.ts';
import { cacheOf } from './cache.ts';
import type { Action, Flow, FlowContext, FlowStep, FunctionConnector, FunctionMode, FunctionParams, RunHooks } from './contract.ts';
import { handleOf } from './init-connector.ts';
import { MemoryRunState } from './memory-state.ts';
import { metadataOf } from './metadata.ts';
import { StepState, type BatchState, type FlowState } from './state.ts';
import { StepSession } from './step-session.ts';
import { setTrace } from './trace-of.ts';

/** What the steps of one run share. */
export class RunState {
  readonly flow: Flow;
  readonly scope: BatchScope;
  readonly metadata = new Map<string, unknown>();
  /** How many steps have ended: which one is under way. */
  stepsDone = 0;
  readonly #sessions = new Map<Connector, ConnectorSession>();
  readonly #givenState: BatchState | undefined;
  #ownState: MemoryRunState | undefined;

  constructor(flow: Flow, scope: BatchScope, hooks: RunHooks = {}) {
    this.flow = flow;
    this.scope = scope;
    this.#givenState = hooks.state;
  }

  /** The functions' state. */
  get state(): BatchState {
    if (this.#givenState !== undefined) return this.#givenState;
    this.#ownState ??= new MemoryRunState(this.flow);
    return this.#ownState;
  }

  /** The run has ended well: state that nobody else keeps is kept. */
  end(): void {
    this.#ownState?.keep();
  }

  /**
   * The connector's session. In the store's transaction one serves the batch, however many functions name the connector; elsewhere each try
   * of a step has its own, so that a storage can tell what a try does again from what another step does.
   */
  sessionOf(connector: Connector): ConnectorSession {
    if (connector.guarantee !== 'exactly-once') return connector.session({ ...this.scope, step: this.stepsDone });
    const known = this.#sessions.get(connector);
    if (known !== undefined) return known;
    const session = connector.session(this.scope);
    this.#sessions.set(connector, session);
    return session;
  }
}

/** The context of one try of one step. Signal, logger, cache and session are made when the function asks for them: most do not. */
export class StepContext implements FlowContext {
  readonly input: readonly unknown[];
  readonly #run: RunState;
  readonly #step: FlowStep;
  #committed: unknown[] = [];
  #actions: readonly Action[] = [];
  #session: StepSession | undefined;
  #state: StepState | undefined;
  #controller: AbortController | undefined;
  #logger: Logger | undefined;
  #isClosed = false;
  readonly #forwardAbort = (): void => this.#controller?.abort(this.#run.scope.signal.reason);

  constructor(run: RunState, step: FlowStep, input: readonly unknown[]) {
    this.#run = run;
    this.#step = step;
    this.input = input;
    if (run.scope.trace !== undefined) setTrace(this, run.scope.trace);
  }

  get flowName(): string {
    return this.#run.flow.name;
  }

  get functionName(): string {
    return this.#step.fname;
  }

  get functionMode(): FunctionMode {
    return this.#step.mode;
  }

  get params(): FunctionParams {
    return this.#step.params;
  }

  get batchId(): string {
    return this.#run.scope.id;
  }

  get metadata(): Map<string, unknown> {
    return this.#run.metadata;
  }

  get flowMetadata(): Map<string, unknown> {
    return metadataOf(this.#run.flow);
  }

  get functionMetadata(): Map<string, unknown> {
    return metadataOf(this.#step);
  }

  get cache(): FlowContext['cache'] {
    return cacheOf(this.#run.flow);
  }

  get state(): FlowState {
    this.#state ??= new StepState(this.#run.state, this.#step.fname);
    if (this.#isClosed) this.#state.close();
    return this.#state;
  }

  get logger(): Logger {
    this.#logger ??= this.#run.scope.logger.child({ function: this.#step.fname });
    return this.#logger;
  }

  /** Aborts when the batch is stopped, and when the function's time is over. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const outer = this.#run.scope.signal;
      if (this.#isClosed || outer.aborted) this.#controller.abort(outer.reason);
      else outer.addEventListener('abort', this.#forwardAbort, { once: true });
    }
    return this.#controller.signal;
  }

  commitRow(row: unknown): void {
    if (this.#isClosed) throw this.#lateError();
    const serializer = this.#step.definition?.serialize;
    this.#committed.push(serializer?.encode === undefined ? row : serializer.encode(row));
  }

  commitRowBatch(rows: readonly unknown[]): void {
    if (this.#isClosed) throw this.#lateError();
    if (this.#step.definition?.serialize?.encode !== undefined) for (const row of rows) this.commitRow(row);
    else if (this.#committed.length === 0) this.#committed = rows.slice();
    else for (const row of rows) this.#committed.push(row);
  }

  next(...actions: readonly Action[]): void {
    this.#actions = actions;
  }

  param(key: string): string {
    return this.#step.params[key] ?? '';
  }

  getConnector(): FunctionConnector {
    const { connector, connectorOptions, connectorCall } = this.#step;
    if (connector === undefined) throw this.#noConnectorError();
    this.#session ??= new StepSession({
      session: this.#run.sessionOf(connector),
      handle: handleOf(connector, connectorOptions),
      guarantee: connector.guarantee,
      scope: this.#run.scope,
      isRetried: this.#step.retryTimes > 0,
      call: (handle, args) => {
        if (connectorCall === undefined) throw this.#noCallError(connector);
        return connectorCall.call(this, handle, args);
      },
    });
    return this.#session;
  }

  get committed(): readonly unknown[] {
    return this.#committed;
  }

  get actions(): readonly Action[] {
    return this.#actions;
  }

  /** What the function did with its connector; undefined when nothing. */
  get session(): StepSession | undefined {
    return this.#session;
  }

  /** The function has ended well: what it changed in its state holds for the batch. */
  keepState(): void {
    this.#state?.keep();
  }

  /** The step is over: from here on nothing can be committed or written through this context. */
  close(): void {
    this.#isClosed = true;
    this.#session?.close();
    this.#state?.close();
    if (this.#controller !== undefined) this.#run.scope.signal.removeEventListener('abort', this.#forwardAbort);
  }

  /** Ends the step from outside, and tells the function through its signal. */
  abort(reason: Error): void {
    this.close();
    this.#controller?.abort(reason);
  }

  #noConnectorError(): CodedError {
    const message = `Flow ${this.flowName}: function ${this.functionName} has no connector; name one in its option.cname.`;
    return new CodedError('FUNCTION_FAILED', message, { details: { flow: this.flowName, function: this.functionName } });
  }

  #noCallError(connector: Connector): CodedError {
    const message = `Flow ${this.flowName}: no call of connector ${connector.name} is registered for function ${this.functionName} in mode ${this.functionMode}. Register one; \`callsConnector: true\` in the function makes a missing one a mistake at load.`;
    return new CodedError('FUNCTION_FAILED', message, { details: { flow: this.flowName, function: this.functionName } });
  }

  #lateError(): Error {
    return new Error(`Function ${this.functionName} committed a row after it had ended; await what it starts.`);
  }
}
