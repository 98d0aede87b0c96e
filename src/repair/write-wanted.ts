import type { Key } from '../snapshot/contract.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';
import type { ComparedTable } from './compared-table.ts';
import { insertRows, lockRow, updateRows } from './mend-sql.ts';

/** A row that should be there, or be another one. */
export interface Wanted {
  readonly key: Key;
  readonly isMissing: boolean;
}

/**
 * Does the work in a transaction of the flow, while both tables stand for one position; resolves when it is committed. A work that rejects
 * leaves nothing.
 */
export type RunInFlow = (work: (transaction: StoreTransaction) => Promise<void>) => Promise<void>;

/** ER_DUP_ENTRY. */
const duplicate = 1062;

export function isDuplicate(error: unknown): boolean {
  return errnoOf(error) === duplicate;
}

/** Writes them, all at once where that goes; gives those that cannot be written yet, because other rows have unique values of theirs. */
export async function writeWanted(
  transaction: StoreTransaction,
  table: ComparedTable,
  rows: readonly Wanted[],
): Promise<readonly Wanted[]> {
  const blocked: Wanted[] = [];
  for (const isMissing of [false, true]) {
    const some = rows.filter((row) => row.isMissing === isMissing);
    if (some.length === 0 || (await write(transaction, table, some))) continue;
    for (const row of some) if (some.length === 1 || !(await write(transaction, table, [row]))) blocked.push(row);
  }
  return blocked;
}

/** False: another row has a unique value of one of these, and nothing is written. */
async function write(transaction: StoreTransaction, table: ComparedTable, rows: readonly Wanted[]): Promise<boolean> {
  const keys = rows.map(({ key }) => key);
  try {
    await transaction.query(rows[0]?.isMissing === true ? insertRows(table, keys) : updateRows(table, keys));
    return true;
  } catch (error) {
    if (!isDuplicate(error)) throw error;
  }
  const [only] = rows;
  return table.isShared && only?.isMissing === true && rows.length === 1 && (await writeIfThere(transaction, table, only));
}

/** The other flow of a shared table may have made the row since it was looked for. */
async function writeIfThere(transaction: StoreTransaction, table: ComparedTable, { key }: Wanted): Promise<boolean> {
  const { rows } = await transaction.query(lockRow(table, key));
  return rows.length > 0 && (await write(transaction, table, [{ key, isMissing: false }]));
}
