import { describe, expect, it } from 'vitest';
import { judgeReadiness, type DaemonLook, type FlowLook } from '../../src/daemon/readiness.ts';
import type { SourceView } from '../../src/daemon/source-watch.ts';
import { CodedError } from '../../src/lib/error.ts';

const now = 1_000_000;
const options = { freshMsMax: 30_000, now };
const head = { server: 's', file: 'b.1', offset: 4, gtid: '', rows: 0 };

function source(ageMs: number, failure?: SourceView['failure']): SourceView {
  return { probes: [], latest: { at: now - ageMs, head, time: 0 }, failure, shelf: undefined };
}

function flow(change: Partial<Omit<FlowLook, 'figures'>> & Partial<FlowLook['figures']> = {}): FlowLook {
  const { name = 'f', state = 'running', code, source: from = 'main', ...figures } = change;
  const reader = { isConnected: true, lastEventAt: 0, lastError: undefined, lostMs: undefined };
  return { name, state, code, source: from, figures: { freshMs: 1000, reader, batchMs: undefined, ...figures } };
}

function look(change: Partial<DaemonLook> = {}): DaemonLook {
  return {
    phase: 'running',
    flows: [flow()],
    sources: new Map([['main', source(900)]]),
    store: { answeredAt: now - 800, failure: undefined },
    writes: { failure: undefined },
    ...change,
  };
}

const failure = { error: new CodedError('STORE_READ_ONLY', 'secret value'), since: now - 12_000 };

describe('L12 a daemon is ready', () => {
  it.each([
    ['when its flows are fresh', look()],
    ['when a flow is just fresh enough', look({ flows: [flow({ freshMs: 30_000 })] })],
    ['when it retries, and is still fresh', look({ flows: [flow({ state: 'retrying', code: 'STORE_CONFLICT' })] })],
    ['when a flow is paused, however old', look({ flows: [flow({ state: 'paused', freshMs: 9e9 })] })],
    [
      'when another daemon runs the flow, and its source answers',
      look({ flows: [flow({ state: 'standby', freshMs: undefined })] }),
    ],
    ['when a source that only paused flows use does not answer', look({ flows: [flow({ state: 'paused' })], sources: new Map() })],
    ['without flows', look({ flows: [] })],
    ['when one question to the store has failed', look({ store: { answeredAt: now - 5000, failure } })],
  ])('%s', (_when, given) => {
    expect(judgeReadiness(given, options)).toMatchObject({ isReady: true, reasons: [] });
  });

  it.each([
    ['it starts', look({ phase: 'starting' }), ['starting'], []],
    ['it stops', look({ phase: 'stopping' }), ['stopping'], []],
    [
      'the store is silent',
      look({ store: { answeredAt: now - 7000, failure } }),
      ['the store has not answered for 7 s (STORE_READ_ONLY)'],
      [],
    ],
    [
      'the store never answered',
      look({ store: { answeredAt: undefined, failure: undefined } }),
      ['the store has not answered yet'],
      [],
    ],
    ['a flow failed', look({ flows: [flow({ state: 'failed', code: 'SOURCE_PURGED' })] }), [], ['failed with SOURCE_PURGED']],
    ['a flow starts', look({ flows: [flow({ state: 'starting' })] }), [], ['starting']],
    ['nothing is proven', look({ flows: [flow({ freshMs: undefined })] }), [], ['nothing is proven to be in the store yet']],
    ['the source is silent', look({ sources: new Map([['main', source(6500)]]) }), [], ['source main has not answered for 6.5 s']],
    [
      'a standby could not read',
      look({ flows: [flow({ state: 'standby' })], sources: new Map() }),
      [],
      ['source main has not answered yet'],
    ],
    [
      'its reader is lost',
      look({ flows: [flow({ reader: { isConnected: false, lastEventAt: 0, lastError: undefined, lostMs: 8000 } })] }),
      [],
      ['its reader has not been connected for 8 s'],
    ],
    [
      'a flow is old, with everything that is known of why',
      look({ flows: [flow({ state: 'retrying', code: 'STORE_TIMEOUT', freshMs: 42_040, batchMs: 41_000 })], writes: { failure } }),
      [],
      [
        'behind by 42 s, more than 30 s',
        'retrying after STORE_TIMEOUT',
        'a batch has been under way for 41 s',
        'the store has taken no writes for 12 s (STORE_READ_ONLY)',
      ],
    ],
  ])('not when %s', (_when, given, ofDaemon, ofFlow) => {
    const readiness = judgeReadiness(given, options);
    expect(readiness.isReady).toBe(false);
    expect(readiness.reasons).toEqual(ofDaemon);
    expect(readiness.flows[0]?.reasons).toEqual(ofFlow);
    expect(JSON.stringify(readiness)).not.toContain('secret');
  });

  it('names only the flow that is not', () => {
    const { isReady, flows } = judgeReadiness(
      look({ flows: [flow({ name: 'a' }), flow({ name: 'b', freshMs: 31_000 })] }),
      options,
    );
    expect(isReady).toBe(false);
    expect(flows.map(({ flow: name, isReady: is }) => [name, is])).toEqual([
      ['a', true],
      ['b', false],
    ]);
  });
});
