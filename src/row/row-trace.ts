/**
 * Where rows come from: what a flow with `lineage: true` has its batches keep. Without it there is no trace: whoever has something to tell
 * asks for one branch, and no row costs anything.
 *
 * Whoever makes a row of one other row says so (`derive`); whoever writes rows into the store says which (`wrote`, `removed`,
 * `wroteGroups`) or that it cannot be known (`wroteUnseen`). What a step wrote and undid again is taken back (`mark`, `undo`).
 */
import type { Row } from './change.ts';

/** The source change that a row came from. */
export interface RowOrigin {
  /** `schema.name` at the source. */
  readonly table: string;
  /** As `Change.position` and `Change.time`. */
  readonly position: string;
  readonly time: number;
}

/** A row's key as one text. */
export interface TracedKey {
  readonly text: string;
  /** The server may take another text for the same key, and only it can tell (accents, padding). */
  readonly isLoose: boolean;
}

/** A computed table, as far as tracing needs it. */
export interface TracedTable {
  /** `db.table`. */
  readonly id: string;
  /** Names of its primary key's columns, in lower case. */
  readonly key: readonly string[];
  /** Undefined where the row does not have the whole key. */
  keyOf(row: Row): TracedKey | undefined;
  /** SELECTs of the rows that have the keys of these. */
  select(keys: readonly Row[]): readonly string[];
}

/** One row of a computed table, written by the function under way. */
export interface TracedWrite {
  readonly table: TracedTable;
  /** A row that has the key. */
  readonly at: Row;
  /** Its columns that were written, as one text (a JSON list): the same text for the same columns. */
  readonly fields: string;
  /** The row as it was given: what its origin is known by. */
  readonly row: unknown;
  /** Whether it is certain that the row is there now. */
  readonly isSure: boolean;
}

/** Groups of an aggregate's computed table that were written, or that are gone. */
export interface TracedGroups {
  /** `table` or `db.table`, in the store. */
  readonly table: string;
  readonly fields: readonly string[];
  readonly groups: readonly {
    readonly at: Row;
    /** The row that moved it last. */
    readonly last: unknown;
    readonly isSure: boolean;
  }[];
}

/** What the batch under way is told. None of it waits or throws. */
export interface RowTrace {
  /** `made` was made of `from`, and of no other row of the batch. */
  derive(made: unknown, from: unknown): void;
  wrote(write: TracedWrite): void;
  removed(table: TracedTable, at: Row): void;
  wroteGroups(groups: TracedGroups): void;
  /** The function has run a statement of its own that may write. `table`: its connector's, `db.table`. */
  wroteUnseen(table: string): void;
  /** Where `undo` goes back to. */
  mark(): void;
  undo(): void;
}
