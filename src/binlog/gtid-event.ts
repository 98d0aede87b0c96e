import { Cursor } from './cursor.ts';
import { formatUuid } from './logical-values.ts';
import { MalformedEvent } from './malformed.ts';

/** What a transaction's first event says of it. */
export interface Gtid {
  readonly gtid: string;
  /** Whether the event itself opens the transaction (MariaDB); else a statement that follows says what it is. */
  readonly isOpen: boolean;
  /** MariaDB: the transaction will be prepared by XA, not committed. */
  readonly isXa: boolean;
}

let lastSource = Buffer.alloc(16);
let lastSourceText = formatUuid(lastSource);

/** GTID of MySQL: flags (1), source (16), number (8); the rest is about how it was committed. */
export function readGtid(body: Buffer): Gtid {
  const cursor = new Cursor(body, 1);
  const source = cursor.bytes(16);
  // One after the other they mostly come from one server.
  if (lastSource.compare(source) !== 0) {
    lastSource = Buffer.from(source);
    lastSourceText = formatUuid(source);
  }
  return { gtid: `${lastSourceText}:${cursor.u64()}`, isOpen: false, isXa: false };
}

/** The last field that an older reader must not pass by, plus one: everything up to the ticket of the group commit. */
const LAST_KNOWN_FIELD = 12n;
const TAG_SIZE_MAX = 32;

/**
 * GTID with a tag (MySQL 8.3 and later): a message of mysql::serialization: version, size, last field that may not be passed by, then
 * fields by their numbers in order: flags 0, source 1, number 2, tag 3 (libs/mysql/binlog/event/control_events.h, Gtid_event).
 */
export function readTaggedGtid(body: Buffer): Gtid {
  const start = new Cursor(body);
  const version = readVarint(start);
  if (version !== 1n) throw new MalformedEvent(`a tagged GTID of version ${version}`);
  const size = Number(readVarint(start));
  if (size > body.length) throw new MalformedEvent(`a tagged GTID of ${size} bytes where ${body.length} are left`);
  const cursor = new Cursor(body, start.at, size);
  if (readVarint(cursor) > LAST_KNOWN_FIELD) throw new MalformedEvent('a tagged GTID with a field that is not known');
  if (isNext(cursor, 0)) readVarint(cursor);
  if (!isNext(cursor, 1)) throw new MalformedEvent('a tagged GTID without its source');
  const source = formatUuid(Buffer.from(Array.from({ length: 16 }, () => readByte(cursor))));
  if (!isNext(cursor, 2)) throw new MalformedEvent('a tagged GTID without its number');
  // Signed: the lowest bit is the sign.
  const number = readVarint(cursor) >> 1n;
  if (!isNext(cursor, 3)) return { gtid: `${source}:${number}`, isOpen: false, isXa: false };
  const tagSize = Number(readVarint(cursor));
  if (tagSize > TAG_SIZE_MAX) throw new MalformedEvent(`a tag of ${tagSize} bytes`);
  const tag = cursor.utf8(tagSize);
  if (tag !== '' && !/^[a-z_][a-z0-9_]*$/.test(tag)) throw new MalformedEvent('a tag that is none');
  return { gtid: tag === '' ? `${source}:${number}` : `${source}:${tag}:${number}`, isOpen: false, isXa: false };
}

function readByte(cursor: Cursor): number {
  const value = readVarint(cursor);
  if (value > 0xffn) throw new MalformedEvent(`a byte of ${value}`);
  return Number(value);
}

/** Whether the next field is this one (a number below 64 is one byte, twice itself); moves behind its number. */
function isNext(cursor: Cursor, field: number): boolean {
  if (cursor.left === 0 || cursor.buffer[cursor.at] !== field << 1) return false;
  cursor.take(1);
  return true;
}

/**
 * mysql::serialization's integer (libs/mysql/serialization/variable_length_integers.h): as many bytes as the first one has 1 bits at its
 * low end, and one; the bits behind those, lowest first.
 */
function readVarint(cursor: Cursor): bigint {
  const first = cursor.u8();
  let extra = 0;
  while (extra < 8 && (first & (1 << extra)) !== 0) extra += 1;
  let value = extra >= 7 ? 0n : BigInt(first >> (extra + 1));
  const firstBits = Math.max(0, 7 - extra);
  for (let index = 0; index < extra; index += 1) value |= BigInt(cursor.u8()) << BigInt(firstBits + 8 * index);
  return value;
}

/** MariaDB sql/log_event.h, Gtid_log_event: flags2. */
const STANDALONE = 0x01;
const PREPARED_XA = 0x40;

/** MariaDB's GTID: number (8), domain (4), flags (1); the server's id is the header's. */
export function readMariadbGtid(body: Buffer, serverId: number): Gtid {
  const cursor = new Cursor(body);
  const number = cursor.u64();
  const domain = cursor.u32();
  const flags = cursor.u8();
  return {
    gtid: `${domain}-${serverId}-${number}`,
    isOpen: (flags & STANDALONE) === 0,
    isXa: (flags & PREPARED_XA) !== 0,
  };
}
