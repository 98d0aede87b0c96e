import { z } from 'zod';
import { CodedError } from '../lib/error.ts';
import type { Row, Value } from '../row/change.ts';
import { fromExactJson, toExactJson } from '../row/exact-json.ts';
import type { Key, KeyColumn } from './contract.ts';

/** The row's key. Throws INTERNAL where a column of it is absent. */
export function keyOf(row: Row, key: readonly KeyColumn[]): Key {
  return key.map(({ name }) => {
    const value = row[name];
    if (value === undefined || value === null)
      throw new CodedError('INTERNAL', `a row has no ${name}, which is of its key`, { class: 'stop' });
    return value;
  });
}

/**
 * A text that two keys share only if each of their values is the same, in type and in every bit: a map's key for rows. It is not the
 * server's notion of a key: `a` and `A` have two.
 */
export function identityOf(key: Key): string {
  if (key.length === 1) return identityOfValue(key[0]);
  let identity = '';
  for (const value of key) {
    const text = identityOfValue(value);
    identity += `${text.length}:${text}`;
  }
  return identity;
}

function identityOfValue(value: Value): string {
  if (typeof value === 'string') return `s${value}`;
  if (typeof value === 'number') return Object.is(value, -0) ? 'n-0' : `n${value}`;
  if (typeof value === 'bigint') return `i${value}`;
  if (value instanceof Uint8Array) return `b${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')}`;
  return `j${toExactJson(value)}`;
}

/** The key as JSON text, from which readKey has it again, value by value. */
export function writeKey(key: Key): string {
  return toExactJson(key);
}

/** What writeKey writes: src/row/exact-json.ts. */
const keyText = z
  .array(
    z.union([
      z.string(),
      z.number(),
      z.boolean(),
      z.strictObject({ $binary: z.base64() }),
      z.strictObject({ $bigint: z.string().regex(/^-?\d+$/) }),
      z.strictObject({ $number: z.literal('-0') }),
    ]),
  )
  .min(1);

/** Undefined for a text that is none of writeKey's. */
export function readKey(text: string): Key | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!keyText.safeParse(json).success) return undefined;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- looked at above: an array of values
  return fromExactJson(text) as Key;
}
