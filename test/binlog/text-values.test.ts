import { deflateRawSync, deflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { inflateEventPart } from '../../src/binlog/rows-event.ts';
import { copyBytes, decompressed, enumReader, fixedReader, padded, setReader, sizedReader } from '../../src/binlog/text-values.ts';
import { hex, valueOf } from './bytes.ts';

it('a value has its length before it, of one to four bytes', () => {
  for (const [size, length] of [
    [1, '03'],
    [2, '0300'],
    [3, '030000'],
    [4, '03000000'],
  ] as const) {
    expect(valueOf(sizedReader(size, copyBytes), `${length}010203`)).toEqual(hex('010203'));
    expect(() => valueOf(sizedReader(size, copyBytes), `${length}0102`)).toThrow(MalformedEvent);
  }
});

it('L8: a BINARY has the zeros again that the event leaves out; more bytes than it has are refused', () => {
  expect(valueOf(sizedReader(1, padded(4)), '020102')).toEqual(hex('01020000'));
  expect(() => valueOf(sizedReader(1, padded(1)), '020102')).toThrow(MalformedEvent);
});

it('a BIT is its bytes, and a copy: the packet is not kept', () => {
  const bytes = valueOf(fixedReader(2), '0aaa');
  expect(bytes).toEqual(hex('0aaa'));
});

it('L8: an ENUM is its value, and 0 the empty one of an error; L3: other positions are refused', () => {
  expect(valueOf(enumReader(1, ['a', 'b,c']), '02')).toBe('b,c');
  expect(valueOf(enumReader(2, ['a', 'b']), '0100')).toBe('a');
  expect(valueOf(enumReader(1, ['a']), '00')).toBe('');
  expect(() => valueOf(enumReader(1, ['a']), '02')).toThrow(MalformedEvent);
  for (const size of [0, 3, 200]) expect(() => enumReader(size, ['a'])).toThrow(MalformedEvent);
});

it('L8: a SET is its values in their order, the lowest bit the first; L3: other bits are refused', () => {
  expect(valueOf(setReader(1, ['a', 'b', 'c']), '05')).toBe('a,c');
  expect(
    valueOf(
      setReader(
        2,
        Array.from({ length: 9 }, (_, nth) => `v${nth}`),
      ),
      '0101',
    ),
  ).toBe('v0,v8');
  expect(valueOf(setReader(1, ['a']), '00')).toBe('');
  expect(() => valueOf(setReader(1, ['a']), '02')).toThrow(MalformedEvent);
  for (const size of [0, 9]) expect(() => setReader(size, ['a'])).toThrow(MalformedEvent);
});

it('L8: a COMPRESSED column: as it is, with zlib’s frame and without; L3: sizes that lie are refused', () => {
  const make = decompressed(copyBytes);
  const text = Buffer.from('text '.repeat(20));
  const read = (bytes: Buffer) => make(bytes, 0, bytes.length);
  expect(read(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
  expect(read(Buffer.concat([hex('00'), text]))).toEqual(text);
  expect(read(Buffer.concat([hex('8164'), deflateSync(text)]))).toEqual(text);
  expect(read(Buffer.concat([hex('8a0064'), deflateRawSync(text)]))).toEqual(text);
  for (const header of ['8163', '8165', '84ffffffff', '8064', '9164', '8564']) {
    expect(() => read(Buffer.concat([hex(header), deflateSync(text)])), header).toThrow(MalformedEvent);
  }
  expect(() => read(hex('81'))).toThrow(MalformedEvent);
});

it('a compressed part of an event (log_bin_compress); L3: sizes that lie are refused', () => {
  const text = Buffer.from('rows '.repeat(20));
  expect(inflateEventPart(Buffer.concat([hex('8164'), deflateSync(text)]))).toEqual(text);
  expect(inflateEventPart(Buffer.concat([hex('8400000064'), deflateSync(text)]))).toEqual(text);
  for (const header of ['8163', '8165', '84ffffffff', '8064', '9164', '8564', '']) {
    expect(() => inflateEventPart(Buffer.concat([hex(header), deflateSync(text)])), header).toThrow(MalformedEvent);
  }
});
