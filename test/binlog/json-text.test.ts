import { describe, expect, it } from 'vitest';
import { jsonText } from '../../src/binlog/json/json-text.ts';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { documents } from './json-samples.ts';

const text = (bytes: Buffer) => jsonText(bytes, 0, bytes.length);
const ofBytes = (...bytes: number[]) => text(Buffer.from(bytes));

function double(value: number): string {
  const bytes = Buffer.alloc(9, 11);
  bytes.writeDoubleLE(value, 1);
  return text(bytes);
}

/** A small array whose elements are these type-and-offset entries, and what is behind them. */
function smallArray(entries: readonly (readonly [type: number, offset: number])[], behind: readonly number[] = []): Buffer {
  const bytes = [0, 0, 0, 0, ...entries.flatMap(([type, offset]) => [type, offset & 255, offset >> 8]), ...behind];
  const document = Buffer.from([2, ...bytes]);
  document.writeUInt16LE(entries.length, 1);
  document.writeUInt16LE(bytes.length, 3);
  return document;
}

describe('the text of MySQL binary JSON', () => {
  it('values of columns within JSON are those that the server prints', () => {
    expect(documents.map(text)[1]).toBe(
      `{"b": "base64:type15:${'eHh4'.repeat(19)}\\n${'eHh4'.repeat(7)}eHg=", "d": -12.345, "e": 1e300, "f": 0.1, ` +
        '"i": -9223372036854775808, "n": null, "t": "-838:59:58.000001", "u": 18446744073709551615, ' +
        '"ts": "2024-02-29 23:59:59.999999", "date": "2024-02-29"}',
    );
  });

  it('doubles are printed as the server prints them', () => {
    const known: readonly (readonly [number, string])[] = [
      [0, '0.0'],
      [-0, '-0.0'],
      [1, '1.0'],
      [0.1, '0.1'],
      [1e14, '100000000000000.0'],
      [999_999_999_999_999, '999999999999999.0'],
      [1e15, '1e15'],
      [1_234_567_890_123_456, '1.234567890123456e15'],
      [1_234_567_890_123_456.5, '1234567890123456.5'],
      [1e100, '1e100'],
      [-1.5e-7, '-0.00000015'],
      [1e-15, '0.000000000000001'],
      [1.25e-15, '0.00000000000000125'],
      [9.5e-16, '9.5e-16'],
      [5e-324, '5e-324'],
      [Number.MAX_VALUE, '1.7976931348623157e308'],
    ];
    for (const [value, printed] of known) expect(double(value)).toBe(printed);
  });

  it('a value lies anywhere in a buffer, and nothing around it is read', () => {
    for (const document of documents) {
      const around = Buffer.concat([Buffer.alloc(7, 0xff), document, Buffer.alloc(9, 0x41)]);
      expect(jsonText(around, 7, 7 + document.length)).toBe(text(document));
    }
  });

  it('no bytes at all are the JSON null', () => {
    expect(jsonText(Buffer.from('xx'), 1, 1)).toBe('null');
  });

  it('an opaque VAR_STRING is a string, as the server treats it', () => {
    expect(ofBytes(15, 253, 3, 0x61, 0x22, 0x62)).toBe('"a\\"b"');
  });

  it('control characters are escaped, and nothing else but quote and backslash', () => {
    const characters = Array.from({ length: 0x21 }, (_, i) => i);
    const bytes = Buffer.from([12, characters.length + 7, ...characters, 0x22, 0x5c, 0x2f, 0x7f, 0xe2, 0x80, 0xa8]);
    expect(text(bytes)).toBe(
      `"${characters.map((code) => JSON.stringify(String.fromCharCode(code)).slice(1, -1)).join('')}\\"\\\\/\x7f\u2028"`,
    );
  });

  it('texts that just fit what is kept for them, and those that just do not, are whole', () => {
    for (let size = 262_144 - 20; size <= 262_144 + 4; size++) {
      for (const escaped of ['"', '\x01', '"\x01"', '\x01'.repeat(30), 'é"']) {
        const string = escaped + 'x'.repeat(size - Buffer.byteLength(escaped));
        const length = [(size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, size >> 14];
        expect(text(Buffer.from([12, ...length, ...Buffer.from(string)])) === JSON.stringify(string), `${size} bytes`).toBe(true);
      }
    }
  });

  it('a hundred levels are read, and no more', () => {
    const nested = (levels: number) => {
      let bytes: Buffer = Buffer.from([2, 0, 0, 4, 0]);
      for (let i = 1; i < levels; i++) bytes = smallArray([[2, 7]], [...bytes.subarray(1)]);
      return bytes;
    };
    expect(text(nested(100))).toBe('['.repeat(100) + ']'.repeat(100));
    expect(() => text(nested(101))).toThrow(MalformedEvent);
  });
});

describe('bytes that are no JSON', () => {
  it('types, literals, numbers and lengths that there are not are refused', () => {
    const wrong = [
      [13],
      [4],
      [4, 3],
      [5, 1],
      [9, 1, 2, 3],
      [11, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f],
      [12],
      [12, 5, 0x61],
      [12, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
      [12, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [15],
      [15, 246],
      [15, 246, 2, 0, 0],
      [15, 246, 4, 9, 40, 0x80, 0],
      [15, 246, 6, 1, 2, 0x80, 0, 0, 0],
      [15, 12, 7, 0, 0, 0, 0, 0, 0, 0],
      [2, 1, 0],
      [2, 1, 0, 200, 0, 4, 0, 0],
      [2, 9, 0, 7, 0, 4, 0, 0],
      [0, 1, 0, 12, 0, 11, 0, 9, 0, 4, 0, 0, 0x61],
      [3, 255, 255, 255, 255, 255, 255, 255, 255],
    ];
    for (const bytes of wrong) expect(() => ofBytes(...bytes), bytes.join()).toThrow(MalformedEvent);
  });

  it('an end behind the buffer is refused', () => {
    expect(() => jsonText(Buffer.from([4, 1]), 0, 3)).toThrow(MalformedEvent);
  });

  it('an offset into the tables is refused: no value holds itself', () => {
    expect(() => text(smallArray([[2, 0]]))).toThrow(MalformedEvent);
    expect(() => text(smallArray([[2, 4]]))).toThrow(MalformedEvent);
  });

  it('a key is within its own object, though the document has bytes behind it', () => {
    const object = (keyAt: number) => [1, 0, 12, 0, keyAt, 0, 1, 0, 4, 0, 0, 0x61];
    const document = (keyAt: number) =>
      smallArray(
        [
          [0, 10],
          [12, 22],
        ],
        [...object(keyAt), 1, 0x62],
      );
    expect(text(document(11))).toBe('[{"a": null}, "b"]');
    expect(() => text(document(12))).toThrow('a JSON key outside of its object');
    expect(() => text(document(8))).toThrow('a JSON key outside of its object');
  });

  it('values that share their bytes are refused in the time of a document, not in the time of what they would print', () => {
    // each level holds the next one many times: 20 ** 90 strings
    const levels = 90;
    const width = 20;
    const table = 4 + width * 3;
    const parts: number[] = [];
    for (let level = 0; level < levels; level++) {
      const size = (levels - level) * table + 2;
      parts.push(width, 0, size & 255, size >> 8);
      for (let i = 0; i < width; i++) parts.push(level === levels - 1 ? 12 : 2, table, 0);
    }
    expect(() => ofBytes(2, ...parts, 1, 0x61)).toThrow('whose parts overlap');
    // one long string, thousands of times
    const many = smallArray(
      Array.from({ length: 10_000 }, () => [12, 30_004] as const),
      [0x80, 0x40, ...Array.from({ length: 8192 }, () => 0x61)],
    );
    expect(() => text(many)).toThrow('whose parts overlap');
  });

  it('a failed text leaves nothing behind in the next one', () => {
    expect(() =>
      text(
        smallArray(
          [
            [4, 1],
            [13, 10],
          ],
          [0],
        ),
      ),
    ).toThrow(MalformedEvent);
    expect(ofBytes(4, 2)).toBe('false');
  });
});
