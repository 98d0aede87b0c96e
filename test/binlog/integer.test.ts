import { expect, it } from 'vitest';
import { integerReader, readDouble, readFloat, readYear } from '../../src/binlog/integer.ts';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { valueOf } from './bytes.ts';

it.each([
  [1, 'ff', -1, 255],
  [2, '0080', -32_768, 32_768],
  [3, 'ffff7f', 8_388_607, 8_388_607],
  [3, '000080', -8_388_608, 8_388_608],
  [4, 'fffffffe', -16_777_217, 4_278_190_079],
  [8, '0100000000000000', 1, 1],
  [8, 'ffffffffffff1f00', 9_007_199_254_740_991, 9_007_199_254_740_991],
  [8, '0000000000002000', '9007199254740992', '9007199254740992'],
  [8, '010000000000e0ff', -9_007_199_254_740_991, '18437736874454810625'],
  [8, '000000000000e0ff', '-9007199254740992', '18437736874454810624'],
  [8, 'ffffffffffffffff', -1, '18446744073709551615'],
  [8, '0000000000000080', '-9223372036854775808', '9223372036854775808'],
] as const)(
  'L8: %i bytes %s are %s signed and %s unsigned: a number where it is exact, else text',
  (size, bytes, signed, unsigned) => {
    expect(valueOf(integerReader(size, false), bytes)).toBe(signed);
    expect(valueOf(integerReader(size, true), bytes)).toBe(unsigned);
  },
);

it('an integer that is cut is refused, and takes nothing of what follows', () => {
  for (const size of [1, 2, 3, 4, 8]) {
    for (const isUnsigned of [true, false]) {
      expect(() => valueOf(integerReader(size, isUnsigned), '00'.repeat(size - 1))).toThrow(MalformedEvent);
    }
  }
});

it('L8: a FLOAT is the shortest number that is that FLOAT, a DOUBLE itself', () => {
  expect(valueOf(readFloat, 'cdcccc3d')).toBe(0.1);
  expect(valueOf(readFloat, '00000080')).toBe(-0);
  expect(valueOf(readFloat, '01000000')).toBe(1.4013e-45);
  expect(valueOf(readFloat, 'ffff7f7f')).toBe(340_282_346_638_528_859_811_704_183_484_516_925_440);
  expect(valueOf(readFloat, '0000804b')).toBe(16_777_216);
  expect(valueOf(readDouble, '9a9999999999b93f')).toBe(0.1);
  expect(valueOf(readDouble, '0100000000000000')).toBe(5e-324);
});

it('YEAR counts from 1900, and 0 is the year 0', () => {
  expect([valueOf(readYear, '00'), valueOf(readYear, '01'), valueOf(readYear, 'ff')]).toEqual([0, 1901, 2155]);
});
