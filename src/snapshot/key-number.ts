import { CodedError } from '../lib/error.ts';
import type { Value } from '../row/change.ts';
import { valuesOf } from '../source/table-definition.ts';
import type { KeyColumn } from './contract.ts';

/** The value is none that a row of this column has. */
export function refuse(column: KeyColumn, value: Value): CodedError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return new CodedError('INTERNAL', `${shown} is no key of the column ${column.name} (${column.type})`, { class: 'stop' });
}

/** The number by which a server keeps and orders a value of ENUM or SET. */
export function numberInList(column: KeyColumn): (value: Value) => bigint {
  const numbers = new Map((valuesOf(column.type) ?? []).map((text, index) => [text, index]));
  const isSet = /^set\b/i.test(column.type);
  const numberOf = (text: string): bigint => {
    const index = numbers.get(text);
    if (index === undefined) throw refuse(column, text);
    return isSet ? 1n << BigInt(index) : BigInt(index + 1);
  };
  return (value) => {
    const text = value instanceof Uint8Array ? Buffer.from(value).toString() : value;
    if (typeof text !== 'string') throw refuse(column, value);
    if (text === '' && !(numbers.has('') && !isSet)) return 0n;
    return isSet ? text.split(',').reduce((sum, part) => sum | numberOf(part), 0n) : numberOf(text);
  };
}

/** The highest number that a value of ENUM or SET has. */
export function highestInList(column: KeyColumn): number {
  const count = valuesOf(column.type)?.length ?? 0;
  return /^set\b/i.test(column.type) ? 2 ** count - 1 : count;
}

/** BIT: its bytes, the highest first. */
export function numberOfBits(value: Uint8Array): bigint {
  return value.length === 0 ? 0n : BigInt(`0x${Buffer.from(value).toString('hex')}`);
}
