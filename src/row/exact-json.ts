/**
 * JSON text that gives a value back exactly, also where JSON has no word for it: bytes, bigints, dates, NaN, -0, undefined. These
 * stand as an object with one key: `{"$binary":"<base64>"}`, `{"$bigint":"1"}`, `{"$date":"<ISO 8601>"}`, `{"$number":"NaN"}`,
 * `{"$undefined":true}`. An object of the value's own that has one key with a `$` in front is wrapped: `{"$object":{…}}`.
 */

/** Deeper values than this are foreign: no row and no state has them, and the stack must not overflow. */
const depthMax = 200;

/**
 * The value's exact JSON text. What no JSON text can give back (functions, symbols, Maps, an object within itself) is foreign:
 * `throw` refuses it with a TypeError, `describe` keeps its text as `{"$text":"…"}`, so that it can at least be read.
 */
export function toExactJson(value: unknown, options: { readonly foreign: 'throw' | 'describe' } = { foreign: 'throw' }): string {
  return JSON.stringify(encode(value, options.foreign, []));
}

/** The value of an exact JSON text; a `$text` comes back as its text. Throws SyntaxError for what is no JSON. */
export function fromExactJson(text: string): unknown {
  return decode(JSON.parse(text));
}

function encode(value: unknown, foreign: 'throw' | 'describe', around: readonly unknown[]): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) };
    case 'bigint':
      return { $bigint: String(value) };
    case 'undefined':
      return { $undefined: true };
    case 'object':
      return value === null ? null : encodeObject(value, foreign, around);
    case 'function':
    case 'symbol':
    default:
      return encodeForeign(value, foreign);
  }
}

function encodeObject(value: object, foreign: 'throw' | 'describe', around: readonly unknown[]): unknown {
  if (value instanceof Uint8Array) {
    return { $binary: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  }
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? 'invalid' : value.toISOString() };
  const isForeign = value instanceof Map || value instanceof Set || ArrayBuffer.isView(value);
  if (isForeign || around.length >= depthMax || around.includes(value)) return encodeForeign(value, foreign);
  const within = [...around, value];
  if (Array.isArray(value)) return value.map((item) => encode(item, foreign, within));
  const entries = Object.entries(value).map(([key, item]) => [key, encode(item, foreign, within)] as const);
  const encoded: unknown = Object.fromEntries(entries);
  return entries.length === 1 && entries[0]?.[0].startsWith('$') === true ? { $object: encoded } : encoded;
}

function encodeForeign(value: unknown, foreign: 'throw' | 'describe'): unknown {
  const text = typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : String(value);
  if (foreign === 'throw') throw new TypeError(`${text} cannot be kept as JSON`);
  return { $text: text };
}

function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only?.[0].startsWith('$') === true) return decodeMarked(only[0], only[1]);
  return decodeFields(value);
}

function decodeFields(value: object): unknown {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item)]));
}

function decodeMarked(mark: string, value: unknown): unknown {
  switch (mark) {
    case '$binary':
      return Buffer.from(String(value), 'base64');
    case '$bigint':
      return BigInt(String(value));
    case '$date':
      return new Date(value === 'invalid' ? Number.NaN : String(value));
    case '$number':
      return Number(value);
    case '$undefined':
      return undefined;
    case '$object':
      return typeof value === 'object' && value !== null ? decodeFields(value) : value;
    default:
      return value; // $text, and what a later version may have written
  }
}
