import type { Cursor } from './cursor.ts';
import type { ReadValue } from './integer.ts';
import { MalformedEvent } from './malformed.ts';

/** Bytes that so many left-over decimal digits take. */
const BYTES_OF_DIGITS = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const DIGITS_PER_GROUP = 9;
const PRECISION_MAX = 65;
const SCALE_MAX = 38;

/** How many bytes a DECIMAL takes. */
export function decimalSize(precision: number, scale: number): number {
  const integral = precision - scale;
  const groups = Math.trunc(integral / DIGITS_PER_GROUP) + Math.trunc(scale / DIGITS_PER_GROUP);
  return groups * 4 + leftOver(integral) + leftOver(scale);
}

function leftOver(digits: number): number {
  return BYTES_OF_DIGITS[digits % DIGITS_PER_GROUP] ?? 0;
}

/**
 * DECIMAL as its exact text, as the server prints it (MySQL strings/decimal.c, bin2decimal): big-endian groups of nine digits, the
 * left-over digits of the integer part first and those of the fraction last, all bits turned over in a negative number, and the first
 * bit of all turned over once more.
 */
export function decimalReader(precision: number, scale: number): ReadValue {
  if (precision < 1 || precision > PRECISION_MAX || scale > Math.min(precision, SCALE_MAX)) {
    throw new MalformedEvent(`no DECIMAL is (${precision},${scale})`);
  }
  const integral = precision - scale;
  const size = decimalSize(precision, scale);
  const headBytes = leftOver(integral);
  const headDigits = integral % DIGITS_PER_GROUP;
  const tailDigits = scale % DIGITS_PER_GROUP;
  const tailBytes = leftOver(scale);
  const integralGroups = Math.trunc(integral / DIGITS_PER_GROUP);
  const fractionGroups = Math.trunc(scale / DIGITS_PER_GROUP);
  const firstBytes = headBytes > 0 ? headBytes : 4;

  const readPart = (c: Cursor, at: number, bytes: number, mask: number): number => {
    const word = bytes === 4 ? c.buffer.readInt32BE(at) : c.buffer.readIntBE(at, bytes);
    return word ^ mask;
  };

  return (c) => {
    let at = c.take(size);
    const isNegative = (c.buffer.readUInt8(at) & 0x80) === 0;
    const mask = isNegative ? -1 : 0;
    let text = '';
    const integralEnd = at + headBytes + integralGroups * 4;
    for (let bytes = firstBytes, isFirst = true; at < integralEnd; bytes = 4, isFirst = false) {
      const isHead = isFirst && headBytes > 0;
      let group = readPart(c, at, bytes, mask);
      // The first bit says the sign, and is no digit.
      if (isFirst) group ^= -(2 ** (bytes * 8 - 1));
      at += bytes;
      if (text !== '') text += digitsOf(group, DIGITS_PER_GROUP);
      else if (group !== 0) text = leadingDigits(group, isHead ? headDigits : DIGITS_PER_GROUP);
    }
    if (text === '') text = '0';
    if (scale > 0) {
      const isFraction = integral === 0;
      text += '.';
      for (let group = 0; group < fractionGroups; group += 1) {
        const flip = isFraction && group === 0 ? -(2 ** 31) : 0;
        text += digitsOf(readPart(c, at, 4, mask) ^ flip, DIGITS_PER_GROUP);
        at += 4;
      }
      if (tailBytes > 0) {
        const flip = isFraction && fractionGroups === 0 ? -(2 ** (tailBytes * 8 - 1)) : 0;
        text += digitsOf(readPart(c, at, tailBytes, mask) ^ flip, tailDigits);
      }
    }
    return isNegative ? `-${text}` : text;
  };
}

function digitsOf(group: number, digits: number): string {
  return leadingDigits(group, digits).padStart(digits, '0');
}

/** A group that stands first: without zeros before it. */
function leadingDigits(group: number, digits: number): string {
  if (group < 0 || group >= 10 ** digits) throw new MalformedEvent('a DECIMAL has a group that is no digits');
  return String(group);
}
