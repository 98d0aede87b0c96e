/**
 * What a row whose image lacks columns does to a table. An update that does not have every column is an UPDATE of those that it has, by
 * key: as an upsert it would make a row with holes where the row is missing. An insert without all columns is refused, unless its flow
 * takes the table's defaults for what is absent.
 */
import { isChange, type Row } from '../row/change.ts';
import { rowImageError, type PartialNote } from '../row/partial-row.ts';
import type { RowWrite, SaveMode } from './mysql-shape.ts';
import type { TableDefinition } from './mysql-table.ts';

/** Columns of one row that has to be there. */
export interface PartialUpdate extends RowWrite {
  /** A row that has the key as it is before the update. */
  readonly at: Row;
  readonly note: PartialNote;
}

/** What a partial row does: removes a key, writes all columns, or updates some of the row that has the key of `at`. */
export type PartialOperation =
  | { readonly kind: 'whole' }
  | { readonly kind: 'update'; readonly at: Row; readonly row: Row; readonly note: PartialNote };

const asDefaults =
  '; or, where the computed table’s columns have the same defaults as the source table’s, write row_image: partial in the flow’s source';

/** Throws SOURCE_ROW_IMAGE (stop) where the row's effect cannot be told without what is absent. */
export function readPartial(
  table: TableDefinition,
  item: Row,
  { note, mode }: { readonly note: PartialNote; readonly mode: SaveMode },
): PartialOperation {
  const who = `The table ${table.id}`;
  const before = isChange(item) ? item.before : null;
  const row = isChange(item) ? item.after : item;
  const keysLacking = [before, row].flatMap((image) => (image === null ? [] : lacking(table, image, note).filter(isKeyOf(table))));
  if (keysLacking.length > 0) throw rowImageError(note, { who, columns: [...new Set(keysLacking)] });
  if (row === null) return { kind: 'whole' };
  const columns = lacking(table, row, note);
  const isDefault = note.op === 'insert' && note.absent.meaning === 'default';
  if (columns.length === 0 || isDefault) return { kind: 'whole' };
  if (note.op === 'insert') throw rowImageError(note, { who, columns, remedy: asDefaults });
  if (mode === 'insert') throw rowImageError(note, { who: `${who}, which is written in mode insert,`, columns });
  return { kind: 'update', at: before ?? row, row, note };
}

/** Columns that are to be written, and that the row does not have because its image lacks them. */
function lacking(table: TableDefinition, row: Row, { absent }: PartialNote): readonly string[] {
  return absent.columns.filter((name) => !(name in row) && table.columns.get(name.toLowerCase())?.isGenerated === false);
}

function isKeyOf(table: TableDefinition): (name: string) => boolean {
  return (name) => table.primaryKey.some((column) => column.name.toLowerCase() === name.toLowerCase());
}
