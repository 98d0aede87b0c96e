import type { KeyColumn } from './contract.ts';

/**
 * How a key column's values are written, compared and ordered.
 *
 * - `text`: by a collation, which only the server knows.
 * - `address`: MariaDB's UUID, INET4 and INET6, whose order has changed between its versions.
 * - `list` and `set`: as the server keeps them, by number and not by their texts.
 */
export type KeyKind =
  | 'integer'
  | 'decimal'
  | 'float'
  | 'double'
  | 'bits'
  | 'bytes'
  | 'moment'
  | 'time'
  | 'list'
  | 'set'
  | 'address'
  | 'text';

const kinds: readonly (readonly [RegExp, KeyKind])[] = [
  [/^(?:tiny|small|medium|big)?int\b|^year\b|^bool/, 'integer'],
  [/^decimal\b/, 'decimal'],
  [/^float\b/, 'float'],
  [/^double\b/, 'double'],
  [/^bit\b/, 'bits'],
  [/^(?:var)?binary\b|^(?:tiny|medium|long)?blob\b/, 'bytes'],
  [/^(?:date|datetime|timestamp)\b/, 'moment'],
  [/^time\b/, 'time'],
  [/^enum\b/, 'list'],
  [/^set\b/, 'set'],
  [/^(?:uuid|inet4|inet6)\b/, 'address'],
  [/^(?:var)?char\b|^(?:tiny|medium|long)?text\b/, 'text'],
];

/** The kind of a column's type; undefined of one that no key has (JSON, geometry, vectors). */
export function kindOf(column: KeyColumn): KeyKind | undefined {
  const type = column.type.toLowerCase();
  return kinds.find(([pattern]) => pattern.test(type))?.[1];
}

/** `datetime(6)` is `datetime`. */
export function typeName(column: KeyColumn): string {
  return /^\w+/.exec(column.type.toLowerCase())?.[0] ?? '';
}
