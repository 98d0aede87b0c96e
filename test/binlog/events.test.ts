import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Cursor } from '../../src/binlog/cursor.ts';
import { EventType, readBody, readEventHeader } from '../../src/binlog/event-header.ts';
import { readGtid, readMariadbGtid, readTaggedGtid } from '../../src/binlog/gtid-event.ts';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { eventsOfPayload } from '../../src/binlog/payload.ts';
import { readFormatDescription, readHeartbeat, readRotate } from '../../src/binlog/place-event.ts';
import { readQuery } from '../../src/binlog/query-event.ts';
import type { Flavour } from '../../src/binlog/flavour.ts';
import { readTableMetadata } from '../../src/binlog/table-metadata.ts';
import { hex } from './bytes.ts';

const uuid = '3e11fa4771ca11e19e33c80aa9429562';
const uuidText = '3e11fa47-71ca-11e1-9e33-c80aa9429562';

function eventOf(type: number, body: Buffer, { time = 1, position = 0, checksum = true } = {}): Buffer {
  const event = Buffer.alloc(19 + body.length + (checksum ? 4 : 0));
  event.writeUInt32LE(time, 0);
  event.writeUInt8(type, 4);
  event.writeUInt32LE(event.length, 9);
  event.writeUInt32LE(position, 13);
  body.copy(event, 19);
  if (checksum) event.writeUInt32LE(crc32(event.subarray(0, -4)), event.length - 4);
  return event;
}

describe('GTIDs', () => {
  it('MySQL’s is its source and its number', () => {
    expect(readGtid(hex(`00 ${uuid} 2a00000000000000`)).gtid).toBe(`${uuidText}:42`);
    expect(() => readGtid(hex(`00 ${uuid} 2a000000000000`))).toThrow(MalformedEvent);
  });

  it('a tagged one is a message of fields; L3: what no message has is refused', () => {
    // Each byte from 0x80 up is two bytes: 01 below and the rest shifted. The number 300 is 600 with its sign: 2 bytes, 0b01 below.
    const bytes = [...hex(uuid)].map((byte) => (byte < 128 ? Buffer.of(byte << 1) : Buffer.of(((byte & 63) << 2) | 1, byte >> 6)));
    const number = Buffer.of(((600 & 63) << 2) | 1, 600 >> 6);
    const fields = Buffer.concat([hex('0000 02'), ...bytes, hex('04'), number, hex('06 08'), Buffer.from('my_t')]);
    const message = (body: Buffer, version = 1) => Buffer.concat([Buffer.of(version << 1, (body.length + 3) << 1, 0), body]);
    expect(readTaggedGtid(message(fields)).gtid).toBe(`${uuidText}:my_t:300`);
    expect(() => readTaggedGtid(message(fields, 2))).toThrow(MalformedEvent);
    expect(() => readTaggedGtid(message(fields).subarray(0, -1))).toThrow(MalformedEvent);
    expect(() => readTaggedGtid(message(Buffer.concat([fields.subarray(0, -4), Buffer.from('my:t')])))).toThrow(MalformedEvent);
    expect(() => readTaggedGtid(message(fields.subarray(3)))).toThrow(MalformedEvent);
  });

  it('MariaDB’s is its domain, the header’s server and its number; its flags say how it goes on', () => {
    expect(readMariadbGtid(hex('0700000000000000 05000000 00'), 9)).toEqual({ gtid: '5-9-7', isOpen: true, isXa: false });
    expect(readMariadbGtid(hex('0700000000000000 05000000 01'), 9).isOpen).toBe(false);
    expect(readMariadbGtid(hex('0700000000000000 05000000 40'), 9).isXa).toBe(true);
  });
});

