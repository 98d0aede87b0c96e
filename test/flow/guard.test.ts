import { describe, expect, test } from 'vitest';
import { callWithin } from '../../src/flow/guard.ts';

const forever = (): never => {
  for (;;);
};

// Up to 30 s the inspector interrupts, beyond it a thread of node:vm; neither shows from outside.
describe.each([
  ['a short limit', 50],
  ['no limit', 0],
  ['a limit too long for the inspector', 3_600_000],
])('%s', (_what, ms) => {
  test('a value comes back and an error passes', () => {
    expect(callWithin(ms, () => 7)).toEqual({ kind: 'returned', value: 7 });
    expect(() =>
      callWithin(ms, () => {
        throw new RangeError('own');
      }),
    ).toThrow(RangeError);
  });

  test('a guarded call may make guarded calls', () => {
    expect(callWithin(ms, () => callWithin(1000, () => 'inner'))).toEqual({
      kind: 'returned',
      value: { kind: 'returned', value: 'inner' },
    });
  });
});

test('a call within a guarded one is under that one’s limit, and later calls are guarded again', () => {
  for (let round = 0; round < 2; round += 1) {
    expect(callWithin(30, () => callWithin(5000, forever)).kind).toBe('interrupted');
    expect(callWithin(5000, () => callWithin(30, () => 7))).toMatchObject({ kind: 'returned' });
  }
});

test('an interruption leaves the thread’s pending work alone', async () => {
  const pending = Array.from({ length: 100 }, async (_, index) => {
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    await new Promise((resolve) => setTimeout(resolve, 1));
    return index;
  });
  const hung = Promise.resolve().then(() => callWithin(30, forever).kind);
  expect(await Promise.all(pending)).toHaveLength(100);
  expect(await hung).toBe('interrupted');
});

test('many more calls than may leave a timer behind are still guarded', { timeout: 60_000 }, () => {
  for (let call = 0; call < 31_000; call += 1) callWithin(1000, () => call);
  expect(callWithin(20, forever).kind).toBe('interrupted');
});
