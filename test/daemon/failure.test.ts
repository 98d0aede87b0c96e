import { describe, expect, test } from 'vitest';
import { MarkedError } from '../../src/daemon/bad-rows.ts';
import { makeBatch, type Batch } from '../../src/daemon/batch.ts';
import { judge, newFailure, type Failure } from '../../src/daemon/failure.ts';
import { CodedError, type ErrorClass } from '../../src/lib/error.ts';
import type { ErrorCode } from '../../src/lib/error-codes.ts';
import { makeStep } from '../flow/scope.ts';
import { startPosition } from './transactions.ts';

const flow = { name: 'f', isEnabled: true, steps: [makeStep('slow', () => {}), makeStep('patient', () => {}, { retryTimes: 3 })] };
const empty = makeBatch(startPosition('none'), [], { hasGtid: false });

function errorOf(code: ErrorCode, errorClass: ErrorClass, fname = 'slow'): CodedError {
  return new CodedError(code, 'made up', { class: errorClass, details: { function: fname } });
}

function judged(error: CodedError, over: { readonly batch?: Batch; readonly failure?: Failure; readonly now?: number } = {}) {
  return judge({ error, batch: empty, failure: newFailure(error), flow, retryLimitMs: 1000, now: performance.now(), ...over });
}

/** How often a batch is run whose every run fails with this error. */
function runsOf(error: CodedError): number {
  let failure = newFailure(error);
  for (let runs = 1; ; runs += 1) {
    const verdict = judged(error, { failure });
    if (verdict.kind !== 'again') return runs;
    failure = verdict.failure;
  }
}

describe('what is done about a batch that failed', () => {
  test.each([
    ['retry', 'STORE_CONFLICT', 'again'],
    ['row', 'STORE_CONSTRAINT', 'bad-rows'],
    ['stop', 'STORE_TABLE_MISSING', 'stop'],
    ['stop', 'LEASE_LOST', 'lease'],
  ] as const)('an error of class %s (%s): %s', (errorClass, code, kind) => {
    expect(judged(errorOf(code, errorClass)).kind).toBe(kind);
  });

  test('what may pass by itself is tried again until the limit', () => {
    const error = errorOf('STORE_TIMEOUT', 'retry');
    const failure = newFailure(error);
    expect(judged(error, { failure, now: failure.since + 1000 }).kind).toBe('again');
    expect(judged(error, { failure, now: failure.since + 1001 }).kind).toBe('stop');
  });

  test('a function that runs out of its time is run once more, or as often as its retry_times say', () => {
    expect(runsOf(errorOf('FUNCTION_TIMEOUT', 'stop', 'slow'))).toBe(2);
    expect(runsOf(errorOf('FUNCTION_TIMEOUT', 'stop', 'patient'))).toBe(4);
  });

  test('rows that wait for others are taken out of their batch, which goes on', () => {
    const error = new MarkedError(errorOf('LOAD_ROW_MISSING', 'retry'), { fname: 'slow', marks: [], waitMs: 60_000 });
    expect(judged(error).kind).toBe('bad-rows');
  });
});
