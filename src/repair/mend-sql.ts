/** SQL that makes stored rows as the recomputed ones are: what the flow owns of them, and nothing else. */
import type { Key } from '../snapshot/contract.ts';
import { quoteName } from '../store/name.ts';
import { sameKey, whereKeys } from './compare-sql.ts';
import { sqlOf, type ComparedTable } from './compared-table.ts';

export function deleteRows(table: ComparedTable, keys: readonly Key[]): string {
  return `DELETE FROM ${sqlOf(table.stored)} WHERE ${whereKeys(table, keys, '')}`;
}

/** In a table of several flows a row stays for the others: what this one owns of it is as if it had never written it. Undefined: that cannot be. */
export function clearRows(table: ComparedTable, keys: readonly Key[]): string | undefined {
  const own = table.columns.filter(({ name }) => !table.described.key.some((column) => column.name === name));
  if (own.length === 0 || own.some(({ fallback }) => fallback === undefined)) return undefined;
  const values = own.map(({ name, fallback = 'NULL' }) => `${quoteName(name)} = ${fallback}`);
  return `UPDATE ${sqlOf(table.stored)} SET ${values.join(', ')} WHERE ${whereKeys(table, keys, '')}`;
}

export function updateRows(table: ComparedTable, keys: readonly Key[]): string {
  const { stored, recomputed, columns } = table;
  const values = columns.map(({ name }) => `s.${quoteName(name)} = r.${quoteName(name)}`);
  return `UPDATE ${sqlOf(stored)} AS s JOIN ${sqlOf(recomputed)} AS r ON ${sameKey(table)} SET ${values.join(', ')} WHERE ${whereKeys(table, keys, 's')}`;
}

/** `kept`: of columns that the flow does not own, the variables that hold their values. */
export function insertRows(table: ComparedTable, keys: readonly Key[], kept: readonly string[] = []): string {
  const { stored, recomputed, columns, others } = table;
  const names = columns.map(({ name }) => quoteName(name));
  const also = others.slice(0, kept.length).map(({ name }) => quoteName(name));
  return (
    `INSERT INTO ${sqlOf(stored)} (${[...names, ...also].join(', ')}) ` +
    `SELECT ${[...names.map((name) => `r.${name}`), ...kept].join(', ')} FROM ${sqlOf(recomputed)} AS r WHERE ${whereKeys(table, keys, 'r')}`
  );
}

/** Reads whether a row is there, and keeps others from it until the transaction ends. */
export function lockRow(table: ComparedTable, key: Key): string {
  return `SELECT 1 FROM ${sqlOf(table.stored)} WHERE ${whereKeys(table, [key], '')} FOR UPDATE`;
}

/** Keeps what the flow does not own of a row in variables of the session, and others from the row; undefined where it owns all. */
export function keepOthers(table: ComparedTable, key: Key, variables: readonly string[]): string | undefined {
  const { stored, others } = table;
  if (others.length === 0) return undefined;
  const names = others.map(({ name }) => quoteName(name));
  return `SELECT ${names.join(', ')} INTO ${variables.join(', ')} FROM ${sqlOf(stored)} WHERE ${whereKeys(table, [key], '')} FOR UPDATE`;
}
