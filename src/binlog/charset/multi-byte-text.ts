/**
 * The character sets of East Asia: iconv-lite's tables, with the servers' own ideas of some characters put in.
 */
import iconv from 'iconv-lite';
import { multiByteCorrections } from './charset-tables.ts';
import { corrected, NO_CHARACTER } from './code-table.ts';
import { noCharacter, roomForUnits, SHORT_BYTES, shortAscii, writeUnit, type DecodeText } from './text-bytes.ts';

/** Which of iconv-lite's encodings is nearest to a character set. */
const iconvNames: Readonly<Record<string, string>> = {
  big5: 'cp950',
  cp932: 'shiftjis',
  eucjpms: 'eucjp',
  euckr: 'cp949',
  gb18030: 'gb18030',
  gb2312: 'cp936',
  gbk: 'cp936',
  sjis: 'shiftjis',
  ujis: 'eucjp',
};
/** Leads a character of three bytes in ujis and eucjpms (JIS X 0212), and is none and leads none alone there. */
const TRIPLE_LEAD = 0x8f;

/** Codes to characters: of one byte at 0-ff, of two at 8140-fefe; the codes of three bytes are 8fa1a1-8ffefe. */
interface MultiByteTables {
  readonly pairs: Uint16Array;
  readonly triples: Uint16Array | undefined;
}

/** iconv-lite's own tables: what the corrections of charset-tables.ts correct. Undefined for other character sets. */
export function iconvTables(charset: string): MultiByteTables | undefined {
  const name = iconvNames[charset];
  if (name === undefined) return undefined;
  const character = (...bytes: number[]): number => {
    const text = iconv.decode(Buffer.from(bytes), name);
    return text.length === 1 && text !== '\uFFFD' ? text.charCodeAt(0) : NO_CHARACTER;
  };
  const pairs = new Uint16Array(0x10000).fill(NO_CHARACTER);
  for (let byte = 0; byte <= 0xff; byte += 1) pairs[byte] = byte < 0x80 ? byte : character(byte);
  for (let lead = 0x81; lead <= 0xfe; lead += 1) {
    for (let trail = 0x40; trail <= 0xfe; trail += 1) pairs[(lead << 8) | trail] = character(lead, trail);
  }
  if (name !== 'eucjp') return { pairs, triples: undefined };
  const triples = new Uint16Array(0x10000).fill(NO_CHARACTER);
  for (let second = 0xa1; second <= 0xfe; second += 1) {
    for (let third = 0xa1; third <= 0xfe; third += 1) triples[(second << 8) | third] = character(TRIPLE_LEAD, second, third);
  }
  return { pairs, triples };
}

/** Codes of more than two bytes. */
interface LongCodes {
  readonly bytes: number;
  readonly isLong: (lead: number, second: number) => boolean;
  /** The code point of the code at `at`, or NO_CHARACTER. */
  readonly characterAt: (buffer: Buffer, at: number) => number;
}

/** Undefined when it is no character set of East Asia. Makes its tables: 10 to 40 ms, 128 KiB each. */
export function multiByteDecoder(charset: string): DecodeText | undefined {
  const tables = iconvTables(charset);
  const corrections = multiByteCorrections[charset];
  if (tables === undefined || corrections === undefined) return undefined;
  const pairs = corrected(tables.pairs, corrections.pairs);
  const long = longCodes(charset, tables.triples && corrected(tables.triples, corrections.triples));
  return (buffer, start, end) => {
    const ascii = asciiText(buffer, start, end);
    if (ascii !== undefined) return ascii;
    const units = roomForUnits(end - start);
    let length = 0;
    let at = start;
    while (at < end) {
      const first = at;
      const lead = buffer[at++] ?? 0;
      let point = pairs[lead] ?? NO_CHARACTER;
      if (point === NO_CHARACTER) {
        const second = buffer[at++] ?? 0;
        point = pairs[(lead << 8) | second] ?? NO_CHARACTER;
        if (point === NO_CHARACTER && long?.isLong(lead, second)) {
          at = first + long.bytes;
          point = long.characterAt(buffer, first);
        }
        if (point === NO_CHARACTER || at > end) throw noCharacter(charset, buffer.subarray(first, Math.min(at, end)));
      }
      if (point > 0xffff) {
        length = writeUnit(units, length, 0xd7c0 + (point >> 10));
        point = 0xdc00 | (point & 0x3ff);
      }
      length = writeUnit(units, length, point);
    }
    return units.ucs2Slice(0, length);
  };
}

function longCodes(charset: string, triples: Uint16Array | undefined): LongCodes | undefined {
  if (charset === 'gb18030') return { bytes: 4, isLong: (_, second) => isDigit(second), characterAt: quadAt };
  if (triples === undefined) return undefined;
  const characterAt = (buffer: Buffer, at: number) => triples[((buffer[at + 1] ?? 0) << 8) | (buffer[at + 2] ?? 0)] ?? NO_CHARACTER;
  return { bytes: 3, isLong: (lead) => lead === TRIPLE_LEAD, characterAt };
}

function asciiText(buffer: Buffer, start: number, end: number): string | undefined {
  if (end - start <= SHORT_BYTES) return shortAscii(buffer, start, end);
  for (let at = start; at < end; at += 1) if ((buffer[at] ?? 0) > 0x7f) return undefined;
  return buffer.latin1Slice(start, end);
}

/** The code of four bytes that GB 18030 numbers 0: those of the basic plane are 0 to 39419, the others start at 189000. */
const QUAD_BASIC_LAST = 39_419;
const QUAD_OTHERS_FIRST = 189_000;

/** The characters of the basic plane that were met: a call of iconv-lite for each costs 1 µs. */
const basicQuads = new Uint16Array(QUAD_BASIC_LAST + 1);

/** The code point of a GB 18030 character of four bytes; NO_CHARACTER when they are none. */
function quadAt(buffer: Buffer, at: number): number {
  const [first = 0, second = 0, third = 0, fourth = 0] = buffer.subarray(at, at + 4);
  const isQuad = first >= 0x81 && isDigit(second) && third >= 0x81 && isDigit(fourth);
  const number = (((first - 0x81) * 10 + second - 0x30) * 126 + third - 0x81) * 10 + fourth - 0x30;
  if (!isQuad || third > 0xfe || first > 0xfe) return NO_CHARACTER;
  if (number >= QUAD_OTHERS_FIRST && number < QUAD_OTHERS_FIRST + 0x100000) return number - QUAD_OTHERS_FIRST + 0x10000;
  if (number > QUAD_BASIC_LAST) return NO_CHARACTER;
  const known = basicQuads[number] ?? 0;
  return known > 0 ? known : (basicQuads[number] = iconv.decode(buffer.subarray(at, at + 4), 'gb18030').charCodeAt(0));
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
