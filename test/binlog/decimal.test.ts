import { expect, it } from 'vitest';
import { decimalReader, decimalSize } from '../../src/binlog/decimal.ts';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { valueOf } from './bytes.ts';

it.each([
  // The example of strings/decimal.c: 1234567890.1234 is the digits 1, 234567890, 1234.
  [14, 4, '810dfb38d204d2', '1234567890.1234'],
  [14, 4, '7ef204c72dfb2d', '-1234567890.1234'],
  [14, 4, '80000000000000', '0.0000'],
  [5, 0, '81869f', '99999'],
  [5, 0, '80000a', '10'],
  [3, 3, '83e7', '0.999'],
  [3, 3, '7c18', '-0.999'],
  [1, 0, '89', '9'],
  [1, 0, '76', '-9'],
  // Nine digits behind the point and one more.
  [12, 10, '81 00000001 05', '1.0000000015'],
  [10, 10, '80000001 05', '0.0000000015'],
] as const)('L8: DECIMAL(%i,%i) %s is %s', (precision, scale, bytes, text) => {
  expect(decimalSize(precision, scale)).toBe(bytes.replaceAll(' ', '').length / 2);
  const read = decimalReader(precision, scale);
  expect(valueOf(read, bytes)).toBe(text);
  expect(() => valueOf(read, bytes.slice(0, -2))).toThrow(MalformedEvent);
});

it('L3: groups of more digits than they have are refused', () => {
  // 1000 in three digits, 16777215 in five, 10^9 in nine, first and behind.
  expect(() => valueOf(decimalReader(3, 0), '83e8')).toThrow(MalformedEvent);
  expect(() => valueOf(decimalReader(5, 0), 'ffffff')).toThrow(MalformedEvent);
  expect(() => valueOf(decimalReader(9, 0), 'bb9aca00')).toThrow(MalformedEvent);
  expect(() => valueOf(decimalReader(18, 0), '80000001 3b9aca00')).toThrow(MalformedEvent);
  expect(() => valueOf(decimalReader(3, 3), '83e8')).toThrow(MalformedEvent);
});

it('L3: precisions and scales that no DECIMAL has are refused', () => {
  for (const [precision, scale] of [
    [0, 0],
    [66, 0],
    [5, 6],
    [65, 39],
  ] as const) {
    expect(() => decimalReader(precision, scale)).toThrow(MalformedEvent);
  }
});
