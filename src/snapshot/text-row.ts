import { Cursor } from '../binlog/cursor.ts';
import type { MakeValue } from '../binlog/text-values.ts';
import type { Row } from '../row/change.ts';

/** Reads one row of a text result set (MySQL internals, Protocol::ResultsetRow) and moves behind it. */
export type ReadTextRow = (cursor: Cursor) => Row;

export interface TextColumn {
  readonly name: string;
  /** Of a value that is not NULL. */
  readonly make: MakeValue;
}

const NULL_MARK = 0xfb;

/** Written out as code, as src/binlog/row-reader.ts is and for its reason; the row has the same shape as one of the binlog. */
export function compileTextRow(columns: readonly TextColumn[]): ReadTextRow {
  const names = columns.map(({ name }, index) => {
    // in brackets: __proto__ is a name like any other
    return `[${JSON.stringify(name)}]: b[c.at] === ${NULL_MARK} ? (c.at += 1, null) : read${index}(c),`;
  });
  const body = `
    ${columns.map((_, index) => `const read${index} = read[${index}];`).join('\n')}
    return (c) => {
      const b = c.buffer;
      return {
        ${names.join('\n')}
      };
    };`;
  // oxlint-disable-next-line typescript/no-implied-eval, typescript/no-unsafe-type-assertion -- see above
  const make = new Function('read', body) as (read: readonly ((cursor: Cursor) => unknown)[]) => ReadTextRow;
  return make(columns.map(({ make: makeValue }) => sized(makeValue)));
}

function sized(make: MakeValue): (cursor: Cursor) => unknown {
  return (c) => {
    const size = c.lengthEncoded();
    const start = c.take(size);
    return make(c.buffer, start, start + size);
  };
}

/** What a result set says of a column (Protocol::ColumnDefinition41). */
export interface ResultColumn {
  readonly collation: number;
  readonly type: number;
  readonly flags: number;
}

/** Bytes from the collation to the end; before them stand names, and what MariaDB adds of its own types. */
const FIXED_BYTES = 12;

export function readResultColumn(buffer: Buffer, start: number, end: number): ResultColumn {
  const cursor = new Cursor(buffer, Math.max(start, end - FIXED_BYTES), end);
  const collation = cursor.u16();
  cursor.take(4);
  return { collation, type: cursor.u8(), flags: cursor.u16() };
}
