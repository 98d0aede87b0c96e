import type { TransactionClock } from '../checkpoint/batch-transaction.ts';
import type { Flow, FlowStep, RunObserver, StepCount } from '../flow/contract.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { ErrorCode } from '../lib/error-codes.ts';
import { batchId, type Batch } from './batch.ts';
import type { PassedStatement } from './table-statement-record.ts';

/**
 * Is told what the flows of a daemon do, for metrics and traces: a few calls a batch, none a row. What it does is part of the batch: it
 * neither waits nor throws. Without an observer nothing is measured.
 */
export interface FlowObserver {
  batchCommitted(trail: BatchTrail): void;
  /** One try of a batch has failed: it may be tried again, be split, or end the flow. */
  batchFailed(trail: BatchTrail, error: unknown): void;
  /** Something that may pass by itself has failed, and is tried again. */
  flowRetries(flow: string, error: CodedError): void;
  /** The flow has stopped, or was taken over. */
  flowEnded(flow: string, error: CodedError): void;
}

/** One call of a function. Times are of performance.now(). */
export interface StepTrail {
  readonly fname: string;
  readonly mode: string;
  readonly beganAt: number;
  /** Undefined: it has not ended well. */
  readonly ms: number | undefined;
  readonly rowsIn: number;
  readonly rowsOut: number;
  /** Codes of the tries that failed before. */
  readonly retries: readonly string[];
}

/** Time in the store's transaction. Times are of performance.now(); 0: it has not come to that. */
export interface StoreTrail {
  /** How long its first statement waited for the batch before to commit. */
  readonly waitMs: number;
  readonly statements: number;
  /** For how long at least one statement was under way. */
  readonly statementMs: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly commitAt: number;
  /** Undefined: there was no commit, or no answer to it. */
  readonly commitMs: number | undefined;
}

/** What a trail is of: a batch, or rows that had waited. */
export interface TrailSubject {
  readonly flow: Flow;
  readonly batch: Batch | undefined;
  /** Changes, or rows that had waited. */
  readonly size: number;
  readonly batchId: () => string;
}

/** What one try of a batch has done and when, while it runs and after its end: what metrics and traces are made of. */
export class BatchTrail implements RunObserver, TransactionClock {
  readonly subject: TrailSubject;
  readonly #observer: FlowObserver;
  /** In milliseconds since 1970, and by performance.now(). */
  readonly wallAt = Date.now();
  readonly beganAt = performance.now();
  endedAt = 0;
  /** It failed, and the store then turned out to have committed it. */
  isCommittedAfterAll = false;
  filtered = 0;
  statements: readonly PassedStatement[] = [];
  readonly steps: StepTrail[] = [];
  readonly store: { -readonly [key in keyof StoreTrail]: StoreTrail[key] } = {
    waitMs: 0,
    statements: 0,
    statementMs: 0,
    firstAt: 0,
    lastAt: 0,
    commitAt: 0,
    commitMs: undefined,
  };
  #statementsOpen = 0;
  #statementsSince = 0;
  #step: { readonly step: FlowStep; readonly beganAt: number } | undefined;
  #retries: string[] = [];
  #isCommitted = false;

  constructor(observer: FlowObserver, subject: TrailSubject) {
    this.#observer = observer;
    this.subject = subject;
  }

  /** Rows that functions of mode Save were given. */
  get rowsSaved(): number {
    let rows = 0;
    for (const { mode, ms, rowsIn } of this.steps) if (mode === 'Save' && ms !== undefined) rows += rowsIn;
    return rows;
  }

  runBegan(): void {}

  stepBegan(_flow: Flow, step: FlowStep): void {
    this.#step = { step, beganAt: performance.now() };
    this.#retries = [];
  }

  stepRetried(_flow: Flow, _step: FlowStep, error: unknown): void {
    this.#retries.push(error instanceof CodedError ? error.code : 'FUNCTION_FAILED');
  }

