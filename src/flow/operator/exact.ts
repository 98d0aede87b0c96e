/**
 * Exact numbers of expressions: a JavaScript number where it is a safe integer, else a Decimal. So integers, which most fields
 * are, cost what they cost in JavaScript, and nothing is ever rounded behind one's back.
 */
import { Decimal } from './decimal.ts';

/** A safe integer, or a Decimal. */
export type Exact = number | Decimal;

/** The exact number that a row's value is; undefined when it is none. A DOUBLE counts as the number that it prints as. */
export function toExact(value: unknown): Exact | undefined {
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value) ? value + 0 : Decimal.parse(String(value));
    case 'string':
      return Decimal.parse(value);
    case 'bigint':
      return new Decimal(value, 0);
    case 'boolean':
      return value ? 1 : 0;
    case 'object':
      return value instanceof Decimal ? value : undefined;
    case 'undefined':
    case 'function':
    case 'symbol':
    default:
      return undefined;
  }
}

export function toDecimal(value: Exact): Decimal {
  return typeof value === 'number' ? new Decimal(BigInt(value), 0) : value;
}

export function toDouble(value: Exact): number {
  return typeof value === 'number' ? value : value.toNumber();
}

/** As rows hold it: integers as numbers while they are safe, everything else as decimal text. */
export function toValue(value: Exact): number | string {
  return typeof value === 'number' ? value : value.toString();
}

export function add(a: Exact, b: Exact): Exact {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return toDecimal(a).plus(toDecimal(b));
}

export function subtract(a: Exact, b: Exact): Exact {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return toDecimal(a).minus(toDecimal(b));
}

export function multiply(a: Exact, b: Exact): Exact {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product + 0; // no -0
  }
  return toDecimal(a).times(toDecimal(b));
}

/** Undefined for a division by zero. */
export function divide(a: Exact, b: Exact): Exact | undefined {
  return toDecimal(a).dividedBy(toDecimal(b));
}

/** Undefined for a division by zero. */
export function modulo(a: Exact, b: Exact): Exact | undefined {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? undefined : (a % b) + 0;
  return toDecimal(a).modulo(toDecimal(b));
}

export function compare(a: Exact, b: Exact): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return toDecimal(a).compare(toDecimal(b));
}
