/**
 * What the source hands to the right: rows, changes and transactions.
 *
 * The source emits each commit as one or more transaction parts, in commit order. Rows that one binlog event changed stay
 * together in a group, so that a million rows cost a million row objects and nothing more.
 */

/**
 * A column's value as functions see it. Numbers are JavaScript numbers where they are exact, else decimal strings (BIGINT
 * beyond 2^53, every DECIMAL); dates and times are strings as the server prints them in UTC; JSON is its text; binary
 * columns are Buffers; NULL is null.
 */
export type Value = string | number | bigint | boolean | null | Uint8Array | Date | object | undefined;

/** One row: column name to value. */
export type Row = Record<string, Value>;

export interface Column {
  readonly name: string;
}

/** A source table as one event described it. */
export interface Table {
  readonly schema: string;
  readonly name: string;
  /** `schema.name`. */
  readonly id: string;
  /** Those that were asked for. */
  readonly columns: readonly Column[];
  /** The primary key's column names in key order; empty without one. */
  readonly primaryKey: readonly string[];
}

export type Op = 'insert' | 'update' | 'delete';

/**
 * Rows of one table changed in the same way by one event. `before[i]` and `after[i]` belong together.
 *
 * `isPartial`: the event did not hold every column (binlog_row_image is not FULL). A column that is absent is a property that is not
 * there, which is not NULL; in an update, `after` has what `before` has where it did not change.
 */
export type ChangeGroup =
  | { readonly op: 'insert'; readonly table: Table; readonly after: readonly Row[]; readonly isPartial?: true }
  | {
      readonly op: 'update';
      readonly table: Table;
      readonly before: readonly Row[];
      readonly after: readonly Row[];
      readonly isPartial?: true;
    }
  | { readonly op: 'delete'; readonly table: Table; readonly before: readonly Row[]; readonly isPartial?: true };

/** How many changes a group holds. */
export function groupSize(group: ChangeGroup): number {
  return group.op === 'delete' ? group.before.length : group.after.length;
}

/** Changes `from` (included) to `to` (excluded) of a group. */
export function sliceGroup(group: ChangeGroup, from: number, to: number): ChangeGroup {
  switch (group.op) {
    case 'insert':
      return { ...group, after: group.after.slice(from, to) };
    case 'update':
      return { ...group, before: group.before.slice(from, to), after: group.after.slice(from, to) };
    case 'delete':
      return { ...group, before: group.before.slice(from, to) };
    default:
      return group satisfies never;
  }
}

/**
 * What a statement about a whole table did to its rows, none of which has a change of its own.
 * - `truncate`: all rows went.
 * - `drop`: the table went, and its rows with it; another may have been made in its place.
 * - `rewrite`: which rows went or came cannot be told (a partition dropped or exchanged, a tablespace discarded).
 * - `rename`: no table of that name is left; the rows live on under another.
 * - `swap`: another table has taken the name, with rows of its own.
 */
export type TableOp = 'truncate' | 'drop' | 'rewrite' | 'rename' | 'swap';

/** A statement that took, brought or moved rows of a table without a change of each. */
export interface TableStatement {
  readonly op: TableOp;
  readonly schema: string;
  /** '' for every table of the schema. */
  readonly table: string;
  /** Its text without its literals. */
  readonly statement: string;
  /** `file:offset` where it begins. */
  readonly position: string;
}

/** One source commit, or a part of one that is too large for a single batch; parts of a commit follow one another. */
export interface TransactionPart {
  /** The changes of wanted tables, in commit order; empty where the commit touched none (it still moves the position). */
  readonly groups: readonly ChangeGroup[];
  /** What happened to whole tables before these changes, wanted or not; absent where nothing did. */
  readonly statements?: readonly TableStatement[];
  /** Identity of the server that it was read from: file and offset are places on that server. */
  readonly server: string;
  /** Binlog file and the offset behind the commit. Only a final part moves the position there. */
  readonly file: string;
  readonly offset: number;
  /** The transaction's GTID; '' where the server gives none, and in parts that only move file and offset. */
  readonly gtid: string;
  /** Commit time at the source in milliseconds since 1970; 0 where it is not known. */
  readonly time: number;
  /** The time of the transaction's first event, likewise; absent or 0 where it has none. The same in all parts, and when it is read again. */
  readonly begun?: number;
  /** Size of the part in the binlog, in bytes: what queues are bounded by. */
  readonly bytes: number;
  /** False while more parts of the same transaction follow. */
  readonly isFinal: boolean;
}

/** What a row image lacks that its table has. An absent column is not NULL. */
export interface Absent {
  /** Names of the columns that one of the images lacks. */
  readonly columns: readonly string[];
  /**
   * `unknown`: the columns have a value that the image does not tell. `default`: the row was inserted without them, and the flow takes it
   * that its computed tables have the same defaults (`row_image: partial`).
   */
  readonly meaning: 'unknown' | 'default';
}

/** One row's change, as a flow with `rows: change` receives it. */
export interface Change {
  readonly op: Op;
  /** `schema.name` of the source table. */
  readonly table: string;
  /** The row before the change; null for an insert. */
  readonly before: Row | null;
  /** The row after the change; null for a delete. */
  readonly after: Row | null;
  /** Names of the source table's primary key columns. */
  readonly key: readonly string[];
  /**
   * `file:offset` of the transaction, with its GTID where there is one (`file:offset gtid=…`). Of a row that a snapshot read: where the stream
   * was, with the run (`file:offset run=…`).
   */
  readonly position: string;
  /** Commit time at the source in milliseconds since 1970; of a row that a snapshot read, when it was read. */
  readonly time: number;
  /** What one of the images lacks that the table has; not there where both are whole, as with binlog_row_image=FULL. */
  readonly absent?: Absent;
}

const changeMark = Symbol.for('kisflow.change');

/** A change as the daemon makes it; `isChange` knows it by a mark on the prototype, which costs nothing per row. */
class MarkedChange implements Change {
  readonly op: Op;
  readonly table: string;
  readonly before: Row | null;
  readonly after: Row | null;
  readonly key: readonly string[];
  readonly position: string;
  readonly time: number;
  declare readonly absent?: Absent;

  constructor(fields: Change) {
    this.op = fields.op;
    this.table = fields.table;
    this.before = fields.before;
    this.after = fields.after;
    this.key = fields.key;
    this.position = fields.position;
    this.time = fields.time;
    if (fields.absent !== undefined) this.absent = fields.absent;
  }
}
Object.defineProperty(MarkedChange.prototype, changeMark, { value: true });

/** Makes a change that `isChange` knows again, whatever package instance made it. */
export function makeChange(fields: Change): Change {
  return new MarkedChange(fields);
}

/** Whether a row of a flow is a whole change rather than a plain row. */
export function isChange(row: unknown): row is Change {
  return typeof row === 'object' && row !== null && changeMark in row;
}
