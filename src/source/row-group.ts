import type { DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent } from '@vlasky/zongji';
import { CodedError } from '../lib/error.ts';
import type { ChangeGroup, Row, Table, Value } from '../row/change.ts';
import type { InexactColumns } from './table-map.ts';
import { isEvent } from './zongji-event.ts';

export type RowsEvent = WriteRowsEvent | UpdateRowsEvent | DeleteRowsEvent;

/** Which columns the event holds, which zongji's types leave out: one bit per column, and for updates one more per new column. */
type WithBitmaps = RowsEvent & { readonly columns_present_bitmap?: Buffer; readonly columns_present_bitmap2?: Buffer };

/**
 * A decoded rows event as a change group. zongji's row objects are handed on, mended where it does not read a value as it is: `inexact`
 * names the columns of such types. Throws SOURCE_ROW_IMAGE where the event does not hold every column: zongji gives an absent one as
 * null, which no flow may take for NULL.
 */
export function toChangeGroup(event: RowsEvent, table: Table, inexact: InexactColumns): ChangeGroup {
  const bitmaps: WithBitmaps = event;
  refuseAbsent(bitmaps.columns_present_bitmap, event.numberOfColumns, table);
  if (isEvent(event, 'WriteRows')) return { op: 'insert', table, after: mend(rowsOf(event.rows), inexact) };
  if (isEvent(event, 'DeleteRows')) return { op: 'delete', table, before: mend(rowsOf(event.rows), inexact) };
  refuseAbsent(bitmaps.columns_present_bitmap2, event.numberOfColumns, table);
  const before: Row[] = [];
  const after: Row[] = [];
  for (const pair of pairsOf(event)) {
    before.push(pair.before);
    after.push(pair.after);
  }
  return { op: 'update', table, before: mend(before, inexact), after: mend(after, inexact) };
}

/** V8 keeps shorter texts flat by itself. */
const FLAT_LENGTH = 12;

/** What zongji makes of YEAR 0000, whose byte is 0; no YEAR is 1900. */
const YEAR_OF_ZERO = 1900;

/**
 * Makes every text of the rows one piece of memory, and mends three values. zongji puts dates together from many pieces, and V8 keeps
 * such a text as a tree of them, several times its size, until somebody reads a character of it. It looks an ENUM's value up by its
 * number, and finds nothing for 0, which is the empty text that the server keeps for a value that was none.
 */
function mend(rows: readonly Row[], { years, floats }: InexactColumns): readonly Row[] {
  for (const row of rows) {
    for (const name in row) {
      const value = row[name];
      if (typeof value === 'string' && value.length > FLAT_LENGTH) value.charCodeAt(0);
      else if (value === undefined) row[name] = '';
    }
    for (const year of years) if (row[year] === YEAR_OF_ZERO) row[year] = 0;
    for (const float of floats) row[float] = shortestFloat(row[float]);
  }
  return rows;
}

/**
 * A FLOAT as the shortest number that is that FLOAT: 0.1, where its 32 bits as a double are 0.10000000149011612. Six to nine digits tell
 * all of them apart.
 */
function shortestFloat(value: Value): Value {
  if (typeof value !== 'number' || Number.isInteger(value)) return value;
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

/** zongji types values as unknown; what it makes of them is what our Value says, and test/source holds it to that. */
function rowsOf(rows: readonly object[]): readonly Row[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the edge where zongji's rows become ours
  return rows as readonly Row[];
}

function pairsOf(event: UpdateRowsEvent): readonly { readonly before: Row; readonly after: Row }[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  return event.rows as readonly { readonly before: Row; readonly after: Row }[];
}

function refuseAbsent(bitmap: Buffer | undefined, columnCount: number, table: Table): void {
  const fullBytes = columnCount >> 3;
  let isFull = bitmap !== undefined && columnCount === table.columns.length;
  for (let index = 0; isFull && index < fullBytes; index += 1) isFull = bitmap?.[index] === 0xff;
  const mask = (1 << (columnCount & 7)) - 1;
  if (isFull && ((bitmap?.[fullBytes] ?? 0) & mask) === mask) return;
  throw new CodedError(
    'SOURCE_ROW_IMAGE',
    `a row event of ${table.id} lacks columns: SET GLOBAL binlog_row_image = FULL, reconnect the writers`,
    { details: { table: table.id } },
  );
}
