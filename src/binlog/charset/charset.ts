/**
 * Character sets: which one a collation's number means, and how its bytes are read as text.
 *
 * A table map says of each text column the number of its collation; a row's bytes are in that collation's character set, as
 * the column stores them. The text is what the server gives a client of utf8mb4 for the column, character by character: its
 * tables differ from the standards, and from every library, in many places. Both servers' tables agree in every character.
 *
 * A column may hold bytes that are no character of its set (most sets of one byte take every byte, and those of East Asia take
 * every pair of the right form). A SELECT shows them as `?`, or as U+FFFD, and writing that back would lose what was there:
 * a MalformedEvent is thrown, that names them. Characters that a set has twice (398 in cp932) have one text, and a server that
 * is given that writes the code it prefers: the value is the same for every client, its bytes need not be.
 */
import { mariadbCollations, mysqlCollations, sharedCollations } from './collation-ids.ts';
import { multiByteDecoder } from './multi-byte-text.ts';
import { oneByteDecoder } from './one-byte-text.ts';
import type { DecodeText } from './text-bytes.ts';
import { decodeUtf32, utf16Decoder, utf8Decoder } from './unicode-text.ts';

export type { DecodeText } from './text-bytes.ts';

type Flavour = 'mysql' | 'mariadb';

const collations: Readonly<Record<Flavour, ReadonlyMap<number, string>>> = {
  mysql: charsetsById(sharedCollations, mysqlCollations),
  mariadb: charsetsById(sharedCollations, mariadbCollations),
};

/** The character set of a collation's number, as information_schema names it; undefined for a number the server has not. */
export function charsetOf(collation: number, flavour: Flavour): string | undefined {
  return collations[flavour].get(collation);
}

const decoders = new Map<string, DecodeText | undefined>();

/** How the bytes of a character set are read as text. Undefined for `binary`, whose bytes are none, and for unknown sets. */
export function decoderOfCharset(charset: string): DecodeText | undefined {
  if (!decoders.has(charset)) decoders.set(charset, makeDecoder(charset));
  return decoders.get(charset);
}

function makeDecoder(charset: string): DecodeText | undefined {
  switch (charset) {
    case 'utf8':
    case 'utf8mb3':
    case 'utf8mb4':
      return utf8Decoder(charset);
    case 'ucs2':
      return utf16Decoder({ charset, isLittleEndian: false, hasPairs: false });
    case 'utf16':
    case 'utf16le':
      return utf16Decoder({ charset, isLittleEndian: charset === 'utf16le', hasPairs: true });
    case 'utf32':
      return decodeUtf32;
    default:
      return oneByteDecoder(charset) ?? multiByteDecoder(charset);
  }
}

const maxBytes: Readonly<Record<string, number>> = {
  big5: 2,
  cp932: 2,
  eucjpms: 3,
  euckr: 2,
  gb18030: 4,
  gb2312: 2,
  gbk: 2,
  sjis: 2,
  ucs2: 2,
  ujis: 3,
  utf16: 4,
  utf16le: 4,
  utf32: 4,
  utf8: 3,
  utf8mb3: 3,
  utf8mb4: 4,
};

/** How many bytes a character of the set has at most (`mbmaxlen`); 1 for all sets that are not of more. */
export function charsetMaxBytes(charset: string): number {
  return maxBytes[charset] ?? 1;
}

/** `latin1: 5 8 15 47-49`, a character set a line. */
function charsetsById(...texts: readonly string[]): Map<number, string> {
  const charsets = new Map<number, string>();
  for (const line of texts.join('\n').trim().split(/\n+/)) {
    const [charset = '', ids = ''] = line.trim().split(': ');
    for (const range of ids.split(' ')) {
      const [first = '', last = first] = range.split('-');
      for (let id = Number(first); id <= Number(last); id += 1) charsets.set(id, charset);
    }
  }
  return charsets;
}
