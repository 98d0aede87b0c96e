/**
 * A source: where transactions come from. The supervisor opens one per configured source, asks it for positions, and runs one
 * `read` for all flows near the head and one for each flow that is behind.
 *
 * Order of calls: `inspect` (once, before any read), `resolve`/`verify`/`head` at any time, `read` any number of times, concurrently;
 * `close` last. A read delivers parts to its sink in commit order, whole transactions, from the position it was given, and
 * reconnects by itself; it resolves when its signal aborts and rejects with a CodedError of class `stop` when it cannot go on.
 */
import type { Position, StartPoint } from '../row/position.ts';
import type { TransactionPart } from '../row/change.ts';

/** Which tables a read decodes. Called once per table-map event, so it may cost a map look-up but no more. */
export type TableFilter = (schema: string, table: string) => boolean;

/**
 * Which of a wanted table's columns are decoded, besides its primary key's; undefined: all. The same object for as long as the answer is
 * the same: it is asked for with each table map.
 */
export type ColumnFilter = (schema: string, table: string) => ReadonlySet<string> | undefined;

export interface TransactionSink {
  /**
   * Takes a part. A returned promise means "enough": the source stops reading its socket until it resolves. Must not throw.
   */
  push(part: TransactionPart): Promise<void> | undefined;
}

/** What a reader does, for `status` and readiness. */
export interface ReaderState {
  readonly isConnected: boolean;
  /** Milliseconds since 1970 of the last byte from the server (heartbeats count). */
  readonly lastEventAt: number;
  /** The last connection error, cleared when the reader is connected again. */
  readonly lastError: Error | undefined;
}

export interface ReadOptions {
  readonly from: Position;
  readonly wants: TableFilter;
  readonly columns?: ColumnFilter;
  readonly sink: TransactionSink;
  readonly signal: AbortSignal;
  readonly onState?: (state: ReaderState) => void;
}

/** What the server is, as `inspect` found it. */
export interface ServerIdentity {
  readonly flavour: 'mysql' | 'mariadb';
  readonly version: string;
  /** MySQL: server_uuid. MariaDB, which has none: `server_id:<n>`. */
  readonly server: string;
  /** Whether positions carry GTIDs: gtid_mode=ON on MySQL, always on MariaDB. */
  readonly hasGtid: boolean;
}

/** What a look at a source finds. */
export interface SourceSight {
  /** The end of the binlog: what was committed before the look began lies at or before it, by its place and by its GTIDs. */
  readonly head: Position;
  /** The server's clock: milliseconds since 1970. */
  readonly time: number;
}

/** What a server keeps of its binlog. */
export interface KeptBinlogs {
  /** Oldest first. */
  readonly files: readonly { readonly name: string; readonly size: number }[];
  /** How long a file is kept once it is finished; undefined: it is not purged by age. */
  readonly expireMs: number | undefined;
}

/**
 * Looks at a source again and again, on a connection of its own that it keeps. One question at a time. Throws SOURCE_… codes, also when
 * the server does not answer in time.
 */
export interface SourceProbe {
  look(signal: AbortSignal): Promise<SourceSight>;
  listBinlogs(signal: AbortSignal): Promise<KeptBinlogs>;
  /** When a binlog file was begun, by the server's clock in milliseconds since 1970; undefined: it does not say. */
  begunAt(file: string, signal: AbortSignal): Promise<number | undefined>;
  close(): void;
}

export interface Source {
  readonly name: string;
  /** Connects, and checks that the server writes a binlog that can be read: throws the SOURCE_… code of the first obstacle. */
  inspect(signal: AbortSignal): Promise<ServerIdentity>;
  /** Turns a flow's `start` into a position on this server. Throws SOURCE_POSITION_INVALID or SOURCE_PURGED. */
  resolve(start: StartPoint, signal: AbortSignal): Promise<Position>;
  /** Whether reading could go on from this position: throws SOURCE_WRONG_SERVER, SOURCE_PURGED or SOURCE_POSITION_INVALID where it could not. */
  verify(position: Position, signal: AbortSignal): Promise<void>;
  /** The end of the binlog now. */
  head(signal: AbortSignal): Promise<Position>;
  /** For who looks at it all the time; the caller closes it. */
  openProbe(): SourceProbe;
  /** Whether a lock of this name (GET_LOCK) is held on the server: a store that holds one and a source that sees it are one server. */
  seesLock(name: string, signal: AbortSignal): Promise<boolean>;
  read(options: ReadOptions): Promise<void>;
  close(): Promise<void>;
}
