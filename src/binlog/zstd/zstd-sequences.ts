import type { Cursor } from '../cursor.ts';
import { MalformedEvent } from '../malformed.ts';
import { BackwardBits } from './zstd-bits.ts';
import { fseOfOne, fseTable, readFseTable, type FseTable } from './zstd-entropy.ts';

/** What a code of a length stands for: from which on, and how many bits are added. */
interface Codes {
  readonly bases: readonly number[];
  readonly bits: readonly number[];
}

/** Codes of so many bits each, one behind the other; counted from `first`. */
function codesOf(first: number, bits: readonly number[]): Codes {
  let base = first;
  const bases = bits.map((count) => {
    const own = base;
    base += 2 ** count;
    return own;
  });
  return { bases, bits };
}

const zeros = (count: number) => Array.from({ length: count }, () => 0);
/** RFC 8878, section 3.1.1.3.2.1.1. */
const literalCodes = codesOf(0, [...zeros(16), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
const matchCodes = codesOf(3, [...zeros(32), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

interface Kind {
  readonly symbols: number;
  readonly accuracy: number;
  readonly usual: FseTable;
}

const ones = (count: number, of = 1) => Array.from({ length: count }, () => of);
/** The usual distributions: section 3.1.1.3.2.2. */
const literalKind: Kind = {
  symbols: 36,
  accuracy: 9,
  usual: fseTable(6, [4, 3, ...ones(11, 2), 1, 1, 1, ...ones(9, 2), 3, 2, 1, 1, 1, 1, 1, ...ones(4, -1)]),
};
const offsetKind: Kind = {
  symbols: 32,
  accuracy: 8,
  usual: fseTable(5, [...ones(6), 2, 2, 2, ...ones(15), ...ones(5, -1)]),
};
const matchKind: Kind = {
  symbols: 53,
  accuracy: 9,
  usual: fseTable(6, [1, 4, 3, ...ones(6, 2), ...ones(37), ...ones(7, -1)]),
};

/** Tables that a block may take over from the one before it. */
export interface SequenceTables {
  literals?: FseTable;
  offsets?: FseTable;
  matches?: FseTable;
}

/** So many literals, then so many bytes again from so far back; `offset` is as written, with 1 to 3 for the last ones. */
export type TakeSequence = (literals: number, match: number, offset: number) => void;

/** Reads the sequences of a block (section 3.1.1.3.2). */
export function readSequences(cursor: Cursor, tables: SequenceTables, take: TakeSequence): void {
  const count = readCount(cursor);
  if (count === 0) {
    if (cursor.left > 0) throw new MalformedEvent('a zstd block with bytes behind its end');
    return;
  }
  const modes = cursor.u8();
  if ((modes & 3) !== 0) throw new MalformedEvent('a zstd block of a kind that is not known');
  const literals = (tables.literals = readTable(cursor, modes >> 6, literalKind, tables.literals));
  const offsets = (tables.offsets = readTable(cursor, (modes >> 4) & 3, offsetKind, tables.offsets));
  const matches = (tables.matches = readTable(cursor, (modes >> 2) & 3, matchKind, tables.matches));
  const stream = new BackwardBits(cursor.bytes(cursor.left));
  let literal = stream.read(literals.accuracy);
  let offset = stream.read(offsets.accuracy);
  let match = stream.read(matches.accuracy);
  for (let nth = 1; ; nth += 1) {
    const offsetCode = offsets.symbols[offset] ?? 0;
    const matchCode = matches.symbols[match] ?? 0;
    const literalCode = literals.symbols[literal] ?? 0;
    const far = 2 ** offsetCode + stream.read(offsetCode);
    const size = (matchCodes.bases[matchCode] ?? 0) + stream.read(matchCodes.bits[matchCode] ?? 0);
    const before = (literalCodes.bases[literalCode] ?? 0) + stream.read(literalCodes.bits[literalCode] ?? 0);
    if (stream.left < 0) throw new MalformedEvent('zstd sequences that reach over their end');
    take(before, size, far);
    if (nth === count) break;
    literal = (literals.bases[literal] ?? 0) + stream.read(literals.bits[literal] ?? 0);
    match = (matches.bases[match] ?? 0) + stream.read(matches.bits[match] ?? 0);
    offset = (offsets.bases[offset] ?? 0) + stream.read(offsets.bits[offset] ?? 0);
  }
  if (stream.left !== 0) throw new MalformedEvent('zstd sequences of another size');
}

function readCount(cursor: Cursor): number {
  const first = cursor.u8();
  if (first < 128) return first;
  if (first < 255) return ((first - 128) << 8) + cursor.u8();
  return cursor.u16() + 0x7f00;
}

const Mode = { USUAL: 0, ONE: 1, WRITTEN: 2, SAME: 3 } as const;

function readTable(cursor: Cursor, mode: number, kind: Kind, last: FseTable | undefined): FseTable {
  if (mode === Mode.USUAL) return kind.usual;
  if (mode === Mode.WRITTEN) return readFseTable(cursor, kind);
  if (mode === Mode.SAME && last !== undefined) return last;
  const symbol = mode === Mode.ONE ? cursor.u8() : kind.symbols;
  if (symbol >= kind.symbols) throw new MalformedEvent('a zstd block with a code that is none');
  return fseOfOne(symbol);
}
