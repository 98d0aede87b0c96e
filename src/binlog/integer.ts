import type { Value } from '../row/change.ts';
import { shortestFloat } from '../row/float.ts';
import type { Cursor } from './cursor.ts';

/** Reads one value that is not NULL and moves behind it. */
export type ReadValue = (cursor: Cursor) => Value;

const TWO_TO_32 = 2 ** 32;
/** The high half of 2^53. */
const SAFE_HIGH = 2 ** 21;

const signed: Readonly<Record<number, ReadValue>> = {
  1: (c) => c.buffer.readInt8(c.take(1)),
  2: (c) => c.buffer.readInt16LE(c.take(2)),
  3: (c) => c.buffer.readIntLE(c.take(3), 3),
  4: (c) => c.buffer.readInt32LE(c.take(4)),
  8: readInt64,
};

const unsigned: Readonly<Record<number, ReadValue>> = {
  1: (c) => c.buffer.readUInt8(c.take(1)),
  2: (c) => c.buffer.readUInt16LE(c.take(2)),
  3: (c) => c.buffer.readUIntLE(c.take(3), 3),
  4: (c) => c.buffer.readUInt32LE(c.take(4)),
  8: readUInt64,
};

/** An integer of so many bytes (1, 2, 3, 4 or 8); one of 64 bits beyond ±(2^53 - 1) is its decimal text. */
export function integerReader(size: number, isUnsigned: boolean): ReadValue {
  const read = (isUnsigned ? unsigned : signed)[size];
  if (read === undefined) throw new RangeError(`no integer has ${size} bytes`);
  return read;
}

function readInt64(c: Cursor): Value {
  const start = c.take(8);
  const high = c.buffer.readInt32LE(start + 4);
  if (high < SAFE_HIGH && high >= -SAFE_HIGH) {
    const value = high * TWO_TO_32 + c.buffer.readUInt32LE(start);
    // -2^53 itself is not safe: another number rounds to it.
    if (value >= Number.MIN_SAFE_INTEGER) return value;
  }
  return c.buffer.readBigInt64LE(start).toString();
}

function readUInt64(c: Cursor): Value {
  const start = c.take(8);
  const high = c.buffer.readUInt32LE(start + 4);
  if (high < SAFE_HIGH) return high * TWO_TO_32 + c.buffer.readUInt32LE(start);
  return c.buffer.readBigUInt64LE(start).toString();
}

export function readFloat(c: Cursor): Value {
  return shortestFloat(c.buffer.readFloatLE(c.take(4)));
}

export function readDouble(c: Cursor): Value {
  return c.buffer.readDoubleLE(c.take(8));
}

/** YEAR: a byte, years since 1900; 0 is the year 0000. */
export function readYear(c: Cursor): Value {
  const byte = c.u8();
  return byte === 0 ? 0 : 1900 + byte;
}
