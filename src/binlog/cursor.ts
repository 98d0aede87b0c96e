import { MalformedEvent } from './malformed.ts';

/**
 * Reads a piece of an event from left to right. Whatever reaches over the end throws MalformedEvent, so a truncated event never takes
 * bytes of the one behind it. All numbers are little-endian unless a name says otherwise.
 */
export class Cursor {
  readonly buffer: Buffer;
  at: number;
  readonly end: number;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** Moves over `size` bytes and gives where they begin. */
  take(size: number): number {
    const start = this.at;
    const next = start + size;
    if (!(next <= this.end && size >= 0)) throw truncated(size, this.end - start);
    this.at = next;
    return start;
  }

  u8(): number {
    return this.buffer.readUInt8(this.take(1));
  }

  u16(): number {
    return this.buffer.readUInt16LE(this.take(2));
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.take(4));
  }

  u48(): number {
    return this.buffer.readUIntLE(this.take(6), 6);
  }

  u64(): bigint {
    return this.buffer.readBigUInt64LE(this.take(8));
  }

  /** A number of one to six bytes. */
  uint(size: number): number {
    return this.buffer.readUIntLE(this.take(size), size);
  }

  /** MySQL's length-encoded integer; one beyond 2^53 is no length and throws. */
  lengthEncoded(): number {
    const first = this.u8();
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.u16();
    if (first === 0xfd) return this.uint(3);
    if (first !== 0xfe) throw new MalformedEvent(`no length begins with ${first}`);
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new MalformedEvent(`a length of ${value}`);
    return Number(value);
  }

  /** The next bytes, as a view. */
  bytes(size: number): Buffer {
    const start = this.take(size);
    return this.buffer.subarray(start, start + size);
  }

  utf8(size: number): string {
    const start = this.take(size);
    return this.buffer.toString('utf8', start, start + size);
  }
}

function truncated(size: number, left: number): MalformedEvent {
  return new MalformedEvent(`${size} bytes are needed where ${left} are left`);
}
