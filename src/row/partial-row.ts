/**
 * Rows of a server whose binlog_row_image is MINIMAL or NOBLOB: some columns of the table are not in the image, and absent is not NULL.
 *
 * A change says by itself what its images lack. A plain row is known by a mark on its prototype, so that it has no field that its table
 * has not. What makes a new row of a partial one marks it again with `keepPartial`.
 */
import { CodedError } from '../lib/error.ts';
import { isChange, type Absent, type ChangeGroup, type Op, type Row } from './change.ts';

/** What is known of a partial row beside its values. */
export interface PartialNote {
  readonly op: Op;
  /** `schema.name` of the source table. */
  readonly table: string;
  readonly position: string;
  readonly absent: Absent;
}

const partialMark = Symbol.for('kisflow.partial');

/** What the images of a group lack; undefined where they are whole. All rows of one event have the same columns. */
export function absentOf(group: ChangeGroup, { takesDefaults }: { readonly takesDefaults: boolean }): Absent | undefined {
  if (group.isPartial !== true) return undefined;
  const before = group.op === 'insert' ? undefined : group.before[0];
  const after = group.op === 'delete' ? undefined : group.after[0];
  const images = [before, after].filter((image) => image !== undefined);
  const columns = group.table.columns.map(({ name }) => name).filter((name) => images.some((image) => !(name in image)));
  return { columns, meaning: group.op === 'insert' && takesDefaults ? 'default' : 'unknown' };
}

/** The rows as plain rows that are known to be partial. */
export function markPartial(rows: readonly Row[], note: PartialNote): readonly Row[] {
  const prototype: object = Object.create(Object.prototype, { [partialMark]: { value: note } });
  return rows.map((row): Row => Object.assign(Object.create(prototype), row));
}

/** What is known of a row that is partial; undefined for a whole one. */
export function partialNoteOf(row: unknown): PartialNote | undefined {
  if (isChange(row)) {
    const { op, table, position, absent } = row;
    return absent === undefined ? undefined : { op, table, position, absent };
  }
  if (typeof row !== 'object' || row === null || !(partialMark in row)) return undefined;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only markPartial sets the mark
  return row[partialMark] as PartialNote;
}

/** A plain row made of a partial one is partial too, of columns that may have other names now; undefined: it is not there any more. */
export function keepPartial(from: unknown, to: Row, nameOf: (column: string) => string | undefined = (column) => column): Row {
  const note = partialNoteOf(from);
  return note === undefined ? to : (markPartial([to], { ...note, absent: renameAbsent(note.absent, nameOf) })[0] ?? to);
}

/** What is absent, under other names. */
export function renameAbsent(absent: Absent, nameOf: (column: string) => string | undefined): Absent {
  const columns = absent.columns.map(nameOf).filter((name) => name !== undefined);
  return { ...absent, columns };
}

/** The error of whoever needs a column that a partial row lacks. `who` begins the sentence. */
export function rowImageError(
  note: PartialNote,
  { who, columns, remedy = '' }: { readonly who: string; readonly columns: readonly string[]; readonly remedy?: string },
): CodedError {
  const list = columns.length <= 8 ? columns.join(', ') : `${columns.slice(0, 8).join(', ')} and ${columns.length - 8} more`;
  const mend = `SET GLOBAL binlog_row_image = FULL on the source and reconnect the writers${remedy}`;
  const message = `${who} needs ${list} of ${note.table}, which the ${note.op} at ${note.position} does not have: ${mend}`;
  return new CodedError('SOURCE_ROW_IMAGE', message, {
    details: { table: note.table, column: list, position: note.position },
  });
}
