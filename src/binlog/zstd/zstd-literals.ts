import { Cursor } from '../cursor.ts';
import { MalformedEvent } from '../malformed.ts';
import { decodeHuffman, readHuffmanTable, type HuffmanTable } from './zstd-entropy.ts';

/** A block's content at most (RFC 8878, section 3.1.1.2.4). */
export const BLOCK_MAX = 128 * 1024;

const Kind = { RAW: 0, RUN: 1, COMPRESSED: 2 } as const;

export interface Literals {
  readonly bytes: Buffer;
  /** The tree that the next block may take over. */
  readonly tree: HuffmanTable | undefined;
}

/** Reads the literals of a block (RFC 8878, section 3.1.1.3.1) and moves behind them. */
export function readLiterals(cursor: Cursor, last: HuffmanTable | undefined): Literals {
  const first = cursor.u8();
  cursor.at -= 1;
  const kind = first & 3;
  const form = (first >> 2) & 3;
  if (kind === Kind.RAW || kind === Kind.RUN) {
    const size = form === 1 ? cursor.u16() >> 4 : form === 3 ? cursor.uint(3) >> 4 : cursor.u8() >> 3;
    if (size > BLOCK_MAX) throw new MalformedEvent(`a zstd block of ${size} literals`);
    const bytes = kind === Kind.RAW ? cursor.bytes(size) : Buffer.alloc(size, cursor.u8());
    return { bytes, tree: last };
  }
  // Both sizes behind the first four bits.
  const sizeBits = form < 2 ? 10 : form === 2 ? 14 : 18;
  const header = cursor.uint(form < 2 ? 3 : form + 2);
  const size = Math.trunc(header / 16) % 2 ** sizeBits;
  const packedSize = Math.trunc(header / 2 ** (4 + sizeBits));
  if (size > BLOCK_MAX) throw new MalformedEvent(`a zstd block of ${size} literals`);
  const packed = new Cursor(cursor.bytes(packedSize));
  const tree = kind === Kind.COMPRESSED ? readHuffmanTable(packed) : last;
  if (tree === undefined) throw new MalformedEvent('a zstd block that goes on with a tree that there is not');
  const bytes = Buffer.allocUnsafe(size);
  if (form === 0) decodeHuffman(tree, packed.bytes(packed.left), bytes);
  else decodeFour(tree, packed, bytes);
  return { bytes, tree };
}

/** Four streams, a quarter each, of which the first three say their sizes. */
function decodeFour(tree: HuffmanTable, packed: Cursor, out: Buffer): void {
  const sizes = [packed.u16(), packed.u16(), packed.u16()];
  const quarter = (out.length + 3) >> 2;
  if (quarter * 3 > out.length) throw new MalformedEvent('a zstd block of too few literals for four streams');
  for (const [nth, size] of sizes.entries()) {
    decodeHuffman(tree, packed.bytes(size), out.subarray(nth * quarter, (nth + 1) * quarter));
  }
  decodeHuffman(tree, packed.bytes(packed.left), out.subarray(3 * quarter));
}
