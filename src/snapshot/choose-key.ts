import { CodedError } from '../lib/error.ts';
import type { KeyColumn } from './contract.ts';

/** A unique index, as information_schema describes it. */
export interface UniqueIndex {
  readonly name: string;
  readonly parts: readonly IndexPart[];
}

export interface IndexPart {
  /** '' for an expression. */
  readonly column: string;
  readonly isDescending: boolean;
  /** Only the beginning of the column's values is in the index. */
  readonly isPrefix: boolean;
  readonly mayBeNull: boolean;
  /** It finds equal values, and has no order. */
  readonly isHash: boolean;
  /** INVISIBLE, or MariaDB's IGNORED: the server does not read by it. */
  readonly isHidden: boolean;
}

export interface ChosenKey {
  readonly index: string;
  readonly columns: readonly KeyColumn[];
}

export type ColumnOfKey = Omit<KeyColumn, 'isDescending'>;

const PRIMARY = 'PRIMARY';
/** Types whose order, or whose equality, is not that of the values that functions see. */
const unordered = /^(enum|set|float|double|real|bit)\b/i;

/**
 * The key along which a table is read: the primary key, or else the unique key of the fewest columns that serves. Throws SNAPSHOT_NO_KEY,
 * with what is wrong with each.
 */
export function chooseKey(table: string, indexes: readonly UniqueIndex[], columns: readonly ColumnOfKey[]): ChosenKey {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const rank = ({ name, parts }: UniqueIndex) => (name === PRIMARY ? 0 : parts.length);
  const faults: string[] = [];
  for (const { name, parts } of indexes.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))) {
    const key: KeyColumn[] = [];
    const found: string[] = [];
    for (const part of parts) {
      const column = byName.get(part.column);
      const fault = column === undefined ? 'it has an expression' : faultOf(part, column);
      if (fault !== undefined) found.push(fault);
      else if (column !== undefined) key.push({ ...column, isDescending: part.isDescending });
    }
    if (found.length === 0) return { index: name, columns: key };
    faults.push(`${name === PRIMARY ? 'the primary key' : `the key ${name}`} does not serve: ${found.join(', ')}`);
  }
  throw noKey(table, faults);
}

function faultOf(part: IndexPart, { name, type }: ColumnOfKey): string | undefined {
  if (part.isPrefix) return `it has only the beginning of ${name}`;
  if (part.mayBeNull) return `${name} may be NULL`;
  if (part.isHash) return 'it is a HASH index, which has no order';
  if (part.isHidden) return 'it is invisible';
  const [word = ''] = unordered.exec(type) ?? [];
  return word === '' ? undefined : `${name} is of the type ${word.toUpperCase()}, whose values are not in a safe order`;
}

function noKey(table: string, faults: readonly string[]): CodedError {
  const why = faults.length === 0 ? 'it has neither a primary key nor a unique one' : faults.join('; ');
  return new CodedError(
    'SNAPSHOT_NO_KEY',
    `${table} cannot be read in chunks (${why}): give it a PRIMARY KEY, or a UNIQUE key of whole columns that are NOT NULL and of other types`,
    { details: { table } },
  );
}
