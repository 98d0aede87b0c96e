/**
 * A row's values in Redis: as the fields of a hash, each a text (bytes stay bytes), or together as one JSON document, in which
 * they keep their types.
 */
import { isUtf8 } from 'node:buffer';
import { CodedError } from '../lib/error.ts';
import type { Row, Value } from '../row/change.ts';

/** The field's text or bytes. Not for null and undefined, which a hash does not hold. */
export function writeField(value: Value, field: string): string | Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') return String(requireFinite(value, field));
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** What a field holds: text, or bytes where it is no UTF-8. */
export function readField(bytes: Buffer): string | Buffer {
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes;
}

/** Bytes inside a JSON document: `{"$bytes": "<base64>"}`. */
const bytesKey = '$bytes';

/** A row as JSON text, without its undefined fields. Dates become ISO texts, big integers beyond 2^53 decimal texts. */
export function writeDocument(row: Row): string {
  const fields = Object.entries(row).map(([name, value]): [string, unknown] => [name, writeJsonValue(value, name)]);
  return JSON.stringify(Object.fromEntries(fields));
}

/** The row of a JSON text; undefined where it is no JSON object. */
export function readDocument(text: string): Row | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, readJsonValue(value)]));
}

function writeJsonValue(value: Value, field: string): unknown {
  if (value instanceof Uint8Array) return { [bytesKey]: Buffer.from(value).toString('base64') };
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === 'number' ? requireFinite(value, field) : value;
}

function readJsonValue(value: unknown): Value {
  if (typeof value !== 'object' || value === null) return readScalar(value);
  const [only, ...others] = Object.entries(value);
  const isBytes = only !== undefined && others.length === 0 && only[0] === bytesKey && typeof only[1] === 'string';
  return isBytes ? Buffer.from(String(only[1]), 'base64') : value;
}

function readScalar(value: unknown): Value {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return null;
}

function requireFinite(value: number, field: string): number {
  if (Number.isFinite(value)) return value;
  throw new CodedError('ROW_INVALID', `The field ${field} is ${value}, which is no number that can be kept.`, { class: 'row' });
}
