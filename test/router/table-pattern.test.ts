import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchesGlob, matchesTable, parseTablePattern } from '../../src/router/table-pattern.ts';

/** Set FAST_CHECK_SEED to the seed that a failure printed to run the same cases again. */
const seed = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 2 ** 31);

/** The same question asked of a regular expression: slower, but another's code. */
function matchesByRegExp(glob: string, text: string): boolean {
  const source = Array.from(glob).map((sign) =>
    sign === '*' ? '.*' : sign === '?' ? '.' : `\\u{${sign.codePointAt(0)?.toString(16)}}`,
  );
  return new RegExp(`^${source.join('')}$`, 'su').test(text);
}

const glob = fc.string({ unit: fc.constantFrom('a', 'b', '_', '*', '?', '€', '😀'), maxLength: 10 });
const name = fc.string({ unit: fc.constantFrom('a', 'b', '_', '€', '😀'), maxLength: 12 });

describe('globs', () => {
  test('a glob matches what the same regular expression matches', () => {
    console.info(`fast-check seed ${seed}`);
    fc.assert(
      fc.property(glob, name, (pattern, text) => matchesGlob(pattern, text) === matchesByRegExp(pattern, text)),
      { seed, numRuns: 5000 },
    );
  });

  test('a text in which any parts were replaced by stars and question marks matches the original', () => {
    console.info(`fast-check seed ${seed}`);
    const pieces = fc.array(fc.record({ text: name, as: fc.constantFrom('text', 'star', 'marks') }), { maxLength: 6 });
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.map((part) => part.text).join('');
        const pattern = parts.map((part) =>
          part.as === 'text' ? part.text : part.as === 'star' ? '*' : '?'.repeat(Array.from(part.text).length),
        );
        return matchesGlob(pattern.join(''), text);
      }),
      { seed, numRuns: 2000 },
    );
  });

  test('a glob of many stars is decided in bounded time', () => {
    expect(matchesGlob('*a'.repeat(30) + 'b', 'a'.repeat(64))).toBe(false);
  });

  test('signs that mean something to a regular expression mean themselves', () => {
    expect(matchesGlob('a$(x)+[y]\\', 'a$(x)+[y]\\')).toBe(true);
    expect(matchesGlob('a+', 'aa')).toBe(false);
  });
});

describe('table patterns', () => {
  test('a name without a wildcard is explicit and matches itself alone, in exact case', () => {
    const pattern = parseTablePattern(' school.student_score ');
    expect(pattern).toEqual({ text: 'school.student_score', schema: 'school', table: 'student_score', isExplicit: true });
    if (pattern === undefined) return;
    expect(matchesTable(pattern, 'school', 'student_score')).toBe(true);
    expect(matchesTable(pattern, 'School', 'student_score')).toBe(false);
    expect(matchesTable(pattern, 'school', 'Student_score')).toBe(false);
  });

  test.each([
    ['shop.*', 'shop', 'orders', true],
    ['shop.*', 'shop2', 'orders', false],
    ['shop_*.order_?', 'shop_eu', 'order_1', true],
    ['shop_*.order_?', 'shop_eu', 'order_12', false],
    ['*.orders', 'any', 'orders', true],
    ['*.*', 'any', 'thing', true],
  ])('%s against %s.%s is %s', (text, schema, table, expected) => {
    const pattern = parseTablePattern(text);
    expect(pattern && matchesTable(pattern, schema, table)).toBe(expected);
  });

  test('a wildcard schema never reaches the server’s own schemas, a named one does', () => {
    const any = parseTablePattern('*.*');
    const named = parseTablePattern('mysql.*');
    expect(any && matchesTable(any, 'mysql', 'user')).toBe(false);
    expect(named && matchesTable(named, 'mysql', 'user')).toBe(true);
  });

  test.each(['', 'orders', '.orders', 'shop.', '*', 'a.b.c', '.'])('"%s" is no pattern', (text) => {
    expect(parseTablePattern(text)).toBeUndefined();
  });
});
