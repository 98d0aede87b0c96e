import { Cursor } from '../../src/binlog/cursor.ts';
import type { ReadValue } from '../../src/binlog/integer.ts';
import type { Value } from '../../src/row/change.ts';

/** Bytes of their hexadecimal digits; blanks are for the eye. */
export const hex = (digits: string) => Buffer.from(digits.replaceAll(' ', ''), 'hex');

/** What a reader makes of the bytes; throws unless it moved behind them all. */
export function valueOf(read: ReadValue, digits: string): Value {
  // Between others: a reader that looks beside its value sees that.
  const bytes = Buffer.concat([hex('5a5a'), hex(digits), hex('a5a5')]);
  const cursor = new Cursor(bytes, 2, bytes.length - 2);
  const value = read(cursor);
  if (cursor.left !== 0) throw new Error(`${cursor.left} bytes are left`);
  return value;
}
