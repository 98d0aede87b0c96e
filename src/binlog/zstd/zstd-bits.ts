import { MalformedEvent } from '../malformed.ts';

/** The place of the highest bit that is set: 0 of 1; -1 of 0. */
export function highBit(value: number): number {
  return 31 - Math.clz32(value);
}

/**
 * A bit stream of zstd that is read from its end (RFC 8878, section 4.1): the highest bit that is set in its last byte only marks where it
 * begins. What is read before its start is zeros, and `left` is below 0 then.
 */
export class BackwardBits {
  readonly #bytes: Buffer;
  /** How many bits are still to be read. */
  left: number;

  constructor(bytes: Buffer) {
    const last = bytes[bytes.length - 1] ?? 0;
    if (last === 0) throw new MalformedEvent('a zstd bit stream without its end');
    this.#bytes = bytes;
    this.left = (bytes.length - 1) * 8 + highBit(last);
  }

  /** The next bits, up to 31. */
  read(count: number): number {
    if (count > 24) return this.read(count - 16) * 65_536 + this.read(16);
    const at = (this.left -= count);
    const bytes = this.#bytes;
    const first = at >> 3;
    const word =
      (bytes[first] ?? 0) | ((bytes[first + 1] ?? 0) << 8) | ((bytes[first + 2] ?? 0) << 16) | ((bytes[first + 3] ?? 0) << 24);
    return (word >>> (at & 7)) & ((1 << count) - 1);
  }
}

/** A bit stream that is read from its start; zeros stand behind its end. */
export class ForwardBits {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The next bits, up to 16. */
  read(count: number): number {
    const first = this.#at >> 3;
    const word = (this.#bytes[first] ?? 0) | ((this.#bytes[first + 1] ?? 0) << 8) | ((this.#bytes[first + 2] ?? 0) << 16);
    const value = (word >>> (this.#at & 7)) & ((1 << count) - 1);
    this.#at += count;
    return value;
  }

  back(count: number): void {
    this.#at -= count;
  }

  /** Bytes of which a bit was read. */
  get size(): number {
    return (this.#at + 7) >> 3;
  }
}
