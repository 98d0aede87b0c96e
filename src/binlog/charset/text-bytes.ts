/**
 * The strings that all character sets are read into, made the fastest way Node 20 has.
 */
import { MalformedEvent } from '../malformed.ts';

declare global {
  interface Buffer {
    /** What toString calls once it knows the encoding: 10 ns of 80 less for a short string. */
    utf8Slice(start: number, end: number): string;
    latin1Slice(start: number, end: number): string;
    ucs2Slice(start: number, end: number): string;
  }
}

/** The text of `buffer[start..end)`; throws MalformedEvent where that is no text. */
export type DecodeText = (buffer: Buffer, start: number, end: number) => string;

/** Strings of up to 12 bytes are made here: V8 joins longer ones lazily, which costs more than the call into it does. */
export const SHORT_BYTES = 12;

/** A short string of bytes below 0x80; undefined when there are others. 28 ns for 8 bytes, where utf8Slice takes 70. */
export function shortAscii(buffer: Buffer, start: number, end: number): string | undefined {
  let text = '';
  let at = start;
  if (at + 8 <= end) {
    const a = buffer[at] ?? 0;
    const b = buffer[at + 1] ?? 0;
    const c = buffer[at + 2] ?? 0;
    const d = buffer[at + 3] ?? 0;
    const e = buffer[at + 4] ?? 0;
    const f = buffer[at + 5] ?? 0;
    const g = buffer[at + 6] ?? 0;
    const h = buffer[at + 7] ?? 0;
    if ((a | b | c | d | e | f | g | h) > 0x7f) return undefined;
    text = String.fromCharCode(a, b, c, d, e, f, g, h);
    at += 8;
  }
  if (at + 4 <= end) {
    const a = buffer[at] ?? 0;
    const b = buffer[at + 1] ?? 0;
    const c = buffer[at + 2] ?? 0;
    const d = buffer[at + 3] ?? 0;
    if ((a | b | c | d) > 0x7f) return undefined;
    text += String.fromCharCode(a, b, c, d);
    at += 4;
  }
  for (; at < end; at += 1) {
    const byte = buffer[at] ?? 0;
    if (byte > 0x7f) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

const SCRATCH_BYTES = 8192;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** Room for `units` UTF-16 units in little endian, for ucs2Slice: valid until the next call. */
export function roomForUnits(units: number): Buffer {
  return units * 2 <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(units * 2);
}

/** Writes a unit; returns where the next one goes. Not a Uint16Array: its order is the machine's. */
export function writeUnit(units: Buffer, at: number, unit: number): number {
  units[at] = unit;
  units[at + 1] = unit >> 8;
  return at + 2;
}

/** The refusal of bytes that are no character of `charset`: their value could not be written back as it was. */
export function noCharacter(charset: string, bytes: Buffer): MalformedEvent {
  const hex = bytes.subarray(0, 16).toString('hex').toUpperCase();
  return new MalformedEvent(
    `the bytes ${hex}${bytes.length > 16 ? '…' : ''} of a value are no character of its character set ${charset}`,
  );
}
