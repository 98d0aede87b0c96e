import type { Value } from '../row/change.ts';
import type { Key, KeyColumn } from './contract.ts';
import { numberInList, numberOfBits, refuse } from './key-number.ts';
import { kindOf } from './key-type.ts';

type Compare<T> = (a: T, b: T) => number;

/**
 * Compares keys as the server orders them: below 0 where the first comes earlier. Undefined where only the server knows: texts, whose order
 * is their collation's, and MariaDB's UUID, INET4 and INET6.
 */
export function orderInMemory(key: readonly KeyColumn[]): Compare<Key> | undefined {
  const orders: Compare<Value>[] = [];
  for (const column of key) {
    const order = orderOfColumn(column);
    if (order === undefined) return undefined;
    orders.push(column.isDescending ? (a, b) => order(b, a) : order);
  }
  const [first] = orders;
  if (orders.length === 1 && first !== undefined) return (a, b) => first(a[0], b[0]);
  return (a, b) => {
    for (const [index, order] of orders.entries()) {
      const found = order(a[index], b[index]);
      if (found !== 0) return found;
    }
    return 0;
  };
}

/** The order of one column's values, ascending, whatever the key says; undefined where only the server knows it. */
export function orderOfColumn(column: KeyColumn): Compare<Value> | undefined {
  switch (kindOf(column)) {
    case 'integer':
      return (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : compare(wholeOf(column, a), wholeOf(column, b)));
    case 'decimal':
      return (a, b) => compareDecimals(textOf(column, a), textOf(column, b));
    case 'float':
    case 'double':
      return (a, b) => compare(numberOf(column, a), numberOf(column, b));
    case 'bits':
      return (a, b) => compare(numberOfBits(bytesOf(column, a)), numberOfBits(bytesOf(column, b)));
    case 'bytes':
      return (a, b) => Buffer.compare(bytesOf(column, a), bytesOf(column, b));
    case 'moment':
      return (a, b) => compareMoments(textOf(column, a), textOf(column, b));
    case 'time':
      return (a, b) => compare(microsecondsOf(column, a), microsecondsOf(column, b));
    case 'list':
    case 'set': {
      const place = numberInList(column);
      return (a, b) => compare(place(a), place(b));
    }
    case 'address':
    case 'text':
    case undefined:
    default:
      return undefined;
  }
}

function compare<T extends string | number | bigint>(a: T, b: T): number {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}

function wholeOf(column: KeyColumn, value: Value): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value);
  throw refuse(column, value);
}

function numberOf(column: KeyColumn, value: Value): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw refuse(column, value);
  return value;
}

function textOf(column: KeyColumn, value: Value): string {
  if (typeof value !== 'string') throw refuse(column, value);
  return value;
}

function bytesOf(column: KeyColumn, value: Value): Uint8Array {
  if (!(value instanceof Uint8Array)) throw refuse(column, value);
  return value;
}

/** As whole numbers of the smallest digit that either has. */
function compareDecimals(a: string, b: string): number {
  const digits = Math.max(fractionOf(a).length, fractionOf(b).length);
  return compare(scaled(a, digits), scaled(b, digits));
}

function fractionOf(text: string): string {
  const point = text.indexOf('.');
  return point < 0 ? '' : text.slice(point + 1);
}

function scaled(text: string, digits: number): bigint {
  const point = text.indexOf('.');
  return BigInt((point < 0 ? text : text.slice(0, point)) + fractionOf(text).padEnd(digits, '0'));
}

/** All have their digits at the same places, but for a fraction that a column may have got since. */
function compareMoments(a: string, b: string): number {
  if (a.length === b.length) return compare(a, b);
  const length = Math.max(a.length, b.length);
  return compare(padMoment(a, length), padMoment(b, length));
}

function padMoment(text: string, length: number): string {
  return (text.includes('.') ? text : `${text}.`).padEnd(length, '0');
}

function microsecondsOf(column: KeyColumn, value: Value): number {
  const [, sign, hours, minutes, seconds, fraction] = /^(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/.exec(textOf(column, value)) ?? [];
  if (hours === undefined) throw refuse(column, value);
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  const amount = whole * 1_000_000 + Number((fraction ?? '').padEnd(6, '0'));
  return sign === '-' ? -amount : amount;
}
