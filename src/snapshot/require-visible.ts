import { CodedError } from '../lib/error.ts';
import type { TableReader } from './contract.ts';

export interface NamedTable {
  readonly schema: string;
  readonly name: string;
}

/**
 * Of tables that are not listed: throws SNAPSHOT_GRANT_MISSING where the account may not see one. Its rows would be taken for none, and what
 * was computed from them for wrong. One that is not there yet has none.
 */
export async function requireVisible(
  reader: Pick<TableReader, 'describe'>,
  tables: readonly NamedTable[],
  signal: AbortSignal,
): Promise<void> {
  for (const table of tables) {
    try {
      await reader.describe(table, signal);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'SNAPSHOT_NO_TABLE') throw error;
    }
  }
}
