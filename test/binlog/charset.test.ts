import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { charsetMaxBytes, charsetOf, decoderOfCharset } from '../../src/binlog/charset/charset.ts';
import { MalformedEvent } from '../../src/binlog/malformed.ts';

function decode(charset: string, hex: string): string {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const decoder = decoderOfCharset(charset);
  if (decoder === undefined) throw new Error(`no decoder of ${charset}`);
  const around = Buffer.concat([Buffer.from('é'), bytes, Buffer.from([0xbf, 0xbf, 0xbf])]);
  const text = decoder(around, 2, 2 + bytes.length);
  expect(decoder(bytes, 0, bytes.length), 'at the end of its buffer').toBe(text);
  return text;
}

/** How a well-formed text is written in a Unicode encoding. */
const encodings: Readonly<Record<string, (text: string) => Buffer>> = {
  utf8mb4: (text) => Buffer.from(text),
  utf16: (text) => Buffer.from(text, 'utf16le').swap16(),
  utf16le: (text) => Buffer.from(text, 'utf16le'),
  utf32: (text) => Buffer.concat(Array.from(text, utf32Bytes)),
};

function utf32Bytes(character: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(character.codePointAt(0) ?? 0);
  return bytes;
}

describe('the texts of a character set', () => {
  it('a Unicode column gives any text back as it was, of every length', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 60 });
    const mostlyAscii = fc.array(fc.oneof({ weight: 9, arbitrary: fc.string() }, texts)).map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(texts, mostlyAscii), fc.nat({ max: 20 }), (text, before) => {
        for (const [charset, encode] of Object.entries(encodings)) {
          const bytes = encode(text);
          const buffer = Buffer.concat([Buffer.alloc(before, 0xff), bytes, Buffer.alloc(3, 0x80)]);
          expect(decoderOfCharset(charset)?.(buffer, before, before + bytes.length)).toBe(text);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('bytes are UTF-8 for us exactly when they are for the standard, wherever in the value they are', () => {
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.constantFrom('ed a0 80', 'f4 90 80 80', 'c0 80', 'e0 80 80', 'ef bf bd', 'f0 9f 98', 'f5 80 80 80').map(bytesOf),
      fc.string({ unit: 'binary' }).map((text) => new Uint8Array(Buffer.from(text))),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const buffer = Buffer.concat([...pieces, Buffer.from([0x80, 0x80, 0x80])]);
        const end = buffer.length - 3;
        let expected: string | undefined;
        try {
          expected = strict.decode(buffer.subarray(0, end));
        } catch {
          expected = undefined;
        }
        if (expected === undefined) expect(() => decoderOfCharset('utf8mb4')?.(buffer, 0, end)).toThrow(MalformedEvent);
        else expect(decoderOfCharset('utf8mb4')?.(buffer, 0, end)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('a text that is not the standard’s is the server’s', () => {
    expect(decode('latin1', '80 81 8d 8f 90 9d 9f')).toBe('€\u0081\u008d\u008f\u0090\u009dŸ');
    expect(decode('swe7', '5b 5c 5d 7b 7c 7d')).toBe('ÄÖÅäöå');
    expect(decode('hp8', 'd8 db cc ce')).toBe('ÄÜäö');
    expect(decode('geostd8', 'c0 e5')).toBe('აჵ');
    expect(decode('keybcs2', '80 9b')).toBe('ČŠ');
    expect(decode('sjis', '5c 81 5f 81 60')).toBe('\\\\〜');
    expect(decode('cp932', '81 5f 81 60 f0 40')).toBe('＼～\ue000');
    expect(decode('ujis', 'a1 c1 8f a2 b7')).toBe('〜~');
    expect(decode('eucjpms', 'a1 c1 8e b1')).toBe('～ｱ');
    expect(decode('gb2312', 'a1 a4 a1 aa')).toBe('・―');
    expect(decode('gb18030', 'a3 a0 81 30 84 36 94 39 fc 36 84 31 a4 39 e3 32 9a 35')).toBe('\ue5e5¥😀\uffff\u{10ffff}');
    expect(decode('big5', 'a1 45 a4 a4')).toBe('•中');
  });

  it('bytes that are no character are refused by name, never replaced', () => {
    const refused: [string, string, string][] = [
      ['cp1250', '41 81', '81'],
      ['ascii', '41 c3 a9', 'C3'],
      ['swe7', '7f', '7F'],
      ['big5', 'a1 fe', 'A1FE'],
      ['gbk', '41 a2 e3', 'A2E3'],
      ['gbk', '41 81', '81'],
      ['sjis', '82 40', '8240'],
      ['ujis', '8f a1 a1', '8FA1A1'],
      ['ujis', '8f b0', '8FB0'],
      ['gb18030', '84 31 a5 30', '8431A530'],
      ['gb18030', 'e3 32 9a 36', 'E3329A36'],
      ['gb18030', '81 30 81', '813081'],
      ['ucs2', '00 61 d8 3d de 00', '0061D83DDE00'],
      ['ucs2', '00 61 00', '006100'],
      ['utf16', 'd8 3d', 'D83D'],
      ['utf16', 'de 00 d8 3d', 'DE00D83D'],
      ['utf16le', '3d d8 61 00', '3DD86100'],
      ['utf32', '00 00 d8 00', '0000D800'],
      ['utf32', '00 11 00 00', '00110000'],
      ['utf32', '00 00 61', '000061'],
      ['utf8mb3', 'ed a0 80', 'EDA080'],
      ['utf8mb4', '61'.repeat(20) + 'ed a0 80', '61616161616161616161616161616161…'],
    ];
    for (const [charset, hex, named] of refused) {
      const decoding = () => decode(charset, hex);
      expect(decoding, `${charset} ${hex}`).toThrow(MalformedEvent);
      expect(decoding).toThrow(`the bytes ${named} of a value are no character of its character set ${charset}`);
    }
  });

  it('a value of many megabytes is read whole', () => {
    const length = 1_200_000;
    const text = '中é😀'.repeat(length / 4);
    for (const [charset, encode] of Object.entries(encodings)) {
      const bytes = encode(text);
      expect(decoderOfCharset(charset)?.(bytes, 0, bytes.length) === text, charset).toBe(true);
    }
    expect(decoderOfCharset('gbk')?.(Buffer.from('d6d0'.repeat(length), 'hex'), 0, length * 2) === '中'.repeat(length)).toBe(true);
    expect(decoderOfCharset('cp1251')?.(Buffer.alloc(length, 0xff), 0, length) === 'я'.repeat(length)).toBe(true);
  });

  it('a collation is known by the number of its own server', () => {
    expect(charsetOf(255, 'mysql')).toBe('utf8mb4');
    expect(charsetOf(255, 'mariadb')).toBeUndefined();
    expect(charsetOf(2304, 'mariadb')).toBe('utf8mb4');
    expect(charsetOf(2304, 'mysql')).toBeUndefined();
    expect(charsetOf(63, 'mysql')).toBe('binary');
    expect(charsetOf(0, 'mysql')).toBeUndefined();
    expect(decoderOfCharset('binary')).toBeUndefined();
    expect(decoderOfCharset('klingon')).toBeUndefined();
    expect([charsetMaxBytes('latin1'), charsetMaxBytes('ujis'), charsetMaxBytes('binary')]).toEqual([1, 3, 1]);
  });
});

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}
