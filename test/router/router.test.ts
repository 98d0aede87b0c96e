import { describe, expect, test } from 'vitest';
import { CodedError } from '../../src/lib/error.ts';
import { compilePatterns, createRouter } from '../../src/router/router.ts';

const router = createRouter({
  flows: [
    { name: 'mirror', patterns: ['shop.*'] },
    { name: 'totals', patterns: ['shop.orders', 'shop.order_items'] },
    { name: 'report', patterns: ['kisflow.customer_totals'] },
    { name: 'everything', patterns: ['*.*'] },
  ],
  computed: new Set(['kisflow.customer_totals', 'shop.order_totals']),
  storeDatabase: 'kisflow',
});

describe('router', () => {
  test('a table goes to every flow that wants it, in the flows’ order', () => {
    expect(router.route('shop', 'orders')).toEqual(['mirror', 'totals', 'everything']);
    expect(router.route('shop', 'customers')).toEqual(['mirror', 'everything']);
  });

  test('L9: a computed table is never matched by a wildcard', () => {
    expect(router.route('shop', 'order_totals')).toEqual([]);
    expect(router.wants('shop', 'order_totals')).toBe(false);
  });

  test('L9: kisflow’s own tables in the store’s database are never matched by a wildcard, elsewhere they are tables like any', () => {
    expect(router.wants('kisflow', 'kis_checkpoint')).toBe(false);
    expect(router.route('shop', 'kis_checkpoint')).toEqual(['mirror', 'everything']);
  });

  test('a computed table that is named in full is matched, so that flows can be chained', () => {
    expect(router.route('kisflow', 'customer_totals')).toEqual(['report']);
  });

  test('a store on another server reserves nothing', () => {
    const apart = createRouter({ flows: [{ name: 'mirror', patterns: ['*.*'] }], computed: new Set(), storeDatabase: '' });
    expect(apart.wants('kisflow', 'kis_checkpoint')).toBe(true);
  });

  test('the answer for a table is made once', () => {
    expect(router.route('shop', 'orders')).toBe(router.route('shop', 'orders'));
  });

  test('names that only differ in where the dot stands are two tables', () => {
    const dots = createRouter({ flows: [{ name: 'f', patterns: ['a?b.c'] }], computed: new Set(), storeDatabase: '' });
    expect(dots.wants('a', 'b.c')).toBe(false);
    expect(dots.wants('a.b', 'c')).toBe(true);
  });

  test('more tables than are kept are still answered right', () => {
    const many = createRouter({ flows: [{ name: 'f', patterns: ['db.even_*'] }], computed: new Set(), storeDatabase: '' });
    for (let round = 0; round < 2; round += 1) {
      for (let index = 0; index < 10_500; index += 1) {
        const isEven = index % 2 === 0;
        if (many.wants('db', `${isEven ? 'even' : 'odd'}_${index}`) !== isEven) throw new Error(`wrong answer for table ${index}`);
      }
    }
  });
});

describe('compiled patterns', () => {
  test('one predicate answers for all of them', () => {
    const wants = compilePatterns(['shop.orders', 'crm.*']);
    expect([wants('shop', 'orders'), wants('crm', 'x'), wants('shop', 'x')]).toEqual([true, true, false]);
  });

  test('without a pattern nothing matches', () => {
    expect(compilePatterns([])('shop', 'orders')).toBe(false);
  });

  test('a text that is no pattern is refused with its own words', () => {
    expect(() => compilePatterns(['orders'])).toThrow(CodedError);
    expect(() => compilePatterns(['orders'])).toThrow(/"orders" is no table pattern; write db\.table/);
  });
});
