import { endRunIfRead, saveRunTable } from '../repair/run-record.ts';
import type { StoreTransaction } from '../store/contract.ts';
import type { BatchChunk } from './batch.ts';

/** Keeps, in the batch's transaction (L1), how far a table is read once it is committed. */
export async function saveChunk(transaction: StoreTransaction, chunk: BatchChunk): Promise<void> {
  const { run, sourceTable, keys, after, isLast, rowsTotal } = chunk;
  await saveRunTable(transaction, {
    run,
    sourceTable,
    cursorKey: after.cursor ?? null,
    doneKeys: after.done,
    rowsAdded: keys.length,
    rowsTotal,
    isDone: isLast,
  });
  if (isLast) await endRunIfRead(transaction, run);
}
