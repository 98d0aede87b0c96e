import fc from 'fast-check';

/** Any text that UTF-8 has, control characters among them, and now and then names that JavaScript's objects treat in their own way. */
export const jsonName = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  { weight: 2, arbitrary: fc.string({ maxLength: 40 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '__proto__', 'constructor', '0', '10', '9', '-1', '"', '\\', '\u2028', '\u{1f600}', '\0'),
  },
);

const longString = fc
  .tuple(fc.constantFrom('x', 'é', '\u{1f600}', '\n', '"'), fc.constantFrom(127, 128, 200, 16_384))
  .map(([unit, times]) => unit.repeat(times));

export const jsonString = fc
  .oneof({ weight: 20, arbitrary: jsonName }, { weight: 1, arbitrary: longString })
  .map((text) => JSON.stringify(text));

/** Powers of two and of ten and their neighbours, where whole numbers change their form. */
const edges = Array.from({ length: 65 }, (_, i) => 2n ** BigInt(i))
  .concat(Array.from({ length: 20 }, (_, i) => 10n ** BigInt(i)))
  .flatMap((n) => [n - 1n, n, n + 1n, -n, -n - 1n])
  .map(String);

const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? '-0.0' : String(value)));
/** So many digits and such an exponent that every format of a double is met often. */
const scaled = fc
  .tuple(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), fc.integer({ min: -40, max: 30 }))
  .map(([digits, exponent]) => `${digits}e${exponent}`);

export const jsonNumber = fc.oneof(
  fc.constantFrom(...edges),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }).map(String),
  fc.integer({ min: -70_000, max: 70_000 }).map(String),
  double,
  scaled,
);

/** JSON texts: not values, since JavaScript's could hold neither all numbers nor the order of all keys. */
export const { document: jsonDocument } = fc.letrec<{ document: string; array: string; object: string }>((tie) => ({
  document: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 3, arbitrary: fc.oneof(jsonNumber, jsonString, fc.constantFrom('null', 'true', 'false')) },
    { weight: 2, arbitrary: tie('array') },
    { weight: 3, arbitrary: tie('object') },
  ),
  array: fc.array(tie('document'), { maxLength: 8 }).map((items) => `[${items.join()}]`),
  object: fc
    .array(fc.tuple(jsonName, tie('document')), { maxLength: 8 })
    .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}`),
}));

/** Set FAST_CHECK_SEED to the seed that a failure printed to run the same cases again. */
export const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31);

/** As many of them as are asked for, the same for the same seed. */
export function sample<T>(arbitrary: fc.Arbitrary<T>, count: number): T[] {
  return fc.sample(arbitrary, { numRuns: count, seed });
}
