import { sleep } from '../lib/abort.ts';
import type { CodedError } from '../lib/error.ts';
import type { BatchScope } from '../connector/contract.ts';
import { combineActions } from './actions.ts';
import { RunState, StepContext } from './context.ts';
import type { Flow, FlowStep, FunctionDefinition, RunFlow, RunHooks, RunObserver, RunResult, StepCount } from './contract.ts';
import { callWithin } from './guard.ts';
import { prepareRows } from './input-rows.ts';
import { explainBadRows, refusePartial } from './partial-rows.ts';
import { runConnectorStep } from './step-connector.ts';
import { isStepRetry, jumpError, stepError, stoppedError, timeoutError, type StepPlace } from './step-error.ts';
import { waitFor } from './wait-for.ts';

const jumpsMax = 1000;

/** Runs the flow once over these rows; see contract.ts. Runs share nothing but the flow's cache, so many may run at once. */
export const runFlow: RunFlow = async (flow, rows, scope, hooks) =>
  flow.isEnabled ? new Run({ flow, rows, scope, hooks }).finish() : { steps: [] };

/** A step with code. */
type CodeStep = FlowStep & { readonly definition: FunctionDefinition };

/** One try of one function, as far as it has come. */
interface Attempt {
  readonly step: CodeStep;
  readonly context: StepContext;
  readonly rows: readonly unknown[];
  readonly startedAt: number;
  /** returned: over unless its connector has work left; waiting: its promise; failed: what it threw. */
  outcome:
    | { readonly kind: 'returned' }
    | { readonly kind: 'waiting'; readonly promise: PromiseLike<void> }
    | { readonly kind: 'failed'; readonly error: unknown };
}

/**
 * One run: a place in the flow and the rows that each step received. Functions that return synchronously follow one another
 * inside one guarded call, without an await between them; whatever has to be waited for is waited for outside of it.
 */
class Run {
  readonly #state: RunState;
  readonly #steps: readonly FlowStep[];
  readonly #onStep: RunHooks['onStep'];
  readonly #observer: RunObserver | undefined;
  readonly #hasPartialRows: boolean;
  /** What each step received last; a jump goes back to it. */
  readonly #inputs: (readonly unknown[] | undefined)[];
  readonly #counts: StepCount[] = [];
  #at = 0;
  #jumps = 0;
  /** When the step under way began; kept for the observer only. */
  #stepBeganAt = 0;
  /** What the guarded call is at: named when it has to be interrupted. */
  #current: Attempt | CodeStep | undefined;

  constructor(options: {
    readonly flow: Flow;
    readonly rows: readonly unknown[];
    readonly scope: BatchScope;
    readonly hooks: RunHooks | undefined;
  }) {
    const { flow, rows, scope, hooks } = options;
    this.#onStep = hooks?.onStep;
    this.#observer = hooks?.observer;
    this.#hasPartialRows = hooks?.hasPartialRows === true;
    this.#state = new RunState(flow, scope, hooks);
    this.#steps = flow.steps;
    this.#inputs = [rows];
  }

  async finish(): Promise<RunResult> {
    if (this.#observer === undefined) return this.#finish();
    const { flow } = this.#state;
    const startedAt = performance.now();
    this.#observer.runBegan(flow, this.#input().length);
    const result = await this.#finish();
    this.#observer.runEnded(flow, performance.now() - startedAt);
    return result;
  }

  async #finish(): Promise<RunResult> {
    for (let step = this.#steps[this.#at]; step !== undefined; step = this.#steps[this.#at]) {
      this.#throwIfStopped();
      if (hasCode(step)) {
        const attempt = this.#runStretch(step);
        if (attempt !== undefined) await this.#finishAttempt(attempt);
      } else {
        const input = this.#input();
        this.#onStep?.(this.#at);
        this.#observe(step);
        if (this.#hasPartialRows) refusePartial(this.#state.flow, step, input);
        const rows = await runConnectorStep(this.#state, step, input);
        this.#leave({ step, rowsIn: input.length, output: rows });
      }
    }
    this.#state.end();
    return { steps: this.#counts };
  }

  /** Runs functions, from this step on, for as long as they return synchronously; returns the one that has to be waited for. */
  #runStretch(first: CodeStep): Attempt | undefined {
    const startedAt = performance.now();
    const limitMs = first.timeoutMs;
    return this.#guard(first, () => {
      let step: FlowStep | undefined = first;
      // A later function joins only in the guard's first tenth, so that its own limit is kept to a tenth.
      while (step !== undefined && hasCode(step) && (step === first || this.#mayJoin(step, limitMs, startedAt))) {
        const attempt = this.#begin(step, this.#input());
        if (attempt.outcome.kind !== 'returned' || attempt.context.session?.isSettled === false) return attempt;
        this.#leaveFunction(attempt);
        step = this.#steps[this.#at];
      }
      return undefined;
    });
  }

  #mayJoin(step: FlowStep, limitMs: number, startedAt: number): boolean {
    const isTimely = limitMs <= 0 || performance.now() - startedAt < limitMs / 10;
    return step.timeoutMs === limitMs && isTimely && !this.#state.scope.signal.aborted;
  }

