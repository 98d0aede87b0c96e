import { describe, expect, test } from 'vitest';
import { beginTrail, joinObservers, type BatchTrail, type FlowObserver } from '../../src/daemon/batch-trail.ts';
import { deferred } from '../../src/lib/abort.ts';
import { CodedError } from '../../src/lib/error.ts';
import { makeStep } from '../flow/scope.ts';

const flow = { name: 'f', isEnabled: true, steps: [] };

function recorder(): { readonly observer: FlowObserver; readonly told: string[] } {
  const told: string[] = [];
  const observer: FlowObserver = {
    batchCommitted: ({ isCommittedAfterAll }) => told.push(isCommittedAfterAll ? 'after all' : 'committed'),
    batchFailed: (_trail, error) => told.push(`failed ${String(error)}`),
    flowRetries: () => told.push('retries'),
    flowEnded: () => told.push('ended'),
  };
  return { observer, told };
}

function begin(observer: FlowObserver): BatchTrail {
  const trail = beginTrail(observer, flow, { size: 1, id: 'x' });
  if (trail === undefined) throw new Error('no trail');
  return trail;
}

describe('the trail of a batch', () => {
  test('a batch is told as committed once, whatever fails behind its commit', () => {
    const { observer, told } = recorder();
    const trail = begin(observer);
    trail.committed({ filtered: 0, statements: [] });
    trail.failed('something behind it');
    trail.committedAfterAll(0);
    expect(told).toEqual(['committed']);
  });

  test('one whose commit got no answer is told as failed, and as committed once the store says so', () => {
    const { observer, told } = recorder();
    const trail = begin(observer);
    trail.failed('no answer');
    trail.committedAfterAll(0);
    expect(told).toEqual(['failed no answer', 'after all']);
  });

  test('statements at once count once in time, and each in number; an error ends one too', async () => {
    const trail = begin(recorder().observer);
    const { promise, resolve } = deferred<void>();
    trail.statement(promise);
    trail.statement(Promise.resolve());
    await Promise.resolve();
    const refused = deferred<void>();
    trail.statement(refused.promise);
    refused.reject(new Error('no'));
    await refused.promise.catch(() => {});
    const until = performance.now() + 5;
    while (performance.now() < until);
    resolve(undefined);
    await promise;
    await Promise.resolve();
    expect(trail.store.statements).toBe(3);
    expect(trail.store.statementMs).toBeGreaterThanOrEqual(5);
    expect(trail.store.statementMs).toBeLessThanOrEqual(trail.store.lastAt - trail.store.firstAt + 0.001);
  });

  test('the function that was under way is the one that has not ended', () => {
    const trail = begin(recorder().observer);
    const [a, b] = [makeStep('A', () => {}, { mode: 'Save' }), makeStep('B', () => {}, { mode: 'Save' })];
    trail.stepBegan(flow, a);
    trail.stepRetried(flow, a, new CodedError('ROW_INVALID', 'no'));
    trail.stepRetried(flow, a, new Error('no'));
    trail.stepEnded(flow, a, 3, { fname: 'A', rowsIn: 2, rowsOut: 1 });
    trail.stepBegan(flow, b);
    trail.failed('no');
    expect(trail.steps).toMatchObject([
      { fname: 'A', ms: 3, rowsIn: 2, rowsOut: 1, retries: ['ROW_INVALID', 'FUNCTION_FAILED'] },
      { fname: 'B', ms: undefined, retries: [] },
    ]);
    expect(trail.rowsSaved).toBe(2);
  });
});

describe('observers together', () => {
  test('without any nothing is measured', () => {
    expect(joinObservers([], () => {})).toBeUndefined();
    expect(beginTrail(undefined, flow, { size: 1, id: 'x' })).toBeUndefined();
  });

  test('one that throws is said once and left out; the batch and the others do not notice', () => {
    const faults: string[] = [];
    const { observer, told } = recorder();
    const broken: FlowObserver = {
      ...observer,
      flowRetries: () => {
        throw new Error('broken');
      },
    };
    const both = joinObservers([broken, observer], (error) => faults.push(error));
    const error = new CodedError('STORE_UNREACHABLE', 'gone');
    both?.flowRetries('f', error);
    both?.flowRetries('f', error);
    both?.flowEnded('f', error);
    expect(faults).toEqual(['broken']);
    expect(told).toEqual(['retries', 'retries', 'ended']);
  });
});
