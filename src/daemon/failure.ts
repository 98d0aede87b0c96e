import { Backoff } from '../lib/backoff.ts';
import type { CodedError } from '../lib/error.ts';
import type { Flow } from '../flow/contract.ts';
import { MarkedError } from './bad-rows.ts';
import type { Batch } from './batch.ts';

/** A batch that fails, since it did so for the first time. */
export interface Failure {
  readonly cause: unknown;
  readonly retry: Backoff;
  /** When it failed for the first time, by performance.now(): a clock that jumps must not end or lengthen the tries. */
  readonly since: number;
  /** How often a function ran out of its time. */
  readonly timeouts: number;
}

export function newFailure(cause: unknown): Failure {
  return { cause, retry: new Backoff({ firstMs: 100, maxMs: 5000 }), since: performance.now(), timeouts: 0 };
}

/** What to do about a batch that failed. */
export type Verdict =
  /** Wait, and run it again. */
  | { readonly kind: 'again'; readonly batch: Batch; readonly failure: Failure }
  /** Run it without the rows that are at fault. */
  | { readonly kind: 'bad-rows' }
  /** The lease may be lost: the checkpoint tells. */
  | { readonly kind: 'lease' }
  | { readonly kind: 'stop' };

/**
 * Decides about the failure of a batch. Errors that may pass are tried again for `retryLimitMs`; a function that ran out of its time
 * once more, or as often as its `retry_times` say. Rows that wait for others are taken out like bad ones.
 */
export function judge(options: {
  readonly error: CodedError;
  readonly batch: Batch;
  readonly failure: Failure;
  readonly flow: Flow;
  readonly retryLimitMs: number;
  readonly now: number;
}): Verdict {
  const { error, batch, failure, now } = options;
  if (error instanceof MarkedError) return { kind: 'bad-rows' };
  if (error.code === 'FUNCTION_TIMEOUT') {
    const timeouts = failure.timeouts + 1;
    const isOver = timeouts > triesAfterTimeout(options.flow, error);
    return isOver ? { kind: 'stop' } : { kind: 'again', batch, failure: { ...failure, timeouts } };
  }
  if (error.code === 'LEASE_LOST') return { kind: 'lease' };
  if (error.class === 'stop') return { kind: 'stop' };
  if (error.class === 'row') return { kind: 'bad-rows' };
  return now - failure.since > options.retryLimitMs ? { kind: 'stop' } : { kind: 'again', batch, failure };
}

function triesAfterTimeout(flow: Flow, error: CodedError): number {
  const step = flow.steps.find(({ fname }) => fname === error.details.function);
  return Math.max(1, step?.retryTimes ?? 0);
}
