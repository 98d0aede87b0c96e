import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import type { ConnectorOptions } from './contract.ts';

/** Text, a column's value, text, …: how a row's Redis key is written. */
type KeyPart = { readonly text: string } | { readonly column: string };

const placeholder = /\{(\w+)\}/g;

/**
 * How the key of a row is made. `stu:{stu_id}:avg` names its columns; a text without a `{column}` is a prefix, behind which come the
 * columns of `params.primary_key` (with commas; `id` without it), with a colon between them.
 *
 * Two rows never share a key: with several columns, `%` and the character that begins the text behind a value are written as `%xx`
 * within a value. With one column the value stands as it is.
 */
export class RedisKey {
  readonly columns: readonly string[];
  readonly #parts: readonly KeyPart[];
  /** Characters that values may not hold as they are; undefined with one column. */
  readonly #reserved: RegExp | undefined;

  constructor(options: ConnectorOptions) {
    this.#parts = readParts(options);
    this.columns = this.#parts.flatMap((part) => ('column' in part ? [part.column] : []));
    this.#reserved = this.columns.length > 1 ? reservedOf(this.#parts, options.name) : undefined;
  }

  /** The row's key; throws STORE_KEY_MISSING (row) where a column of it is absent or null. */
  keyOf(row: Row, connector: string): string {
    const missing = this.columns.filter((column) => row[column] === undefined || row[column] === null);
    if (missing.length > 0) {
      const message = `Connector ${connector}: a row lacks ${missing.join(', ')}, of which its key is made. The key's columns are {column} in key, or params.primary_key.`;
      throw new CodedError('STORE_KEY_MISSING', message, { class: 'row', details: { connector, fields: missing.join(', ') } });
    }
    return this.#parts.map((part) => ('text' in part ? part.text : this.#escape(keyText(row[part.column])))).join('');
  }

  #escape(text: string): string {
    if (this.#reserved === undefined) return text;
    return text.replace(this.#reserved, (character) =>
      [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    );
  }
}

function readParts({ key, params, name }: ConnectorOptions): readonly KeyPart[] {
  const parts: KeyPart[] = [];
  let at = 0;
  for (const match of key.matchAll(placeholder)) {
    if (match.index > at) parts.push({ text: key.slice(at, match.index) });
    parts.push({ column: match[1] ?? '' });
    at = match.index + match[0].length;
  }
  if (at < key.length) parts.push({ text: key.slice(at) });
  const named = (params['primary_key'] ?? '').split(',').flatMap((column) => (column.trim() === '' ? [] : [column.trim()]));
  if (parts.some((part) => 'column' in part)) {
    if (named.length === 0) return parts;
    throw invalid(name, 'the key names its columns, and params.primary_key does so too; leave one of the two out');
  }
  const columns = named.length > 0 ? named : ['id'];
  return [...parts, ...columns.flatMap((column, index) => (index === 0 ? [{ column }] : [{ text: ':' }, { column }]))];
}

/** What ends a value must not be in it: then a key can be read in one way only. */
function reservedOf(parts: readonly KeyPart[], connector: string): RegExp {
  const characters = new Set(['%']);
  for (const [index, part] of parts.entries()) {
    const next = parts[index + 1];
    if (!('column' in part) || next === undefined) continue;
    const first = 'text' in next ? next.text.charAt(0) : '';
    if (!/^[!-/:-@[-`{-~]$/.test(first) || first === '%') {
      throw invalid(connector, `behind {${part.column}} the key needs a separator such as a colon, or two rows could share a key`);
    }
    characters.add(first);
  }
  return new RegExp(
    `[${[...characters].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}]`,
    'g',
  );
}

function keyText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return value instanceof Date ? value.toISOString() : String(value);
}

function invalid(connector: string, problem: string): CodedError {
  return new CodedError('CONFIG_INVALID', `Connector ${connector}: ${problem}.`);
}
