/**
 * Values as bytes that sort as the values do, and are equal where they are: so that an index finds the least and the greatest.
 * Numbers are `p`, the count of digits before the point in two digits, these digits, and those after the point; negative ones are
 * `n` with each digit taken from nine, and `~` behind them. Texts are their UTF-8.
 */
import { Decimal } from './decimal.ts';
import { toDecimal, toExact } from './exact.ts';
import { ExpressionFailure } from './term.ts';

/** Of a value, in bytes: what the column holds. */
const bytesMax = 700;

export function encodeSortable(value: unknown, isNumber: boolean): Buffer {
  const bytes = isNumber ? Buffer.from(encodeNumber(value), 'latin1') : Buffer.from(String(value), 'utf8');
  if (bytes.length > bytesMax) throw new ExpressionFailure(`a value of ${bytes.length} bytes is too long to be told apart`);
  return bytes;
}

export function decodeSortable(bytes: Uint8Array, isNumber: boolean): number | string {
  const text = Buffer.from(bytes).toString(isNumber ? 'latin1' : 'utf8');
  return isNumber ? decodeNumber(text) : text;
}

function encodeNumber(value: unknown): string {
  const exact = toExact(value);
  if (exact === undefined) throw new ExpressionFailure(`${JSON.stringify(value)} is not a number`);
  const { units, scale } = toDecimal(exact).trimmed();
  const digits = String(units < 0n ? -units : units).padStart(scale, '0');
  const whole = digits.slice(0, digits.length - scale).replace(/^0+/, '');
  const text = `${String(whole.length).padStart(2, '0')}${whole}${digits.slice(digits.length - scale)}`;
  return units < 0n ? `n${complement(text)}~` : `p${text}`;
}

function decodeNumber(text: string): number | string {
  const isNegative = text.startsWith('n');
  const body = isNegative ? complement(text.slice(1, -1)) : text.slice(1);
  const digits = body.slice(2);
  const units = BigInt(digits === '' ? '0' : digits);
  const value = new Decimal(isNegative ? -units : units, digits.length - Number(body.slice(0, 2)));
  const number = Number(value.units);
  return value.scale === 0 && Number.isSafeInteger(number) ? number : value.toString();
}

function complement(digits: string): string {
  return digits.replace(/\d/g, (digit) => String(9 - Number(digit)));
}