  #guard<T>(step: CodeStep, call: () => T): T {
    const guarded = callWithin(step.timeoutMs, call);
    if (guarded.kind === 'returned') return guarded.value;
    throw this.#timeOut(this.#current ?? step);
  }

  /** Calls the function; never throws what the function throws. Throws ROW_INVALID where a row does not fit it. */
  #begin(step: CodeStep, input: readonly unknown[], prepared?: readonly unknown[]): Attempt {
    this.#current = step;
    this.#onStep?.(this.#at);
    if (prepared === undefined) this.#observe(step);
    const rows = prepared ?? this.#prepare(step, input);
    const context = new StepContext(this.#state, step, input);
    const attempt: Attempt = { step, context, rows, startedAt: performance.now(), outcome: { kind: 'returned' } };
    this.#current = attempt;
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- decoded edge: its schema parsed the rows, or it declared their type
      const result = step.definition.run(context, rows as readonly never[]);
      if (isPromise(result)) attempt.outcome = { kind: 'waiting', promise: result };
    } catch (error) {
      attempt.outcome = { kind: 'failed', error };
    }
    return attempt;
  }

  #prepare(step: CodeStep, input: readonly unknown[]): readonly unknown[] {
    const { flow } = this.#state;
    try {
      if (this.#hasPartialRows) refusePartial(flow, step, input);
      return prepareRows(flow.name, step, input);
    } catch (error) {
      throw stepError(this.#place(step), this.#hasPartialRows ? explainBadRows(flow, step, error) : error);
    }
  }

  /** Waits for a try, and makes new ones while the step's retries last. */
  async #finishAttempt(first: Attempt): Promise<void> {
    let attempt = first;
    for (let tries = 0; ; tries += 1) {
      const failure = await this.#settle(attempt);
      if (failure === undefined) return this.#leaveFunction(attempt);
      const { step, rows, context } = attempt;
      context.close();
      const error = context.session?.lost ?? failure.error;
      if (tries >= step.retryTimes || !isStepRetry(error)) throw stepError(this.#place(step), error);
      await context.session?.undo();
      context.logger.warn({ flow: this.#state.flow.name, attempt: tries + 1, err: error }, 'function failed, retrying');
      this.#observer?.stepRetried?.(this.#state.flow, step, error);
      await sleep(step.retryDelayMs * 2 ** tries, this.#state.scope.signal);
      this.#throwIfStopped();
      attempt = this.#guard(step, () => this.#begin(step, context.input, rows));
    }
  }

  /** How a try ended: undefined when well. Rejects when it may not be tried again: time over, or stopped. */
  async #settle(attempt: Attempt): Promise<{ readonly error: unknown } | undefined> {
    if (attempt.outcome.kind === 'failed') return attempt.outcome;
    const { step, context, outcome } = attempt;
    const work = async (): Promise<void> => {
      if (outcome.kind === 'waiting') await outcome.promise;
      await context.session?.settle();
    };
    const leftMs = step.timeoutMs <= 0 ? Infinity : Math.max(1, step.timeoutMs - (performance.now() - attempt.startedAt));
    const end = await waitFor(work(), { ms: leftMs, signal: this.#state.scope.signal });
    switch (end.kind) {
      case 'fulfilled':
        return undefined;
      case 'rejected':
        return { error: end.error };
      case 'timeout':
        throw this.#timeOut(attempt);
      case 'aborted': {
        const error = stoppedError(this.#state.flow.name, this.#state.scope.signal.reason);
        context.abort(error);
        throw error;
      }
      default:
        return end satisfies never;
    }
  }

  #leaveFunction(attempt: Attempt): void {
    const { step, context } = attempt;
    context.keepState();
    context.close();
    this.#leave({ step, rowsIn: context.input.length, output: context.committed, context });
  }

  #observe(step: FlowStep): void {
    if (this.#observer === undefined) return;
    this.#stepBeganAt = performance.now();
    this.#observer.stepBegan(this.#state.flow, step);
  }

  /** Goes where the step's rows and actions lead. */
  #leave(left: { step: FlowStep; rowsIn: number; output: readonly unknown[]; context?: StepContext }): void {
    const next = combineActions(left.context?.actions ?? []);
    const output = next.isReuse ? (left.context?.input ?? []) : left.output;
    const count: StepCount = { fname: left.step.fname, rowsIn: left.rowsIn, rowsOut: output.length };
    this.#counts.push(count);
    this.#state.stepsDone = this.#counts.length;
    this.#observer?.stepEnded(this.#state.flow, left.step, performance.now() - this.#stepBeganAt, count);
    const hasOutput = output.length > 0 || next.isForced;
    if (hasOutput) this.#inputs[this.#at + 1] = output;
    const target = next.jumpTo === undefined ? this.#at + 1 : this.#jumpTarget(left.step, next.jumpTo);
    const goesOn = !next.isAbort && (hasOutput || next.jumpTo !== undefined);
    this.#at = goesOn ? target : this.#steps.length;
  }

  #jumpTarget(step: FlowStep, fname: string): number {
    const place = this.#place(step);
    const target = this.#steps.findLastIndex((other) => other.fname === fname);
    if (target === -1) throw jumpError(place, `jumps to ${fname}, which the flow does not have`);
    if (this.#inputs[target] === undefined) throw jumpError(place, `jumps to ${fname}, which has not received rows in this run`);
    this.#jumps += 1;
    if (this.#jumps > jumpsMax)
      throw jumpError(place, `jumps to ${fname}: more than ${jumpsMax} jumps in one run, which does not seem to end`);
    return target;
  }

  #input(): readonly unknown[] {
    return this.#inputs[this.#at] ?? [];
  }

  #place(step: FlowStep): StepPlace {
    return { flowName: this.#state.flow.name, step };
  }

  #timeOut(hung: Attempt | CodeStep): CodedError {
    const error = timeoutError(this.#place('context' in hung ? hung.step : hung));
    if ('context' in hung) hung.context.abort(error);
    return error;
  }

  #throwIfStopped(): void {
    const { signal } = this.#state.scope;
    if (signal.aborted) throw stoppedError(this.#state.flow.name, signal.reason);
  }
}

function hasCode(step: FlowStep): step is CodeStep {
  return step.definition !== undefined;
}

function isPromise(value: unknown): value is PromiseLike<void> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
