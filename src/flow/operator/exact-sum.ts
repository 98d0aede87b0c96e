import { Decimal } from './decimal.ts';
import { toDecimal, toExact } from './exact.ts';
import { ExpressionFailure } from './term.ts';

/** Digits that a JavaScript number holds exactly whatever they are. */
const safeDigits = 15;
const powers = Array.from({ length: safeDigits + 1 }, (_, exponent) => 10 ** exponent);

/**
 * An exact sum of numbers as rows hold them. It is kept in units of `10^-scale` in a JavaScript number for as long as that is
 * exact, and in Decimals beyond: adding `"120.50"` costs 30 ns, and a BigInt's sum ten times that.
 */
export class ExactSum {
  readonly #scale: number;
  #units = 0;
  #rest: Decimal | undefined;

  /** `scale`: digits after the point that most values have. */
  constructor(scale: number) {
    this.#scale = Math.min(scale, safeDigits);
  }

  add(value: unknown, sign: 1 | -1): void {
    const units = typeof value === 'string' ? readUnits(value, this.#scale) : this.#unitsOf(value);
    const sum = this.#units + sign * units;
    if (Number.isSafeInteger(sum)) {
      this.#units = sum;
      return;
    }
    const exact = toExact(value);
    if (exact === undefined) throw new ExpressionFailure(`${JSON.stringify(value)} is not a number`);
    const decimal = toDecimal(exact);
    this.#rest = (this.#rest ?? new Decimal(0n, 0)).plus(sign === 1 ? decimal : decimal.negated());
  }

  /** Digits after the point that the sum may have. */
  get scale(): number {
    return Math.max(this.#scale, this.#rest?.scale ?? 0);
  }

  get isZero(): boolean {
    return this.#rest === undefined ? this.#units === 0 : this.toDecimal().units === 0n;
  }

  toDecimal(): Decimal {
    const units = new Decimal(BigInt(this.#units), this.#scale);
    return this.#rest === undefined ? units : units.plus(this.#rest);
  }

  /** As SQL takes it. */
  toString(): string {
    if (this.#rest !== undefined) return this.toDecimal().toString();
    const scale = this.#scale;
    if (scale === 0) return String(this.#units);
    // not through Decimal: a statement has one for each group
    const digits = String(Math.abs(this.#units)).padStart(scale + 1, '0');
    return `${this.#units < 0 ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  }

  #unitsOf(value: unknown): number {
    return typeof value === 'number' && Number.isSafeInteger(value) ? value * (powers[this.#scale] ?? Number.NaN) : Number.NaN;
  }
}

/** `-12.5` at scale 2 is -1250; NaN for what is too long, has more digits after the point, or is no plain numeral. Runs once a row. */
function readUnits(text: string, scale: number): number {
  let at = 0;
  let units = 0;
  let digits = 0;
  let fraction = -1;
  if (text.charCodeAt(0) === 45) at = 1;
  const { length } = text;
  for (let i = at; i < length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === 46 && fraction === -1) {
      fraction = 0;
      continue;
    }
    if (code < 48 || code > 57) return Number.NaN;
    units = units * 10 + code - 48;
    digits += 1;
    if (fraction >= 0) fraction += 1;
  }
  const missing = scale - Math.max(fraction, 0);
  if (digits === 0 || missing < 0 || digits + missing > safeDigits) return Number.NaN;
  const all = units * (powers[missing] ?? Number.NaN);
  return at === 1 ? -all : all;
}
