import { silentLogger } from '../../src/lib/logger.ts';
import type { Chunk, Key, SnapshotTable, TableReader } from '../../src/snapshot/contract.ts';
import { keyOf } from '../../src/snapshot/key-text.ts';
import { createTableReader, type TableReaderOptions } from '../../src/snapshot/table-reader.ts';
import { never } from '../source/reading.ts';
import { onEnd } from '../support/cleanup.ts';

/** A reader of the test's own; closed at its end. */
export function openTableReader(url: string, options: Partial<TableReaderOptions> = {}): TableReader {
  const reader = createTableReader({ url, logger: silentLogger, ...options });
  onEnd(() => reader.close());
  return reader;
}

/** All chunks of a table, one behind the other. */
export async function readAll(reader: TableReader, table: SnapshotTable, rowsMax: number): Promise<readonly Chunk[]> {
  const chunks: Chunk[] = [];
  let after: Key | undefined;
  for (;;) {
    const chunk = await reader.read({ table, rowsMax, after }, never);
    chunks.push(chunk);
    const last = chunk.rows.at(-1);
    if (chunk.isLast || last === undefined) return chunks;
    after = keyOf(last, table.key);
  }
}
