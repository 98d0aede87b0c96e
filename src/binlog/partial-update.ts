import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import { hasBit } from './bits.ts';
import { ColumnType, type ColumnFormat } from './column-type.ts';
import type { Cursor } from './cursor.ts';
import { applyJsonDiffs } from './json/json-diff.ts';
import { MalformedEvent } from './malformed.ts';
import type { ImageColumn } from './row-reader.ts';

export interface PartialUpdateShape {
  readonly table: string;
  readonly formats: readonly ColumnFormat[];
  readonly columns: readonly ImageColumn[];
  /** Which columns the images before and after hold. */
  readonly present: Buffer;
  readonly presentAfter: Buffer;
}

const PARTIAL_JSON = 1;

/** Rows of an update that logs parts of JSON values; see json-diff.ts for where they stand. */
export function readPartialUpdates(images: Cursor, shape: PartialUpdateShape, take: (before: Row, after: Row) => void): void {
  while (images.at < images.end) {
    const before: Row = {};
    /** Binary JSON of the image before, by column. */
    const documents = new Map<number, Buffer>();
    readImage(
      images,
      shape,
      shape.present,
      (index, column, format) => {
        if (format.type === ColumnType.JSON) documents.set(index, peekSized(images, format.meta.size));
        store(before, column, images);
      },
      before,
    );
    const isPartial = readPartialBits(images, shape.formats);
    const after: Row = {};
    readImage(
      images,
      shape,
      shape.presentAfter,
      (index, column, format) => {
        if (!isPartial(index)) return store(after, column, images);
        const diffs = images.bytes(images.uint(format.meta.size));
        const document = documents.get(index);
        if (document !== undefined) setOwn(after, column.name, applyJsonDiffs({ before: document, diffs }));
        else if (diffs.length > 0) throw lacksBefore(shape.table, column.name);
      },
      after,
    );
    take(before, after);
  }
}

/** Calls `readColumn` for each column that the image holds and that is not NULL; the cursor stands at its value. */
function readImage(
  images: Cursor,
  { columns, formats }: PartialUpdateShape,
  present: Buffer,
  readColumn: (index: number, column: ImageColumn, format: ColumnFormat) => void,
  row: Row,
): void {
  const held = [...columns.entries()].filter(([index]) => hasBit(present, index));
  const nulls = images.bytes((held.length + 7) >> 3);
  for (const [nth, [index, column]] of held.entries()) {
    const format = formats[index];
    if (format === undefined) continue;
    if (!hasBit(nulls, nth)) readColumn(index, column, format);
    else if (column.read !== undefined) setOwn(row, column.name, null);
  }
}

function readPartialBits(images: Cursor, formats: readonly ColumnFormat[]): (index: number) => boolean {
  const options = images.lengthEncoded();
  if (options > PARTIAL_JSON) throw new MalformedEvent(`an update with the options ${options}, which are not known`);
  if (options === 0) return () => false;
  const json = [...formats.keys()].filter((index) => formats[index]?.type === ColumnType.JSON);
  const bits = images.bytes((json.length + 7) >> 3);
  const partial = new Set(json.filter((_, nth) => hasBit(bits, nth)));
  return (index) => partial.has(index);
}

function store(row: Row, column: ImageColumn, images: Cursor): void {
  if (column.read === undefined) column.skip(images);
  else setOwn(row, column.name, column.read(images));
}

/** A column may be called __proto__. */
function setOwn(row: Row, name: string, value: Row[string]): void {
  Object.defineProperty(row, name, { value, writable: true, enumerable: true, configurable: true });
}

/** The bytes of a value with its length before it; the cursor stays. */
function peekSized(images: Cursor, lengthSize: number): Buffer {
  const start = images.at;
  const bytes = images.bytes(images.uint(lengthSize));
  images.at = start;
  return bytes;
}

function lacksBefore(table: string, column: string): CodedError {
  return new CodedError(
    'SOURCE_ROW_IMAGE',
    `an update of ${table} holds parts of ${column} and not the value that they are parts of: SET GLOBAL binlog_row_image = FULL ` +
      "or binlog_row_value_options = '', reconnect the writers",
    { details: { table } },
  );
}
