import { inflateRawSync, inflateSync } from 'node:zlib';
import type { Value } from '../row/change.ts';
import type { Cursor } from './cursor.ts';
import type { ReadValue } from './integer.ts';
import { MalformedEvent } from './malformed.ts';

/** Makes a value of a piece of an event: text by a character set, or a copy of the bytes. */
export type MakeValue = (buffer: Buffer, start: number, end: number) => Value;

/** Copies the bytes: a view would keep the whole packet. One that is most of its packet is not copied. */
export const copyBytes: MakeValue = (buffer, start, end) => {
  const view = buffer.subarray(start, end);
  return view.length * 2 > view.buffer.byteLength ? view : Buffer.from(view);
};

/** A value with its length, of `lengthSize` bytes, before it. */
export function sizedReader(lengthSize: number, make: MakeValue): ReadValue {
  if (lengthSize === 1) {
    return (c) => {
      const size = c.buffer.readUInt8(c.take(1));
      const start = c.take(size);
      return make(c.buffer, start, start + size);
    };
  }
  if (lengthSize === 2) {
    return (c) => {
      const size = c.buffer.readUInt16LE(c.take(2));
      const start = c.take(size);
      return make(c.buffer, start, start + size);
    };
  }
  return (c) => {
    const size = c.uint(lengthSize);
    const start = c.take(size);
    return make(c.buffer, start, start + size);
  };
}

/** BINARY(n): the row image leaves the zeros at its end out. */
export function padded(size: number): MakeValue {
  return (buffer, start, end) => {
    if (end - start > size) throw new MalformedEvent(`a BINARY(${size}) of ${end - start} bytes`);
    const value = Buffer.alloc(size);
    buffer.copy(value, 0, start, end);
    return value;
  };
}

/** So many bytes: BIT, highest byte first. */
export function fixedReader(size: number): ReadValue {
  return (c) => {
    const start = c.take(size);
    return copyBytes(c.buffer, start, start + size);
  };
}

/** ENUM: the position of its value, counted from 1; 0 is the empty text that the server keeps for a value that was none. */
export function enumReader(size: number, values: readonly string[]): ReadValue {
  if (size !== 1 && size !== 2) throw new MalformedEvent(`an ENUM of ${size} bytes`);
  return (c) => {
    const index = c.uint(size);
    if (index === 0) return '';
    const value = values[index - 1];
    if (value === undefined) throw new MalformedEvent(`value ${index} of an ENUM of ${values.length}`);
    return value;
  };
}

/** SET: a bit a value, the first value's lowest. */
export function setReader(size: number, values: readonly string[]): ReadValue {
  if (size < 1 || size > 8) throw new MalformedEvent(`a SET of ${size} bytes`);
  return (c) => {
    let text = '';
    const start = c.take(size);
    for (let bit = 0; bit < size * 8; bit += 1) {
      const byte = c.buffer.readUInt8(start + (bit >> 3));
      if ((byte & (1 << (bit & 7))) === 0) continue;
      const value = values[bit];
      if (value === undefined) throw new MalformedEvent(`value ${bit + 1} of a SET of ${values.length}`);
      text = text === '' ? value : `${text},${value}`;
    }
    return text;
  };
}

/**
 * MariaDB's COMPRESSED columns (sql/field_comp.cc): a byte of method (bits 4 to 7: 0 as it is, 8 zlib), size of the length behind it (bits
 * 0 to 2) and whether the stream lacks zlib's frame (bit 3). An empty value has not even that.
 */
export function decompressed(make: MakeValue): MakeValue {
  return (buffer, start, end) => {
    if (start === end) return make(buffer, start, end);
    const header = buffer.readUInt8(start);
    const method = header >> 4;
    if (method === 0) return make(buffer, start + 1, end);
    const lengthSize = header & 7;
    if (method !== 8 || lengthSize === 0 || lengthSize > 4 || start + 1 + lengthSize > end) {
      throw new MalformedEvent(`a compressed value begins with ${header}`);
    }
    const size = buffer.readUIntBE(start + 1, lengthSize);
    const inflate = (header & 8) === 0 ? inflateSync : inflateRawSync;
    const whole = inflateTo(size, () =>
      inflate(buffer.subarray(start + 1 + lengthSize, end), { maxOutputLength: Math.max(1, size) }),
    );
    return make(whole, 0, whole.length);
  };
}

/** Runs an inflation that must give exactly so many bytes. */
export function inflateTo(size: number, inflate: () => Buffer): Buffer {
  let whole: Buffer;
  try {
    whole = inflate();
  } catch (error) {
    throw new MalformedEvent('compressed bytes that cannot be inflated', { cause: error });
  }
  if (whole.length !== size) throw new MalformedEvent(`compressed bytes became ${whole.length}, not ${size}`);
  return whole;
}

/** Skips a value with its length before it. */
export function skipSized(c: Cursor, lengthSize: number): void {
  c.take(c.uint(lengthSize));
}
