/** Digits after the point that a division gives at most. */
const divisionScale = 20;

const numeral = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;

/** An exact decimal number, `units / 10^scale`: what DECIMAL columns hold, and integers beyond 2^53. */
export class Decimal {
  readonly units: bigint;
  /** Digits after the point, 0 or more. */
  readonly scale: number;

  constructor(units: bigint, scale: number) {
    this.units = units;
    this.scale = scale;
  }

  /** Reads `-12.50`, also with an exponent; undefined for what is no number. */
  static parse(text: string): Decimal | undefined {
    const match = numeral.exec(text);
    if (match === null) return undefined;
    const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
    if (whole === '' && fraction === '') return undefined;
    const units = BigInt(`${whole}${fraction}`);
    const scale = fraction.length - Number(exponent);
    const signed = sign === '-' ? -units : units;
    return scale >= 0 ? new Decimal(signed, scale) : new Decimal(signed * powerOfTen(-scale), 0);
  }

  plus(other: Decimal): Decimal {
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.unitsAt(scale) + other.unitsAt(scale), scale);
  }

  minus(other: Decimal): Decimal {
    return this.plus(other.negated());
  }

  times(other: Decimal): Decimal {
    return new Decimal(this.units * other.units, this.scale + other.scale);
  }

  /**
   * To 20 digits after the point, or as many as an operand has if that is more; half goes away from zero; zeros at the end are
   * dropped. Undefined for a division by zero.
   */
  dividedBy(other: Decimal): Decimal | undefined {
    if (other.units === 0n) return undefined;
    const scale = Math.max(divisionScale, this.scale, other.scale);
    const units = divideHalfUp(this.units * powerOfTen(scale + other.scale), other.units * powerOfTen(this.scale));
    return new Decimal(units, scale).trimmed();
  }

  /** What is left of the division of whole numbers, with this number's sign; undefined for a division by zero. */
  modulo(other: Decimal): Decimal | undefined {
    if (other.units === 0n) return undefined;
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.unitsAt(scale) % other.unitsAt(scale), scale);
  }

  negated(): Decimal {
    return new Decimal(-this.units, this.scale);
  }

  /** With exactly so many digits after the point; half goes away from zero, as in SQL. */
  rounded(scale: number): Decimal {
    if (scale >= this.scale) return new Decimal(this.unitsAt(scale), scale);
    return new Decimal(divideHalfUp(this.units, powerOfTen(this.scale - scale)), scale);
  }

  /** The whole number that is not above. */
  floored(): Decimal {
    const unit = powerOfTen(this.scale);
    const whole = this.units / unit;
    return new Decimal(this.units < 0n && this.units % unit !== 0n ? whole - 1n : whole, 0);
  }

  compare(other: Decimal): number {
    const scale = Math.max(this.scale, other.scale);
    const [left, right] = [this.unitsAt(scale), other.unitsAt(scale)];
    return left < right ? -1 : left > right ? 1 : 0;
  }

  /** Units of a scale that is not below this one's. */
  unitsAt(scale: number): bigint {
    return scale === this.scale ? this.units : this.units * powerOfTen(scale - this.scale);
  }

  trimmed(): Decimal {
    let { units, scale } = this;
    while (scale > 0 && units % 10n === 0n) {
      units /= 10n;
      scale -= 1;
    }
    return new Decimal(units, scale);
  }

  toNumber(): number {
    return Number(this.toString());
  }

  toString(): string {
    if (this.scale === 0) return String(this.units);
    const sign = this.units < 0n ? '-' : '';
    const digits = String(this.units < 0n ? -this.units : this.units).padStart(this.scale + 1, '0');
    return `${sign}${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`;
  }
}

function powerOfTen(exponent: number): bigint {
  return 10n ** BigInt(exponent);
}

function divideHalfUp(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const rest = dividend % divisor;
  const isHalf = (rest < 0n ? -rest : rest) * 2n >= (divisor < 0n ? -divisor : divisor);
  if (!isHalf) return quotient;
  return dividend < 0n === divisor < 0n ? quotient + 1n : quotient - 1n;
}
