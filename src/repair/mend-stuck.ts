import { CodedError } from '../lib/error.ts';
import type { StoreTransaction } from '../store/contract.ts';
import type { ComparedTable } from './compared-table.ts';
import { deleteRows, insertRows, keepOthers } from './mend-sql.ts';
import { isDuplicate, writeWanted, type RunInFlow, type Wanted } from './write-wanted.ts';

/** The rows cannot be put where they belong: what was done for it must not be kept. */
class RingError extends CodedError {
  constructor() {
    super('STORE_CONSTRAINT', 'Rows of a computed table cannot be mended: others have unique values of theirs.', { class: 'row' });
  }
}

/**
 * Writes rows that stand in one another's way: again and again, as long as one more can be written; and where rows have one another's unique
 * values in a ring, one of them is taken out, and put back with all that others own of it when its place is free. Gives those that
 * cannot be written at all.
 */
export async function mendStuck(table: ComparedTable, rows: readonly Wanted[], run: RunInFlow): Promise<readonly Wanted[]> {
  let left: readonly Wanted[] = rows;
  try {
    await run(async (transaction) => {
      left = await writeInTurns(transaction, table, rows);
      if (left.length > 0) await breakRings(transaction, table, left);
    });
    return [];
  } catch (error) {
    if (!(error instanceof RingError)) throw error;
  }
  await run(async (transaction) => {
    left = await writeInTurns(transaction, table, rows);
  });
  return left;
}

async function writeInTurns(
  transaction: StoreTransaction,
  table: ComparedTable,
  rows: readonly Wanted[],
): Promise<readonly Wanted[]> {
  for (let left = rows; ;) {
    const blocked: Wanted[] = [];
    for (const row of left) blocked.push(...(await writeWanted(transaction, table, [row])));
    if (blocked.length === 0 || blocked.length === left.length) return blocked;
    left = blocked;
  }
}

/** Throws a RingError where one cannot be put back. */
async function breakRings(transaction: StoreTransaction, table: ComparedTable, rows: readonly Wanted[]): Promise<void> {
  const out: { readonly row: Wanted; readonly variables: readonly string[] }[] = [];
  let left = rows;
  // a row that is out for a moment takes no other table's rows with it
  await transaction.query('SET foreign_key_checks = 0');
  try {
    for (let row = first(left); row !== undefined; row = first(left)) {
      const taken = row;
      const variables = table.others.map((_, index) => `@kis_${out.length}_${index}`);
      const keep = keepOthers(table, taken.key, variables);
      if (keep !== undefined) await transaction.query(keep);
      await transaction.query(deleteRows(table, [taken.key]));
      out.push({ row: taken, variables });
      left = await writeInTurns(transaction, table, left.filter((other) => other !== taken)); // prettier-ignore
    }
    for (const { row, variables } of out) await transaction.query(insertRows(table, [row.key], variables));
    left = await writeInTurns(transaction, table, left);
  } catch (error) {
    if (isDuplicate(error)) throw new RingError();
    throw error;
  } finally {
    await transaction.query('SET foreign_key_checks = 1');
  }
  if (left.length > 0) throw new RingError();
}

/** One that is there, and so may be in another's way. */
function first(rows: readonly Wanted[]): Wanted | undefined {
  return rows.find(({ isMissing }) => !isMissing);
}
