import {
  DEPTH_MAX,
  JsonContainer,
  JsonDocument,
  type JsonPlace,
  JsonType,
  readBytes,
  readUint16,
  readUint32,
} from './json-document.ts';
import { doubleText } from './json-number.ts';
import { base64Text, dateText, datetimeText, decimalText, timeText } from './json-opaque.ts';
import { printText, type JsonWriter } from './json-writer.ts';
import { MalformedEvent } from '../malformed.ts';

/** Column types (enum_field_types, include/field_types.h) that JSON holds as values of their own. */
const OpaqueType = { TIMESTAMP: 7, DATE: 10, TIME: 11, DATETIME: 12, NEWDECIMAL: 246, VAR_STRING: 253 } as const;

/**
 * MySQL's binary JSON as the text that the server prints of it, byte for byte: keys in the document's order, `, ` and `: ` between.
 * The format is that of sql-common/json_binary.h and .cc, the text that of wrapper_to_string in sql-common/json_dom.cc.
 *
 * `start` is the byte of the document's type, `end` is behind its last byte; no bytes at all are the JSON null. Throws MalformedEvent
 * for bytes that are no document.
 */
export function jsonText(buffer: Buffer, start: number, end: number): string {
  const document = new JsonDocument(buffer, start, end);
  return printText((to) => new JsonPrinter(document, to).value(document.root(), 0));
}

/** Prints values of one document. */
export class JsonPrinter {
  readonly #document: JsonDocument;
  readonly #buffer: Buffer;
  readonly #writer: JsonWriter;

  constructor(document: JsonDocument, to: JsonWriter) {
    this.#document = document;
    this.#buffer = document.buffer;
    this.#writer = to;
  }

  /** A value of the document, within `depth` objects and arrays. */
  value(place: JsonPlace, depth: number): void {
    const { type, at, limit } = place;
    switch (type) {
      case JsonType.SMALL_OBJECT:
      case JsonType.LARGE_OBJECT:
      case JsonType.SMALL_ARRAY:
      case JsonType.LARGE_ARRAY:
        return this.#container(new JsonContainer(this.#document, place), depth + 1);
      case JsonType.LITERAL:
        return this.#writer.ascii(this.#literal(at, limit));
      case JsonType.INT16:
        return this.#writer.integer((readUint16(this.#within(at, 2, limit), at) << 16) >> 16);
      case JsonType.UINT16:
        return this.#writer.integer(readUint16(this.#within(at, 2, limit), at));
      case JsonType.INT32:
        return this.#writer.integer(readUint32(this.#within(at, 4, limit), at) | 0);
      case JsonType.UINT32:
        return this.#writer.integer(readUint32(this.#within(at, 4, limit), at));
      case JsonType.INT64:
        return this.#writer.ascii(String(this.#within(at, 8, limit).readBigInt64LE(at)));
      case JsonType.UINT64:
        return this.#writer.ascii(String(this.#within(at, 8, limit).readBigUInt64LE(at)));
      case JsonType.DOUBLE:
        return this.#writer.ascii(this.#double(at, limit));
      case JsonType.STRING: {
        const { start, end } = readBytes(this.#document, at, limit);
        return this.#writer.quoted(this.#buffer, start, end);
      }
      case JsonType.OPAQUE:
        return this.#opaque(at, limit);
      default:
        throw new MalformedEvent(`a JSON value of the type ${type}, which is not known`);
    }
  }

  #container(container: JsonContainer, depth: number): void {
    if (depth > DEPTH_MAX) throw new MalformedEvent(`a JSON value of more than ${DEPTH_MAX} levels`);
    const { isObject, count } = container;
    const to = this.#writer;
    to.open(isObject);
    for (let i = 0; i < count; i++) {
      if (i > 0) to.separator();
      if (isObject) {
        const length = container.keyLength(i);
        const at = container.keyAt(i);
        this.#document.take(length);
        to.quoted(this.#buffer, at, at + length);
        to.colon();
      }
      this.value(container.valuePlace(i), depth);
    }
    to.close(isObject);
  }

  #literal(at: number, limit: number): string {
    const literal = this.#within(at, 1, limit)[at];
    if (literal === 0) return 'null';
    if (literal === 1) return 'true';
    if (literal === 2) return 'false';
    throw new MalformedEvent(`a JSON literal ${literal}, which is not known`);
  }

  #double(at: number, limit: number): string {
    const value = this.#within(at, 8, limit).readDoubleLE(at);
    if (!Number.isFinite(value)) throw new MalformedEvent('a JSON number that is none');
    return doubleText(value);
  }

  /** A value that JSON has no type for: the column type's number, a length, the bytes. */
  #opaque(at: number, limit: number): void {
    const type = this.#within(at, 1, limit).readUInt8(at);
    const { start, end } = readBytes(this.#document, at + 1, limit);
    const to = this.#writer;
    switch (type) {
      case OpaqueType.NEWDECIMAL:
        return to.ascii(decimalText(this.#buffer, start, end));
      case OpaqueType.DATE:
        return to.quotedAscii(dateText(this.#buffer, start, end));
      case OpaqueType.TIME:
        return to.quotedAscii(timeText(this.#buffer, start, end));
      case OpaqueType.DATETIME:
      case OpaqueType.TIMESTAMP:
        return to.quotedAscii(datetimeText(this.#buffer, start, end));
      case OpaqueType.VAR_STRING: // the server treats it as a string; version 5.7 printed its base64
        return to.quoted(this.#buffer, start, end);
      default:
        return to.quotedAscii(base64Text({ type, buffer: this.#buffer, start, end }));
    }
  }

  /** The buffer, of which these bytes may be read. */
  #within(at: number, bytes: number, limit: number): Buffer {
    if (bytes > limit - at) throw new MalformedEvent('a JSON number or literal that is cut short');
    return this.#buffer;
  }
}
