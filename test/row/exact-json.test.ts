import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromExactJson, toExactJson } from '../../src/row/exact-json.ts';

const leaf = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.date({ noInvalidDate: false }),
);
const key = fc.oneof(fc.constantFrom('$binary', '$object', '$text', '$', 'id', '__proto'), fc.string());
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { noNullPrototype: true, maxKeys: 3 }),
  ),
}));

describe('exact JSON', () => {
  test('gives every value back as it was, marks and all', () => {
    fc.assert(
      fc.property(value, (given) => {
        expect(fromExactJson(toExactJson(given))).toStrictEqual(given);
      }),
      { numRuns: 2000 },
    );
  });

  test('tells -0, NaN and the infinities from other numbers', () => {
    for (const given of [-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(Object.is(fromExactJson(toExactJson(given)), given)).toBe(true);
    }
  });

  test('a text with half a surrogate pair is plain ASCII in JSON, and comes back', () => {
    const text = toExactJson('a\ud800b');
    expect(text).toBe(String.raw`"a\ud800b"`);
    expect(fromExactJson(text)).toBe('a\ud800b');
  });

  test('a key named __proto__ is a field like others', () => {
    const given: unknown = JSON.parse('{"__proto__": {"a": 1}, "b": 2}');
    expect(toExactJson(fromExactJson(toExactJson(given)))).toBe(toExactJson(given));
  });

  test('what JSON cannot give back is refused, or kept as its text where that is asked for', () => {
    const ring: unknown[] = [];
    ring.push(ring);
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i += 1) deep = [deep];
    for (const foreign of [() => 1, Symbol('s'), new Map(), new Set(), new Float64Array(1), ring, deep]) {
      expect(() => toExactJson({ foreign })).toThrow(TypeError);
      expect(toExactJson({ foreign }, { foreign: 'describe' })).toContain('$text');
    }
  });
});
