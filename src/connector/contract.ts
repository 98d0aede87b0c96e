/**
 * A connector: named access to a storage. The registry opens each configured connector once and shares it among all functions
 * that name it; a run asks it for sessions: on the local store one for the batch, elsewhere one for each try of each step.
 *
 * Promises: `save` returns after the storage has taken the rows. On the local store that is inside the batch's transaction,
 * so it is undone with the batch and done exactly once. Elsewhere it is at least once, and `batch.id` is the same when the
 * same batch is tried again, after a crash too, so that a storage can make it idempotent. Every implementation passes
 * test/connector/laws.
 */
import type { Logger } from '../lib/logger.ts';
import type { Row } from '../row/change.ts';
import type { RowTrace } from '../row/row-trace.ts';
import type { StoreTransaction } from '../store/contract.ts';

export type Guarantee = 'exactly-once' | 'at-least-once';

/** The batch that a session works for. */
export interface BatchScope {
  /** The same when the batch is tried again, after a crash too: then it has the same rows. */
  readonly id: string;
  readonly flow: string;
  /** The batch's transaction in the local store; null in a program that has no store. */
  readonly store: StoreTransaction | null;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /**
   * Which step of the run the session works for, counted as steps run (a jump counts on); the same when the step or the batch is
   * tried again. Absent on the local store, whose session serves the whole batch, and where no run has made the session.
   */
  readonly step?: number | undefined;
  /** Is told what is written into the store, where the flow keeps its rows' lineage; absent: it does not. */
  readonly trace?: RowTrace | undefined;
}

export interface ConnectorSession {
  /**
   * Writes rows (plain rows or changes, see row/change.ts isChange). A plain row is upserted by the table's primary key; a change is applied:
   * insert and update write `after`, a delete removes the key, a changed primary key does both. Fields that a row does not
   * have are left alone. Rows of one key take effect in the order given. Only a connector that `takesPartial` is given partial rows
   * of a flow that does not ask for them.
   */
  save(rows: readonly unknown[]): Promise<void>;
  /** Reads the rows that have these values in these columns; in no particular order; keys without a row are absent. */
  load(keys: readonly Row[]): Promise<Row[]>;
  /** The storage's own language, where it has one (SQL for mysql). Rejects with CONNECTOR_FAILED where it has none. */
  query(statement: string, params?: readonly unknown[]): Promise<readonly Row[]>;
}

export interface Connector {
  readonly name: string;
  readonly type: string;
  readonly guarantee: Guarantee;
  /** Its save makes no row with holes of a partial row: an update without all columns never makes a row. Absent: it may. */
  readonly takesPartial?: boolean;
  open(): Promise<void>;
  session(batch: BatchScope): ConnectorSession;
  close(): Promise<void>;
}

/** What a connector is made from: its part of the configuration, as plain data. */
export interface ConnectorOptions {
  readonly name: string;
  readonly type: string;
  readonly addrs: string;
  /** The table, hash or topic. */
  readonly key: string;
  readonly params: Readonly<Record<string, string>>;
}

/** A kind of connector that a project brings: what a configuration names by `type`. */
export interface ConnectorKind {
  readonly type: string;
  /** Makes one connector; nothing is opened yet. Throws CONFIG_INVALID where its options do not fit. */
  make(options: ConnectorOptions): Connector;
}

/** Defines a kind of connector: the default export of a file under `connectors/`, or what a program hands to `loadProject`. */
export function defineConnector(kind: ConnectorKind): ConnectorKind {
  return kind;
}
