/**
 * Reading tables as they are, beside the binlog: what a snapshot is made of.
 *
 * A table is read in chunks along a key, each by one statement without locks, so each is the table's state at some unknown moment. What
 * joins them to the stream is the end of the binlog, asked for after each read: every change that a chunk may show lies at or before it.
 *
 * Order of calls: `listTables`, `describe` for each table, then `read` and `readKeys` again and again, several at once if wanted; `close` last. Every
 * call rejects with a CodedError (SOURCE_…, SNAPSHOT_…), and with the signal's reason when it aborts; none waits for ever.
 */
import type { Row, Table, Value } from '../row/change.ts';
import type { Position } from '../row/position.ts';
import type { TableFilter } from '../source/contract.ts';

/** Values of the key's columns, in the key's order. */
export type Key = readonly Value[];

/** A column of the key along which a table is read. */
export interface KeyColumn {
  readonly name: string;
  /** `int unsigned`, `varchar(20)`: as information_schema says it. */
  readonly type: string;
  /** '' for a column that is no text. */
  readonly charset: string;
  readonly collation: string;
  readonly isDescending: boolean;
}

/** A table as it is read. */
export interface SnapshotTable {
  /** As its changes describe it: the same columns by the same names. */
  readonly table: Table;
  /** The primary key, or else a unique key whose columns are all NOT NULL. */
  readonly key: readonly KeyColumn[];
  /** The server's guess; of an InnoDB table it may be far off. */
  readonly rowsEstimate: number;
  /** Bytes a row, on average, by the server's guess; 0 where it has none. */
  readonly rowBytes: number;
}

/** A part of a table, in key order: rows behind `after` (absent: from the beginning), up to and with `upTo` (absent: to the end). */
export interface KeyRange {
  readonly after?: Key | undefined;
  readonly upTo?: Key | undefined;
}

export interface ChunkRequest extends KeyRange {
  readonly table: SnapshotTable;
  readonly rowsMax: number;
  /** A user's condition; it runs in a read-only transaction. */
  readonly where?: string | undefined;
}

export interface Chunk {
  /** In key order; values as the binlog's rows have them (L8). */
  readonly rows: readonly Row[];
  /** No row of the range is left behind these. */
  readonly isLast: boolean;
  /** About how many bytes the rows were on the wire. */
  readonly bytes: number;
  /** The end of the binlog after the read. */
  readonly head: Position;
  /** When it was read, by this machine's clock: milliseconds since 1970. */
  readonly time: number;
}

/** Rows that were asked for by their keys. */
export type KeyedRows = Omit<Chunk, 'isLast'>;

export interface TableReader {
  /** Base tables that are wanted, by `schema.name`; sorted. */
  listTables(wants: TableFilter, signal: AbortSignal): Promise<readonly { readonly schema: string; readonly name: string }[]>;
  /** Throws SNAPSHOT_NO_KEY where a table has no key to read it by, SNAPSHOT_NO_TABLE where there is none, SNAPSHOT_GRANT_MISSING where the account may not see it. `columns`: those that are wanted besides the key's; absent: all. */
  describe(
    table: { readonly schema: string; readonly name: string; readonly columns?: ReadonlySet<string> | undefined },
    signal: AbortSignal,
  ): Promise<SnapshotTable>;
  read(request: ChunkRequest, signal: AbortSignal): Promise<Chunk>;
  /** The rows that have one of these keys as the server compares them, in no order: where its collation takes two keys for one, a row may have another than was asked for. */
  readKeys(table: SnapshotTable, keys: readonly Key[], signal: AbortSignal): Promise<KeyedRows>;
  /** The key of the last of the next `rowsMax` rows of the range; undefined where there are none. Reads keys only. */
  bound(request: Omit<ChunkRequest, 'where'>, signal: AbortSignal): Promise<Key | undefined>;
  /** Which of these keys lie at or before the bound, in the order in which the server reads the table. */
  areUpTo(table: SnapshotTable, keys: readonly Key[], bound: Key, signal: AbortSignal): Promise<readonly boolean[]>;
  close(): Promise<void>;
}
