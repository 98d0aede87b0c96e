import { CodedError } from '../lib/error.ts';
import type { ChangeGroup, Row, Table } from '../row/change.ts';
import { hasBit } from './bits.ts';
import type { ColumnFormat } from './column-type.ts';
import { EventType } from './event-header.ts';
import { MalformedEvent } from './malformed.ts';
import { readPartialUpdates } from './partial-update.ts';
import { compileRowReader, type ImageColumn, type ReadRow } from './row-reader.ts';
import { readImages, readRowsBody } from './rows-event.ts';
import { valueReader, valueSkipper } from './value-reader.ts';

export interface TableRowsOptions {
  readonly table: Table;
  /** Whole: with names, signs, collations and values, from the event or from the table's definition at its time. */
  readonly columns: readonly (ColumnFormat & { readonly name: string })[];
  /** Which columns are read: those that the table has. */
  readonly wantsColumn: (name: string) => boolean;
}

/** Reads the rows events of one table as one table map described it. */
export class TableRows {
  readonly table: Table;
  readonly #columns: readonly ImageColumn[];
  /** By which columns the image holds. */
  readonly #readers = new Map<string, ReadRow>();
  readonly #formats: readonly ColumnFormat[];
  #lastPresent = Buffer.alloc(0);
  #lastReader: ReadRow | undefined;

  constructor({ table, columns, wantsColumn }: TableRowsOptions) {
    this.table = table;
    this.#formats = columns;
    this.#columns = columns.map((column) => ({
      name: column.name,
      read: wantsColumn(column.name) ? valueReader(column) : undefined,
      skip: valueSkipper(column),
    }));
  }

  /** `body` has no header and no checksum. What is wrong with it is said of the table. */
  read(type: number, body: Buffer): ChangeGroup {
    try {
      return this.#read(type, body);
    } catch (error) {
      if (error instanceof MalformedEvent) throw new MalformedEvent(`rows of ${this.table.id}: ${error.message}`, { cause: error });
      throw error;
    }
  }

  #read(type: number, body: Buffer): ChangeGroup {
    const { table } = this;
    const { op, present, presentAfter = present, columnCount, images } = readRowsBody(type, body);
    if (columnCount !== this.#columns.length) {
      throw new MalformedEvent(`${columnCount} columns where the table has ${this.#columns.length}`);
    }
    const isWhole = this.#isWhole(present);
    if (op !== 'update') {
      const rows = readImages(images, this.#readerOf(present));
      const partial = isWhole ? {} : { isPartial: true as const };
      return op === 'insert' ? { op, table, after: rows, ...partial } : { op, table, before: rows, ...partial };
    }
    const before: Row[] = [];
    const after: Row[] = [];
    if (type === EventType.PARTIAL_UPDATE_ROWS) {
      const shape = { table: table.id, formats: this.#formats, columns: this.#columns, present, presentAfter };
      readPartialUpdates(images, shape, (old, changed) => before.push(old) + after.push(changed));
    } else {
      const readBefore = this.#readerOf(present);
      const readAfter = this.#readerOf(presentAfter);
      while (images.at < images.end) {
        before.push(readBefore(images));
        after.push(readAfter(images));
      }
    }
    if (isWhole && this.#isWhole(presentAfter)) return { op, table, before, after };
    // A column that the image after the update lacks did not change.
    for (const [index, row] of after.entries()) after[index] = { ...before[index], ...row };
    return isWhole ? { op, table, before, after } : { op, table, before, after, isPartial: true };
  }

  #readerOf(present: Buffer): ReadRow {
    if (this.#lastReader !== undefined && this.#lastPresent.equals(present)) return this.#lastReader;
    const key = present.toString('latin1');
    let reader = this.#readers.get(key);
    if (reader === undefined) {
      const columns = this.#columns.filter((_, index) => hasBit(present, index));
      if (columns.length === 0) throw lacksAll(this.table.id);
      reader = compileRowReader(columns);
      this.#readers.set(key, reader);
    }
    this.#lastPresent = Buffer.from(present);
    this.#lastReader = reader;
    return reader;
  }

  #isWhole(present: Buffer): boolean {
    const count = this.#columns.length;
    const fullBytes = count >> 3;
    for (let index = 0; index < fullBytes; index += 1) if (present[index] !== 0xff) return false;
    const mask = (1 << (count & 7)) - 1;
    return ((present[fullBytes] ?? 0) & mask) === mask;
  }
}

function lacksAll(table: string): CodedError {
  return new CodedError(
    'SOURCE_ROW_IMAGE',
    `rows of ${table} come without any column: SET GLOBAL binlog_row_image = FULL, reconnect the writers`,
    { details: { table } },
  );
}
