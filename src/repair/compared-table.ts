import { CodedError } from '../lib/error.ts';
import { describeTable, type DescribedTable } from '../snapshot/describe-table.ts';
import type { Query } from '../source/server-link.ts';
import type { Flavour } from '../store/contract.ts';
import { quoteName } from '../store/name.ts';
import { readColumns, type TableColumn } from './compare-column.ts';

export interface ComparedName {
  readonly schema: string;
  readonly name: string;
}

export interface ComparedWish {
  /** The computed table as readers have it. */
  readonly stored: ComparedName;
  /** The same, computed anew; on the same server and of the same definition. */
  readonly recomputed: ComparedName;
  /** The columns that the flow writes, in lower case; undefined: all that the server does not fill in by itself. */
  readonly columns?: ReadonlySet<string> | undefined;
  /** Other flows own other columns of it: a row may be there for their sake, with this flow's columns as they are by default. */
  readonly isShared: boolean;
}

/** Two tables of one server that should be the same in what one flow writes. */
export interface ComparedTable {
  /** `db.table` of the stored one. */
  readonly id: string;
  readonly stored: ComparedName;
  readonly recomputed: ComparedName;
  /** The stored one, with the key along which both are read. */
  readonly described: DescribedTable;
  /** Those of the key, and those of the flow. */
  readonly columns: readonly TableColumn[];
  /** Those that are neither compared nor generated: a repair leaves them as they are. */
  readonly others: readonly TableColumn[];
  readonly isShared: boolean;
}

/** Throws VERIFY_TABLE_CHANGED where the two are not of one definition; SNAPSHOT_NO_KEY, SNAPSHOT_NO_TABLE. */
export async function describeCompared(query: Query, wish: ComparedWish, flavour: Flavour): Promise<ComparedTable> {
  const { stored, recomputed, isShared, columns: owned } = wish;
  const described = await describeTable(query, stored);
  const all = (await readColumns(query, stored, flavour)).filter(({ isGenerated }) => !isGenerated);
  const keys = new Set(described.key.map(({ name }) => name));
  const isCompared = ({ name, isFilledIn }: TableColumn): boolean =>
    keys.has(name) || (owned === undefined ? !isFilledIn : owned.has(name.toLowerCase()));
  const columns = all.filter(isCompared);
  const theirs = new Map((await readColumns(query, recomputed, flavour)).map((column) => [column.name, column.definition]));
  const other = columns.find(({ name, definition }) => theirs.get(name) !== definition);
  if (other !== undefined) {
    const what = `${other.name} is ${other.definition} and was ${theirs.get(other.name) ?? 'not there'}`;
    throw new CodedError('VERIFY_TABLE_CHANGED', `${described.table.id} was altered since it began to be computed anew: ${what}.`, {
      class: 'retry',
      details: { table: described.table.id },
    });
  }
  const others = all.filter((column) => !isCompared(column));
  return { id: described.table.id, stored, recomputed, described, columns, others, isShared };
}

export function sqlOf({ schema, name }: ComparedName): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}
