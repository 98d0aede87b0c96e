import { groupSize, makeChange, type ChangeGroup, type Row } from '../row/change.ts';
import { absentOf, markPartial } from '../row/partial-row.ts';
import { heldBack, imagesOf, placeOf, type Batch, type RoutedPart, type RowShape } from './batch.ts';

/** How a batch's changes become rows. */
export interface RowOptions {
  readonly shape: RowShape;
  /** The flow takes it that a column which an insert does not have is its default (`row_image: partial`). */
  readonly takesDefaults: boolean;
}

/** What a flow is given of a batch. */
export interface BatchRows {
  readonly rows: unknown[];
  /** How many changes this shape of flow does not want, or of rows that are not read yet. */
  readonly filtered: number;
  /** The images of some changes lack columns. */
  readonly hasPartialRows: boolean;
  readonly places: () => readonly number[];
}

/**
 * The rows that the flow's first function receives: all of the batch but those that are held back.
 */
export function batchRows(
  batch: Batch,
  shape: RowShape,
  { takesDefaults = false }: { readonly takesDefaults?: boolean } = {},
): BatchRows {
  const rows = allRows(batch, { shape, takesDefaults });
  const about = { hasPartialRows: hasPartialRows(batch), places: () => rowPlaces(batch, shape) };
  if (batch.dead.length === 0 && batch.unread.length === 0) return { rows, filtered: batch.size - rows.length, ...about };
  const places = wantedPlaces(batch, shape);
  const held = heldBack(batch);
  const unread = new Set(batch.unread);
  const read = unread.size === 0 ? places.length : places.filter((place) => !unread.has(place)).length;
  return { rows: rows.filter((_row, at) => !held.has(places[at] ?? -1)), filtered: batch.size - read, ...about };
}

/** Each of `batchRows`' rows is the change at this place of the batch. */
export function rowPlaces(batch: Batch, shape: RowShape): readonly number[] {
  const held = heldBack(batch);
  return wantedPlaces(batch, shape).filter((place) => !held.has(place));
}

function wantedPlaces(batch: Batch, shape: RowShape): readonly number[] {
  const places: number[] = [];
  let at = 0;
  for (const part of batch.parts) {
    for (const group of part.groups) {
      const size = groupSize(group);
      const isWanted = shape === 'change' || group.op !== 'delete';
      for (let i = isWanted ? 0 : size; i < size; i += 1) places.push(at + i);
      at += size;
    }
  }
  return places;
}

function hasPartialRows(batch: Batch): boolean {
  return batch.parts.some(({ groups }) => groups.some(({ isPartial }) => isPartial === true));
}

function allRows(batch: Batch, options: RowOptions): unknown[] {
  const rows: unknown[] = [];
  for (const part of batch.parts) {
    for (const group of part.groups) {
      if (options.shape === 'change') pushChanges(rows, { group, part, options });
      else if (group.op !== 'delete') pushAll(rows, plainRows(group, part, options));
    }
  }
  return rows;
}

function plainRows(group: Exclude<ChangeGroup, { op: 'delete' }>, part: RoutedPart, options: RowOptions): readonly Row[] {
  const absent = absentOf(group, options);
  if (absent === undefined) return group.after;
  return markPartial(group.after, { op: group.op, table: group.table.id, position: placeOf(part), absent });
}

/** Not `push(...rows)`: a group may have more rows than a call may have arguments. */
function pushAll(rows: unknown[], more: readonly unknown[]): void {
  for (const row of more) rows.push(row);
}

function pushChanges(
  rows: unknown[],
  { group, part, options }: { readonly group: ChangeGroup; readonly part: RoutedPart; readonly options: RowOptions },
): void {
  const absent = absentOf(group, options);
  const place = { table: group.table.id, key: group.table.primaryKey, position: placeOf(part), time: part.time };
  const shared = absent === undefined ? place : { ...place, absent };
  for (let i = 0; i < groupSize(group); i += 1) rows.push(makeChange({ op: group.op, ...imagesOf(group, i), ...shared }));
}
