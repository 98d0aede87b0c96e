import type { Row } from '../row/change.ts';
import type { ColumnFormat } from './column-type.ts';
import type { Cursor } from './cursor.ts';
import { MalformedEvent } from './malformed.ts';
import type { ImageColumn } from './row-reader.ts';

export interface UpdateShape {
  readonly formats: readonly ColumnFormat[];
  readonly columns: readonly ImageColumn[];
  readonly present: Buffer;
  readonly presentAfter: Buffer;
}

export function readPartialUpdates(_images: Cursor, _shape: UpdateShape, _take: (before: Row, after: Row) => void): void {
  throw new MalformedEvent('TODO partial');
}
