import { expect, it } from 'vitest';
import { Tries } from '../../src/daemon/tries.ts';

it('tries are counted from the first failure since it last went well', () => {
  const tries = new Tries({ firstMs: 200, maxMs: 1000, limitMs: 30_000 });
  expect(tries.fail(100_000)).toBeLessThanOrEqual(250);
  expect(tries.fail(130_000)).toBeGreaterThanOrEqual(400);
  expect(tries.fail(130_001)).toBeUndefined();
  tries.forget();
  expect(tries.fail(500_000)).toBeLessThanOrEqual(250);
  expect(tries.fail(530_001)).toBeUndefined();
});
