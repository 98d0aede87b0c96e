/** The functions that expressions have. A function of NULL is NULL, but for coalesce. `f(x, y)` may be written `x.f(y)`. */
import type { Decimal } from './decimal.ts';
import { toDecimal, toDouble, toExact, toValue, type Exact } from './exact.ts';
import type { FieldType } from './field.ts';
import { ExpressionFailure, isExact } from './term.ts';

export interface ExpressionFunction {
  readonly usage: string;
  readonly params: readonly FieldType[];
  /** How many of the last params may be left out. */
  readonly optional?: number;
  readonly result: FieldType;
  /** Called with values of its params' types, none of them null. */
  run(...values: readonly unknown[]): unknown;
}

const onTexts = (
  usage: string,
  params: number,
  result: FieldType,
  run: (a: string, b: string, c: string) => unknown,
): ExpressionFunction => ({
  usage,
  params: Array.from({ length: params }, () => 'text' as const),
  result,
  run: (a, b, c) => run(String(a), String(b), String(c)),
});

const onNumber = (usage: string, run: (value: Exact) => Exact): ExpressionFunction => ({
  usage,
  params: ['number'],
  result: 'number',
  run: (value) => run(exactOf(value)),
});

function exactOf(value: unknown): Exact {
  return isExact(value) ? value : 0;
}

function round(value: unknown, digits: unknown): Exact {
  const scale = digits === undefined ? 0 : exactOf(digits);
  if (typeof scale !== 'number' || scale < 0 || scale > 30) throw new ExpressionFailure('round takes 0 to 30 digits');
  const exact = exactOf(value);
  return typeof exact === 'number' && scale === 0 ? exact : shrink(toDecimal(exact).rounded(scale));
}

/** A whole number as a JavaScript number, where that is exact. */
function shrink(value: Decimal): Exact {
  if (value.scale > 0) return value;
  const number = Number(value.units);
  return Number.isSafeInteger(number) ? number : value;
}

function substring(text: unknown, start: unknown, end: unknown): string {
  const whole = String(text);
  const from = toDouble(exactOf(start));
  const to = end === undefined ? whole.length : toDouble(exactOf(end));
  return whole.slice(Math.max(0, from), Math.max(0, to));
}

function parseNumber(value: unknown): Exact {
  const exact = toExact(typeof value === 'string' ? value.trim() : value);
  if (exact === undefined) throw new ExpressionFailure(`${JSON.stringify(value)} is not a number`);
  return exact;
}

function toText(value: unknown): string {
  if (isExact(value)) return String(toValue(value));
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value);
}

export const functions: ReadonlyMap<string, ExpressionFunction | 'coalesce'> = new Map<string, ExpressionFunction | 'coalesce'>([
  ['coalesce', 'coalesce'],
  ['size', onTexts('size(text)', 1, 'number', (a) => Array.from(a).length)],
  ['contains', onTexts('text.contains(part)', 2, 'bool', (a, b) => a.includes(b))],
  ['startsWith', onTexts('text.startsWith(part)', 2, 'bool', (a, b) => a.startsWith(b))],
  ['endsWith', onTexts('text.endsWith(part)', 2, 'bool', (a, b) => a.endsWith(b))],
  ['lower', onTexts('lower(text)', 1, 'text', (a) => a.toLowerCase())],
  ['upper', onTexts('upper(text)', 1, 'text', (a) => a.toUpperCase())],
  ['trim', onTexts('trim(text)', 1, 'text', (a) => a.trim())],
  ['replace', onTexts('text.replace(part, other)', 3, 'text', (a, b, c) => a.replaceAll(b, () => c))],
  [
    'substring',
    { usage: 'text.substring(from, to)', params: ['text', 'number', 'number'], optional: 1, result: 'text', run: substring },
  ],
  ['abs', onNumber('abs(number)', (a) => (typeof a === 'number' ? Math.abs(a) : a.units < 0n ? a.negated() : a))],
  ['floor', onNumber('floor(number)', (a) => (typeof a === 'number' ? a : shrink(a.floored())))],
  ['ceil', onNumber('ceil(number)', (a) => (typeof a === 'number' ? a : shrink(a.negated().floored().negated())))],
  ['round', { usage: 'round(number, digits)', params: ['number', 'number'], optional: 1, result: 'number', run: round }],
  ['decimal', { usage: 'decimal(value)', params: ['any'], result: 'number', run: parseNumber }],
  ['double', { usage: 'double(value)', params: ['any'], result: 'double', run: (value) => toDouble(parseNumber(value)) }],
  ['string', { usage: 'string(value)', params: ['any'], result: 'text', run: toText }],
]);

export const functionNames: readonly string[] = [...functions.keys()];