describe('places', () => {
  const name = Buffer.from('binlog.000007');
  const header = (event: Buffer) => readEventHeader(event);

  it('a rotation and a heartbeat name a file and an offset; L3: what is no file’s name is refused', () => {
    expect(readRotate(Buffer.concat([hex('0400000000000000'), name]))).toEqual({ file: 'binlog.000007', offset: 4 });
    for (const wrong of ['binlog', 'binlog.000007\u0001', 'binlog.00000x', '']) {
      expect(() => readRotate(Buffer.concat([hex('0400000000000000'), Buffer.from(wrong)]))).toThrow(MalformedEvent);
    }
    expect(() => readRotate(Buffer.concat([hex('0400000000002000'), name]))).toThrow(MalformedEvent);
    const near = eventOf(EventType.HEARTBEAT, name, { position: 800 });
    expect(readHeartbeat(name, header(near))).toEqual({ file: 'binlog.000007', offset: 800 });
    const far = Buffer.concat([hex('0000000002000000'), name]);
    expect(readHeartbeat(far, header(eventOf(EventType.HEARTBEAT, far)))).toEqual({ file: 'binlog.000007', offset: 2 ** 33 });
  });

  it('L3: a checksum that the file’s events have is asked for, but of what the dump thread makes', () => {
    const made = eventOf(EventType.ROTATE, name, { time: 0, checksum: false });
    expect(readBody(made, header(made), true)).toEqual(name);
    const checked = eventOf(EventType.ROTATE, name, { time: 0 });
    expect(readBody(checked, header(checked), false)).toEqual(name);
    // A heartbeat that has a time was another event: TABLE_MAP and UPDATE_ROWS are one bit away.
    for (const type of [EventType.ROTATE, EventType.HEARTBEAT, EventType.XID]) {
      const whole = eventOf(type, name);
      expect(readBody(whole, header(whole), true)).toEqual(name);
      const broken = Buffer.from(whole);
      broken.writeUInt8((broken[20] ?? 0) ^ 1, 20);
      expect(() => readBody(broken, header(broken), true)).toThrow(MalformedEvent);
    }
    const plain = eventOf(EventType.XID, name, { checksum: false });
    expect(readBody(plain, header(plain), false)).toEqual(name);
    expect(() => readBody(plain, header(plain), true)).toThrow(MalformedEvent);
  });

  it('a format description says whose the file is, and whether events have checksums', () => {
    const body = (server: string, algorithm: number, version = 4, headerSize = 19) => {
      const bytes = Buffer.alloc(2 + 50 + 4 + 1 + 40 + 1);
      bytes.writeUInt16LE(version, 0);
      bytes.write(server, 2);
      bytes.writeUInt8(headerSize, 56);
      bytes.writeUInt8(algorithm, bytes.length - 1);
      return eventOf(EventType.FORMAT_DESCRIPTION, bytes);
    };
    expect(readFormatDescription(body('9.7.4', 1))).toEqual({ flavour: 'mysql', hasChecksum: true });
    expect(readFormatDescription(body('10.11.19-MariaDB-log', 0))).toEqual({ flavour: 'mariadb', hasChecksum: false });
    for (const wrong of [body('9', 2), body('9', 1, 3), body('9', 1, 4, 20)]) {
      expect(() => readFormatDescription(wrong)).toThrow(MalformedEvent);
    }
    const flipped = body('9.7.4', 1);
    flipped.writeUInt8(1, 30);
    expect(() => readFormatDescription(flipped)).toThrow(MalformedEvent);
  });
});

describe('statements', () => {
  // Thread and time (8), the schema's size, error (2), the variables' size (2); variables, schema, a zero, the text.
  const body = (variables: string, text: Buffer) =>
    Buffer.concat([hex('0000000000000000 01 0000'), Buffer.of(hex(variables).length, 0), hex(variables), Buffer.from('s\0'), text]);
  const read = (variables: string, text: Buffer) => readQuery(EventType.QUERY, body(variables, text), 'mysql');

  it('have a schema, and a text in the client’s character set, which stands behind other variables', () => {
    expect(read('', Buffer.from('BEGIN'))).toEqual({ schema: 's', text: 'BEGIN' });
    const latin1 = Buffer.from('ALTER TABLE größe', 'latin1');
    // flags (0), sql_mode (1), the catalog (6), auto_increment (3), and the character sets (4): 8 is latin1_swedish_ci.
    const variables = '00 00000000 01 0000000000000000 06 03 737464 03 01000100 04 080008000800';
    expect(read(variables, latin1).text).toBe('ALTER TABLE größe');
    expect(read(variables.replace('0800', '2d00'), Buffer.from('ALTER TABLE größe')).text).toBe('ALTER TABLE größe');
  });

  it('L3: and are refused where they are cut', () => {
    const whole = body('04 080008000800', Buffer.from('x'));
    for (let length = 0; length < whole.length - 1; length += 1) {
      expect(() => readQuery(EventType.QUERY, whole.subarray(0, length), 'mysql')).toThrow(MalformedEvent);
    }
  });
});

