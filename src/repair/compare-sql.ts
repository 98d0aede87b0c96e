import type { Key, KeyRange } from '../snapshot/contract.ts';
import { writeKeyConstant } from '../snapshot/key-literal.ts';
import { orderByKey, whereKey } from '../snapshot/key-sql.ts';
import { selectExpression } from '../snapshot/text-value.ts';
import { quoteName } from '../store/name.ts';
import { qualified, samenessSql, shownSql } from './compare-column.ts';
import { sqlOf, type ComparedName, type ComparedTable } from './compared-table.ts';

/**
 * One row a side, the stored one first: `count` of the range's rows and `sum`, in which every row weighs by all that is compared of it.
 * A hash that is not linear: in a XOR of CRCs, two rows that have changed places are no difference. SHA2 is the one that every server
 * has: MySQL 9 has neither MD5 nor SHA1.
 */
export function checksumSql(table: ComparedTable, range: KeyRange): string {
  const { described, columns } = table;
  const row = `CONCAT(${columns.map((column) => samenessSql(column)).join(", ',', ")}, ',')`;
  const sum = `BIT_XOR(CAST(CONV(LEFT(SHA2(${row}, 256), 16), 16, 10) AS UNSIGNED))`;
  const conditions = [whereKey(described.key, range), isSetSql(table)].filter((text) => text !== '');
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const select = (name: ComparedName): string =>
    `(SELECT COUNT(*) AS count, CAST(${sum} AS CHAR) AS sum FROM ${sqlOf(name)} FORCE INDEX (${quoteName(described.index)})${where})`;
  return `${select(table.stored)} UNION ALL ${select(table.recomputed)}`;
}

/** In a table of several flows: whether a row of it has anything of this one's. '' where every row is its own. */
function isSetSql({ columns, described, isShared }: ComparedTable): string {
  if (!isShared) return '';
  const keys = new Set(described.key.map(({ name }) => name));
  const tests = columns
    .filter(({ name }) => !keys.has(name))
    .map(({ name, fallback }) => (fallback === undefined ? 'TRUE' : `NOT (${quoteName(name)} <=> ${fallback})`));
  return tests.length === 0 ? 'FALSE' : `(${tests.join(' OR ')})`;
}

export interface DifferencesOptions extends KeyRange {
  readonly limit: number;
  /** Both sides' values are wanted too. */
  readonly hasValues: boolean;
}

/**
 * Rows of the range that were computed anew, and are not stored, or not so, in key order: the key's columns as `k0`…, `is_missing`, `d0`… (1:
 * the column of this place differs), and where they are wanted `s0`… and `r0`…, its stored and its recomputed value.
 */
export function differencesSql(table: ComparedTable, { limit, hasValues, ...range }: DifferencesOptions): string {
  const { described, columns, stored, recomputed } = table;
  const [first] = described.key;
  const isMissing = `s.${quoteName(first?.name ?? '')} IS NULL`;
  const isThere = `s.${quoteName(first?.name ?? '')} IS NOT NULL`;
  const differs = columns.map((column) => `${samenessSql(column, 's')} <> ${samenessSql(column, 'r')}`);
  const selected = [
    ...keysSql(table, 'r'),
    `${isMissing} AS is_missing`,
    ...differs.map((test, index) => `(${test}) AS d${index}`),
    ...(hasValues
      ? columns.flatMap((column, n) => [`${shownSql(column, 's')} AS s${n}`, `${shownSql(column, 'r')} AS r${n}`])
      : []),
  ];
  return (
    `SELECT ${selected.join(', ')} FROM (${part(recomputed, table, range)}) AS r LEFT JOIN ${sqlOf(stored)} AS s ON ${sameKey(table)} ` +
    `WHERE (${isMissing}${ifSet(table, 'r')}) OR (${isThere} AND (${differs.join(' OR ')})) ` +
    `ORDER BY ${orderByKey(described.key, 'r')} LIMIT ${limit}`
  );
}

/** Stored rows of the range that should not be there, in key order: the key's columns as `k0`…. */
export function extrasSql(table: ComparedTable, { limit, ...range }: KeyRange & { readonly limit: number }): string {
  const { described, stored, recomputed } = table;
  return (
    `SELECT ${keysSql(table, 's').join(', ')} FROM (${part(stored, table, range)}) AS s LEFT JOIN ${sqlOf(recomputed)} AS r ON ${sameKey(table)} ` +
    `WHERE r.${quoteName(described.key[0]?.name ?? '')} IS NULL${ifSet(table, 's')} ` +
    `ORDER BY ${orderByKey(described.key, 's')} LIMIT ${limit}`
  );
}

/** Whether a row has anything of the flow's is known of the table's own columns alone: those of a part have no defaults. */
const isSetName = 'kis_is_set';

function ifSet(table: ComparedTable, owner: 's' | 'r'): string {
  return table.isShared ? ` AND ${owner}.${isSetName}` : '';
}

function part(name: ComparedName, table: ComparedTable, range: KeyRange): string {
  const { described, columns, isShared } = table;
  const where = whereKey(described.key, range);
  const selected = [
    ...columns.map((column) => quoteName(column.name)),
    ...(isShared ? [`${isSetSql(table)} AS ${isSetName}`] : []),
  ];
  return `SELECT ${selected.join(', ')} FROM ${sqlOf(name)}${where === '' ? '' : ` WHERE ${where}`}`;
}

/** Equal as the key's index has it: its collation may hold two texts for one. */
export function sameKey({ described }: ComparedTable): string {
  return described.key.map(({ name }) => `s.${quoteName(name)} = r.${quoteName(name)}`).join(' AND ');
}

function keysSql({ described }: ComparedTable, owner: 's' | 'r'): readonly string[] {
  return described.key.map(({ name }, index) => {
    const form = described.forms.get(name) ?? 'plain';
    return `${form === 'plain' ? qualified(name, owner) : selectExpression(name, form)} AS k${index}`;
  });
}

/** The condition that a row has one of these keys. `owner`: the alias, with columns of the stored table. */
export function whereKeys({ described: { key } }: ComparedTable, keys: readonly Key[], owner: string): string {
  const [first] = key;
  if (key.length === 1 && first !== undefined) {
    return `${qualified(first.name, owner)} IN (${keys.map((values) => writeKeyConstant(first, values[0])).join(', ')})`;
  }
  const one = (values: Key): string =>
    `(${key.map((column, index) => `${qualified(column.name, owner)} = ${writeKeyConstant(column, values[index])}`).join(' AND ')})`;
  return `(${keys.map(one).join(' OR ')})`;
}
