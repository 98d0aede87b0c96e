import { createHash } from 'node:crypto';
import { keyText } from '../row-text.ts';
import type { Row } from '../../row/change.ts';
import { ExpressionFailure } from './term.ts';

/** A key of the state has at most 1,024 bytes, and holds two marks and a table's name at most. */
const markBytesMax = 350;

/**
 * The row's values in these fields as a part of a key of the state: no mark of the same fields begins with another one. Equal values are
 * those that print the same: 7 and '7', but not 'a' and 'A'. Undefined where one of them is NULL. Throws ExpressionFailure for
 * a field that the row does not have.
 */
export function markOf(row: Row, names: readonly string[]): string | undefined {
  let mark = '';
  for (const name of names) {
    const value = row[name];
    if (value === undefined) throw new ExpressionFailure(`the row has no field ${name}`);
    if (value === null) return undefined;
    const text = keyText(value);
    mark += `${text.length}:${text}`;
  }
  if (mark.length * 3 <= markBytesMax || Buffer.byteLength(mark) <= markBytesMax) return mark;
  return `#${createHash('sha256').update(mark).digest('hex')}`;
}