describe('compressed transactions', () => {
  const inner = [eventOf(2, Buffer.from('one'), { checksum: false }), eventOf(16, Buffer.from('and two'), { checksum: false })];
  const all = Buffer.concat(inner);
  // Fields: 1 the payload's size, 2 the compression (255: none), 3 the size without it; 0 ends them.
  const payload = (size: number, bytes = all) => Buffer.concat([hex('0203fcff00 0301'), Buffer.of(size), hex('00'), bytes]);

  it('are the events within, one by one', () => {
    expect([...eventsOfPayload(payload(all.length))]).toEqual(inner);
  });

  it('L3: are refused where sizes lie, and where the compression is not known', () => {
    const cut = Buffer.from(all);
    cut.writeUInt32LE(2 ** 32 - 1, 9);
    const tiny = Buffer.from(all);
    tiny.writeUInt32LE(5, 9);
    const cases = [payload(all.length + 1), payload(all.length - 1), payload(all.length, cut), payload(all.length, tiny)];
    for (const wrong of cases) expect(() => [...eventsOfPayload(wrong)]).toThrow(MalformedEvent);
    expect(() => [...eventsOfPayload(hex('020101 00'))]).toThrow(/method 1/);
    expect(() => [...eventsOfPayload(hex('0263'))]).toThrow(MalformedEvent);
  });
});

describe('a table map’s metadata', () => {
  const LONG = 3;
  const VARCHAR = 15;
  const ENUM = 247;
  const GEOMETRY = 255;
  const VECTOR = 242;
  const read = (digits: string, types: readonly number[], flavour: Flavour = 'mysql') =>
    readTableMetadata(new Cursor(hex(digits)), types, flavour);

  it('is spread over the columns that each field speaks of', () => {
    const types = [VARCHAR, LONG, ENUM, LONG, VARCHAR];
    // Signs: the second number is unsigned. Collations: 255 for most, the second text has 8. Names. The enum's values and collation. A key.
    const digits =
      '01 01 40  02 07 fcff00 01 fc0800  04 0a 0161 0162 0163 0164 0165  06 06 02 0178 027979  0a 01 3f  08 02 03 00  63 02 0000';
    expect(read(digits, types)).toEqual({
      names: ['a', 'b', 'c', 'd', 'e'],
      isUnsigned: [undefined, false, undefined, true].filter((_, nth) => nth < 4),
      collations: [255, undefined, 63, undefined, 8],
      values: [undefined, undefined, [Buffer.from('x'), Buffer.from('yy')]],
      primaryKey: [3, 0],
    });
    expect(read('03 04 08 fcff00', [VARCHAR, VARCHAR]).collations).toEqual([8, 255]);
    expect(read('09 04 01 0a 00 00', [VARCHAR, VARCHAR]).primaryKey).toEqual([1, 0]);
  });

  it('L8: VECTOR has a character set, that of bytes', () => {
    expect(read('03 03 08 3f 21', [VARCHAR, VECTOR, VARCHAR]).collations).toEqual([8, 63, 33]);
  });

  it('L8: GEOMETRY has a character set on MariaDB, that of bytes, and none on MySQL', () => {
    const types = [VARCHAR, GEOMETRY, VARCHAR];
    expect(read('03 03 08 3f 21', types, 'mariadb').collations).toEqual([8, 63, 33]);
    expect(read('02 05 08 01 3f 02 21', types, 'mariadb').collations).toEqual([8, 63, 33]);
    expect(read('03 02 08 21', types).collations).toEqual([8, undefined, 33]);
    expect(read('02 03 08 01 21', types).collations).toEqual([8, undefined, 33]);
    expect(() => read('03 03 08 3f 21', types)).toThrow(MalformedEvent);
    expect(() => read('03 02 08 21', types, 'mariadb')).toThrow(MalformedEvent);
  });

  it('L3: is refused where it speaks of columns that are not there, or is cut', () => {
    for (const wrong of [
      '01 02 00 00',
      '03 02 08 08',
      '06 03 01 01 78 00',
      '01 01',
      '0163',
      '02 03 08 05 08',
      '06 01 05',
      '06 04 01 09 7878',
      '04 02 05 61',
      '01 00',
    ]) {
      expect(() => read(wrong, [ENUM, LONG, VARCHAR]), wrong).toThrow(MalformedEvent);
    }
  });
});
