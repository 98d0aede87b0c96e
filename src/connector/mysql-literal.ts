import { CodedError } from '../lib/error.ts';

/** What must be escaped in a quoted string, and the halves of surrogate pairs, which have to be looked at one by one. */
const unsafe = /['\\\0\ud800-\udfff]/;
const escapes: Readonly<Record<string, string>> = { "'": "\\'", '\\': '\\\\', '\0': '\\0' };

/**
 * A value as SQL text that the server reads back as the same value, under the sql_mode of store connections. Undefined for
 * undefined: the row has no such field. Throws STORE_CONSTRAINT (row) for what no column can hold: NaN, an infinity, an
 * invalid Date, half a surrogate pair, a function.
 */
export function writeLiteral(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return unsafe.test(value) ? quoteUnsafe(value) : `'${value}'`;
    case 'number':
      // NaN - NaN and Infinity - Infinity are not 0; -0 is a DOUBLE of its own only with an exponent
      if (value - value !== 0) throw refuse(`${value} is not a number that a column can hold`);
      return value === 0 && Object.is(value, -0) ? '-0e0' : String(value);
    case 'bigint':
      return String(value);
    case 'boolean':
      return value ? 'TRUE' : 'FALSE';
    case 'undefined':
      return undefined;
    case 'object':
      return writeObject(value);
    case 'function':
    case 'symbol':
    default:
      throw refuse(`a ${typeof value} is not a value that a column can hold`);
  }
}

/** A value of a JSON column: strings are JSON text already, everything else is made into it. */
export function writeJsonLiteral(value: unknown): string | undefined {
  if (typeof value === 'string' || value === null || value === undefined || ArrayBuffer.isView(value)) return writeLiteral(value);
  return writeLiteral(toJson(value));
}

function writeObject(value: object | null): string | undefined {
  if (value === null) return 'NULL';
  if (value instanceof Uint8Array) return `x'${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}'`;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw refuse('an invalid Date is not a value that a column can hold');
    return `'${value.toISOString().replace('T', ' ').replace('Z', '')}'`;
  }
  return writeLiteral(toJson(value));
}

function toJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
  } catch (error) {
    throw new CodedError('STORE_CONSTRAINT', 'the value cannot be written as JSON', { class: 'row', cause: error });
  }
  if (text === undefined) throw refuse('the value cannot be written as JSON');
  return text;
}

function quoteUnsafe(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw refuse('the string holds half a surrogate pair, which is no character');
  return `'${text.replace(/['\\\0]/g, (found) => escapes[found] ?? found)}'`;
}

function refuse(reason: string): CodedError {
  return new CodedError('STORE_CONSTRAINT', reason, { class: 'row' });
}
