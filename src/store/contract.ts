/**
 * The store seen from flows and connectors: one open transaction, the batch's own.
 *
 * The pipeline opens a transaction per batch, hands it to the flow's run inside the batch scope, and commits it together with
 * the checkpoint. Nobody else commits or rolls back. While the batch before is still committing, `query` waits for it: so
 * functions may compute, and connectors may build their statements, beside that commit.
 */
import type { Row } from '../row/change.ts';

export interface StoreResult {
  /** Rows of a SELECT; empty for other statements. */
  readonly rows: readonly Row[];
  /** Rows that an INSERT, UPDATE or DELETE affected, as the server counts them. */
  readonly affectedRows: number;
  /** Of an INSERT into a table with AUTO_INCREMENT: the number that its first row was given. */
  readonly insertId?: string;
  /** Of a SELECT that gave no rows: those of its columns that are part of their table's primary key. */
  readonly keyColumns?: readonly string[];
}

export type Flavour = 'mysql' | 'mariadb';

export interface StoreTransaction {
  readonly flavour: Flavour;
  /** The store's own database: where unqualified table names are. */
  readonly database: string;
  /** The server's max_allowed_packet in bytes: no statement may be longer. */
  readonly maxPacketBytes: number;
  /**
   * Runs one statement in the transaction. `params` replace `?` placeholders, escaped by the driver.
   * Rejects with a CodedError: class `retry` (connection, deadlock, lock wait), `row` (the data was refused) or `stop`.
   */
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}
