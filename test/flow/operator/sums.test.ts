import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Decimal } from '../../../src/flow/operator/decimal.ts';
import { ExactSum } from '../../../src/flow/operator/exact-sum.ts';
import { decodeSortable, encodeSortable } from '../../../src/flow/operator/sortable.ts';
import { ExpressionFailure } from '../../../src/flow/operator/term.ts';

/** Set FAST_CHECK_SEED to the seed that a failure printed to run the same cases again. */
const seed = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 2 ** 31);

const decimal = fc
  .tuple(
    fc.oneof(fc.bigInt({ min: -2000n, max: 2000n }), fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n })),
    fc.integer({ min: 0, max: 12 }),
  )
  .map(([units, scale]) => new Decimal(units, scale));

test('a sum of numbers is exact, whatever their size, digits and signs', () => {
  const items = fc.array(fc.tuple(decimal, fc.constantFrom(1 as const, -1 as const)));
  fc.assert(
    fc.property(items, fc.integer({ min: 0, max: 6 }), (values, scale) => {
      const sum = new ExactSum(scale);
      let wanted = new Decimal(0n, 0);
      for (const [value, sign] of values) {
        const isSmall = value.scale === 0 && Number.isSafeInteger(Number(value.units));
        sum.add(isSmall ? Number(value.units) : value.toString(), sign);
        wanted = wanted.plus(sign === 1 ? value : value.negated());
      }
      expect(sum.toDecimal().compare(wanted)).toBe(0);
      expect(Decimal.parse(sum.toString())?.compare(wanted)).toBe(0);
      expect(sum.isZero).toBe(wanted.units === 0n);
      expect(sum.scale).toBeGreaterThanOrEqual(sum.toDecimal().trimmed().scale);
    }),
    { seed },
  );
});

test('a sum refuses what is no number', () => {
  for (const value of ['', '-', '.', '1.2.3', '12a', 'NaN', {}]) {
    expect(() => new ExactSum(2).add(value, 1), JSON.stringify(value)).toThrow(ExpressionFailure);
  }
});

test('bytes of numbers sort as the numbers do, and give them back', () => {
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const [one, other] = [a, b].map((value) => encodeSortable(value.toString(), true));
      if (one === undefined || other === undefined) throw new Error('two values');
      expect(Math.sign(Buffer.compare(one, other))).toBe(a.compare(b));
      expect(Decimal.parse(String(decodeSortable(one, true)))?.compare(a)).toBe(0);
    }),
    { seed },
  );
});

test('bytes of texts give them back, and too long ones are refused', () => {
  expect(decodeSortable(encodeSortable('größe', false), false)).toBe('größe');
  expect(() => encodeSortable('x'.repeat(701), false)).toThrow(ExpressionFailure);
});
