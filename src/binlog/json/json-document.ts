import { MalformedEvent } from '../malformed.ts';

/** The types of MySQL's binary JSON (sql-common/json_binary.h). */
export const JsonType = {
  SMALL_OBJECT: 0,
  LARGE_OBJECT: 1,
  SMALL_ARRAY: 2,
  LARGE_ARRAY: 3,
  LITERAL: 4,
  INT16: 5,
  UINT16: 6,
  INT32: 7,
  UINT32: 8,
  INT64: 9,
  UINT64: 10,
  DOUBLE: 11,
  STRING: 12,
  OPAQUE: 15,
} as const;

/** Objects and arrays within one another: JSON_DOCUMENT_MAX_DEPTH of the server. */
export const DEPTH_MAX = 100;

/**
 * What a document of no bytes is, as the server reads it (parse_binary in json_binary.cc): an INSERT IGNORE of NULL into a NOT NULL
 * column leaves that.
 */
const NULL_DOCUMENT = Buffer.from([JsonType.LITERAL, 0]);

/** Where a value is: `at` is behind its type (or in its entry), `limit` the end of what it lies in. */
export interface JsonPlace {
  readonly type: number;
  readonly at: number;
  readonly limit: number;
}

/**
 * The bytes of a document, and how many of them may still be read. In a document that a server wrote no two values, keys or tables
 * share a byte, so all of it is read with as many bytes as it has. One whose offsets overlap would take exponential time: it runs out.
 */
export class JsonDocument {
  readonly buffer: Buffer;
  readonly #start: number;
  readonly #end: number;
  #left: number;

  constructor(buffer: Buffer, start: number, end: number) {
    if (start < 0 || end > buffer.length || start > end) throw new MalformedEvent('a JSON value that is cut short');
    const isEmpty = start === end;
    this.buffer = isEmpty ? NULL_DOCUMENT : buffer;
    this.#start = isEmpty ? 0 : start;
    this.#end = isEmpty ? NULL_DOCUMENT.length : end;
    this.#left = this.#end - this.#start;
  }

  /** Where its value is. */
  root(): JsonPlace {
    return { type: this.buffer.readUInt8(this.#start), at: this.#start + 1, limit: this.#end };
  }

  /** Says that these bytes are read: the caller has checked that they are there. */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new MalformedEvent('a JSON value whose parts overlap');
  }
}

export function isContainer(type: number): boolean {
  return type <= JsonType.LARGE_ARRAY;
}

/**
 * An object or an array:
 *
 *     count, size                    2 bytes each, 4 in the large form; size is that of the whole, from the count on
 *     key entries (object)           offset (2 or 4 bytes), length (2 bytes)
 *     value entries                  type (1 byte), then an offset or the value itself (2 or 4 bytes)
 *     keys, values
 *
 * Offsets count from the first byte of the count. A value that fits (literals, 16 bits; 32 bits in the large form) is in its entry.
 */
export class JsonContainer {
  readonly isObject: boolean;
  readonly count: number;
  readonly #buffer: Buffer;
  readonly #at: number;
  /** Behind its last byte. */
  readonly #limit: number;
  readonly #isLarge: boolean;
  readonly #offsetSize: number;
  readonly #valuesAt: number;
  readonly #tableEnd: number;

  /** Its size and its tables are checked here. */
  constructor(document: JsonDocument, { type, at, limit }: JsonPlace) {
    const { buffer } = document;
    const isLarge = (type & 1) === 1;
    const offsetSize = isLarge ? 4 : 2;
    if (limit - at < 2 * offsetSize) throw new MalformedEvent('a JSON object or array that is cut short');
    const count = readSize(buffer, at, isLarge);
    const size = readSize(buffer, at + offsetSize, isLarge);
    this.isObject = type <= JsonType.LARGE_OBJECT;
    const keyBytes = this.isObject ? count * (offsetSize + 2) : 0;
    const table = 2 * offsetSize + keyBytes + count * (offsetSize + 1);
    if (size > limit - at || table > size) throw new MalformedEvent('a JSON object or array that is larger than its place');
    document.take(table);
    this.#buffer = buffer;
    this.#at = at;
    this.#isLarge = isLarge;
    this.#offsetSize = offsetSize;
    this.#valuesAt = at + 2 * offsetSize + keyBytes;
    this.#tableEnd = at + table;
    this.count = count;
    this.#limit = at + size;
  }

  keyAt(index: number): number {
    const entry = this.#at + 2 * this.#offsetSize + index * (this.#offsetSize + 2);
    const at = this.#at + readSize(this.#buffer, entry, this.#isLarge);
    if (at < this.#tableEnd || at > this.#limit - this.keyLength(index))
      throw new MalformedEvent('a JSON key outside of its object');
    return at;
  }

  keyLength(index: number): number {
    const entry = this.#at + 2 * this.#offsetSize + index * (this.#offsetSize + 2);
    return readUint16(this.#buffer, entry + this.#offsetSize);
  }

  /** Where the value is: in its entry or behind the tables. What it holds there is checked against `limit` by its reader. */
  valuePlace(index: number): JsonPlace {
    const entry = this.#valuesAt + index * (this.#offsetSize + 1);
    const type = this.#buffer[entry] ?? 0;
    if (this.#isInlined(type)) return { type, at: entry + 1, limit: this.#limit };
    const at = this.#at + readSize(this.#buffer, entry + 1, this.#isLarge);
    if (at < this.#tableEnd || at > this.#limit) throw new MalformedEvent('a JSON value outside of its object or array');
    return { type, at, limit: this.#limit };
  }

  #isInlined(type: number): boolean {
    if (type === JsonType.INT32 || type === JsonType.UINT32) return this.#isLarge;
    return type === JsonType.LITERAL || type === JsonType.INT16 || type === JsonType.UINT16;
  }
}

/** The bytes of a string or an opaque value. */
export interface JsonBytes {
  readonly start: number;
  readonly end: number;
}

/** A length of up to five bytes, seven bits in each, the lowest first, and as many bytes behind it. */
export function readBytes(document: JsonDocument, at: number, limit: number): JsonBytes {
  let length = 0;
  for (let i = 0; i < 5 && at + i < limit; i++) {
    const byte = document.buffer[at + i] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte >= 0x80) continue;
    const start = at + i + 1;
    if (length > limit - start) break;
    document.take(i + 1 + length);
    return { start, end: start + length };
  }
  throw new MalformedEvent('a JSON string that is cut short');
}

export function readUint16(buffer: Buffer, at: number): number {
  return (buffer[at] ?? 0) | ((buffer[at + 1] ?? 0) << 8);
}

export function readUint32(buffer: Buffer, at: number): number {
  return (readUint16(buffer, at) | (readUint16(buffer, at + 2) << 16)) >>> 0;
}

function readSize(buffer: Buffer, at: number, isLarge: boolean): number {
  return isLarge ? readUint32(buffer, at) : readUint16(buffer, at);
}