  stepEnded(_flow: Flow, step: FlowStep, ms: number, { rowsIn, rowsOut }: StepCount): void {
    const beganAt = this.#step?.beganAt ?? performance.now() - ms;
    this.steps.push({ fname: step.fname, mode: step.mode, beganAt, ms, rowsIn, rowsOut, retries: this.#retries });
    this.#step = undefined;
  }

  runEnded(): void {}

  gate(opened: Promise<void>): void {
    const since = performance.now();
    const onOpen = (): void => {
      this.store.waitMs = performance.now() - since;
    };
    opened.then(onOpen, onOpen);
  }

  statement(answer: Promise<unknown>): void {
    const now = performance.now();
    if (this.#statementsOpen === 0) this.#statementsSince = now;
    if (this.store.firstAt === 0) this.store.firstAt = now;
    this.#statementsOpen += 1;
    this.store.statements += 1;
    const onAnswer = (): void => {
      this.#statementsOpen -= 1;
      this.store.lastAt = performance.now();
      if (this.#statementsOpen === 0) this.store.statementMs += this.store.lastAt - this.#statementsSince;
    };
    answer.then(onAnswer, onAnswer);
  }

  commit(answer: Promise<unknown>): void {
    this.store.commitAt = performance.now();
    answer.then(
      () => (this.store.commitMs = performance.now() - this.store.commitAt),
      () => {},
    );
  }

  committed(done: { readonly filtered: number; readonly statements: readonly PassedStatement[] }): void {
    this.filtered = done.filtered;
    this.statements = done.statements;
    this.endedAt = performance.now();
    this.#isCommitted = true;
    this.#observer.batchCommitted(this);
  }

  /** What fails behind the commit is not the batch. */
  failed(error: unknown): void {
    if (this.#isCommitted) return;
    this.endedAt = performance.now();
    const under = this.#step;
    if (under !== undefined) {
      const { fname, mode } = under.step;
      this.steps.push({ fname, mode, beganAt: under.beganAt, ms: undefined, rowsIn: 0, rowsOut: 0, retries: this.#retries });
    }
    this.#observer.batchFailed(this, error);
  }

  /** After `failed`: the answer to the commit was lost, and not the commit. */
  committedAfterAll(filtered: number): void {
    if (this.#isCommitted) return;
    this.#isCommitted = true;
    this.isCommittedAfterAll = true;
    this.filtered = filtered;
    this.#observer.batchCommitted(this);
  }
}

/** Follows a batch, or so many rows that have waited; undefined without an observer: nothing is measured then. */
export function beginTrail(
  observer: FlowObserver | undefined,
  flow: Flow,
  subject: Batch | { readonly size: number; readonly id: string },
): BatchTrail | undefined {
  if (observer === undefined) return undefined;
  const { size } = subject;
  const [batch, makeId] = 'parts' in subject ? [subject, () => batchId(flow.name, subject)] : [undefined, () => subject.id];
  return new BatchTrail(observer, { flow, batch, size, batchId: makeId });
}

/** The error's code; INTERNAL where it has none. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof CodedError ? error.code : 'INTERNAL';
}

/** All of these as one; undefined where there is none, so that nothing is measured. A fault of one is logged once and ends it, never a flow. */
export function joinObservers(observers: readonly FlowObserver[], onFault: (error: string) => void): FlowObserver | undefined {
  if (observers.length === 0) return undefined;
  const broken = new Set<FlowObserver>();
  const tell = (call: (observer: FlowObserver) => void): void => {
    for (const observer of observers) {
      if (broken.has(observer)) continue;
      try {
        call(observer);
      } catch (error) {
        broken.add(observer);
        onFault(describeError(error));
      }
    }
  };
  return {
    batchCommitted: (trail) => tell((observer) => observer.batchCommitted(trail)),
    batchFailed: (trail, error) => tell((observer) => observer.batchFailed(trail, error)),
    flowRetries: (flow, error) => tell((observer) => observer.flowRetries(flow, error)),
    flowEnded: (flow, error) => tell((observer) => observer.flowEnded(flow, error)),
  };
}
