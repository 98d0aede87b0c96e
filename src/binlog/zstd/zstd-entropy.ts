import { Cursor } from '../cursor.ts';
import { MalformedEvent } from '../malformed.ts';
import { BackwardBits, ForwardBits, highBit } from './zstd-bits.ts';

/** A table of finite state entropy: by state, its symbol, and the next state: a base and so many bits (RFC 8878, section 4.1). */
export interface FseTable {
  readonly accuracy: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  readonly bases: Uint16Array;
}

/** A symbol that stands alone: no bits are read for it. */
export function fseOfOne(symbol: number): FseTable {
  return { accuracy: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), bases: new Uint16Array(1) };
}

/** The table of a distribution: of each symbol, of how many states it is; -1: of one that reads all of its bits. */
export function fseTable(accuracy: number, counts: readonly number[]): FseTable {
  const size = 1 << accuracy;
  const symbols = new Uint8Array(size);
  const next = new Uint16Array(counts.length);
  let high = size;
  for (const [symbol, count] of counts.entries()) {
    next[symbol] = Math.abs(count);
    if (count === -1) symbols[(high -= 1)] = symbol;
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let nth = 0; nth < count; nth += 1) {
      symbols[at] = symbol;
      do at = (at + step) & (size - 1);
      while (at >= high);
    }
  }
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state += 1) {
    const symbol = symbols[state] ?? 0;
    const nth = next[symbol] ?? 0;
    next[symbol] = nth + 1;
    const count = accuracy - highBit(nth);
    bits[state] = count;
    bases[state] = (nth << count) - size;
  }
  return { accuracy, symbols, bits, bases };
}

/** Reads the description of a table and moves behind it. */
export function readFseTable(cursor: Cursor, limits: { readonly accuracy: number; readonly symbols: number }): FseTable {
  const stream = new ForwardBits(cursor.buffer.subarray(cursor.at, cursor.end));
  const accuracy = stream.read(4) + 5;
  if (accuracy > limits.accuracy) throw new MalformedEvent(`a zstd table of ${accuracy} bits`);
  const counts: number[] = [];
  let left = 1 << accuracy;
  while (left > 0 && counts.length < limits.symbols) {
    const count = readCount(stream, left);
    left -= Math.abs(count);
    counts.push(count);
    if (count === 0) readZeros(stream, counts, limits.symbols);
  }
  if (left !== 0 || counts.length > limits.symbols) throw new MalformedEvent('a zstd table that is not whole');
  cursor.take(stream.size);
  return fseTable(accuracy, counts);
}

/** A number of up to `left` + 1, less one; the smaller ones take a bit less. */
function readCount(stream: ForwardBits, left: number): number {
  const bits = highBit(left + 1) + 1;
  const value = stream.read(bits);
  const lowMask = (1 << (bits - 1)) - 1;
  const threshold = (1 << bits) - 2 - left;
  if ((value & lowMask) < threshold) {
    stream.back(1);
    return (value & lowMask) - 1;
  }
  return (value > lowMask ? value - threshold : value) - 1;
}

function readZeros(stream: ForwardBits, counts: number[], limit: number): void {
  for (let repeat = 3; repeat === 3 && counts.length <= limit;) {
    repeat = stream.read(2);
    for (let nth = 0; nth < repeat; nth += 1) counts.push(0);
  }
}

/** Huffman codes by their first `maxBits` bits: the symbol, and how many of the bits are its own (RFC 8878, section 4.2). */
export interface HuffmanTable {
  readonly maxBits: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
}

const HUFFMAN_BITS_MAX = 11;
const WEIGHT_ACCURACY_MAX = 6;
const WEIGHTS_MAX = 255;

/** Reads the description of a tree and moves behind it. */
export function readHuffmanTable(cursor: Cursor): HuffmanTable {
  const header = cursor.u8();
  if (header < 128) return huffmanTable(readWeights(cursor.bytes(header)));
  const count = header - 127;
  const bytes = cursor.bytes((count + 1) >> 1);
  return huffmanTable(Array.from({ length: count }, (_, nth) => (bytes.readUInt8(nth >> 1) >> (nth % 2 === 0 ? 4 : 0)) & 15));
}

/** Weights by two states in turn, until the bits are at an end. */
function readWeights(bytes: Buffer): number[] {
  const cursor = new Cursor(bytes);
  const table = readFseTable(cursor, { accuracy: WEIGHT_ACCURACY_MAX, symbols: HUFFMAN_BITS_MAX + 2 });
  const stream = new BackwardBits(bytes.subarray(cursor.at));
  const weights: number[] = [];
  let state = stream.read(table.accuracy);
  let other = stream.read(table.accuracy);
  while (weights.length < WEIGHTS_MAX) {
    weights.push(table.symbols[state] ?? 0);
    const next = (table.bases[state] ?? 0) + stream.read(table.bits[state] ?? 0);
    if (stream.left < 0) {
      weights.push(table.symbols[other] ?? 0);
      return weights;
    }
    state = other;
    other = next;
  }
  throw new MalformedEvent('a zstd tree of too many weights');
}

/** A symbol's weight is the number of bits that its code lacks to the longest, and one; 0: it has no code. The last one is not written. */
function huffmanTable(weights: number[]): HuffmanTable {
  const sum = weights.reduce((total, weight) => total + (weight === 0 ? 0 : 2 ** (weight - 1)), 0);
  const maxBits = highBit(sum) + 1;
  const rest = 2 ** maxBits - sum;
  if (sum === 0 || maxBits > HUFFMAN_BITS_MAX || (rest & (rest - 1)) !== 0 || weights.length > WEIGHTS_MAX) {
    throw new MalformedEvent('a zstd tree that is none');
  }
  weights.push(highBit(rest) + 1);
  const symbols = new Uint8Array(1 << maxBits);
  const bits = new Uint8Array(1 << maxBits);
  let at = 0;
  // The longest codes come first, and those of a length in the order of their symbols.
  for (let weight = 1; weight <= maxBits; weight += 1) {
    for (const [symbol, own] of weights.entries()) {
      if (own !== weight) continue;
      const end = at + 2 ** (weight - 1);
      symbols.fill(symbol, at, end);
      bits.fill(maxBits + 1 - weight, at, end);
      at = end;
    }
  }
  return { maxBits, symbols, bits };
}

/** Decodes a stream into the whole of `out`. */
export function decodeHuffman({ maxBits, symbols, bits }: HuffmanTable, bytes: Buffer, out: Buffer): void {
  const stream = new BackwardBits(bytes);
  const mask = (1 << maxBits) - 1;
  let state = stream.read(maxBits);
  for (let at = 0; at < out.length; at += 1) {
    out[at] = symbols[state] ?? 0;
    const count = bits[state] ?? 0;
    state = ((state << count) & mask) | stream.read(count);
  }
  // The last code's bits are read, and as many zeros as were looked at ahead.
  if (stream.left !== -maxBits) throw new MalformedEvent('a zstd stream of another size');
}
