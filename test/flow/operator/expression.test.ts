import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Decimal } from '../../../src/flow/operator/decimal.ts';
import { compileExpression } from '../../../src/flow/operator/expression.ts';
import { unknownFields, type Field, type Fields } from '../../../src/flow/operator/field.ts';
import { ExpressionFailure } from '../../../src/flow/operator/term.ts';

const field = (type: Field['type'], scale?: number): Field => ({ type, isNullable: true, scale });
const orders: Fields = {
  isComplete: true,
  known: new Map([
    ['amount', field('number', 2)],
    ['quantity', field('number', 0)],
    ['status', field('text')],
    ['type', field('text')],
    ['ratio', field('double')],
    ['bytes', field('binary')],
    ['nothing', field('number')],
  ]),
};
const row = { amount: '120.10', quantity: 3, status: 'paid', type: 'a', ratio: 0.5, bytes: Buffer.from('x'), nothing: null };

function valueOf(text: string, fields = orders, values: Record<string, unknown> = row): unknown {
  const { expression, problems } = compileExpression(text, fields);
  if (expression === undefined) throw new Error(problems.map(({ message }) => message).join('; '));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the values of a test's row
  return expression.run(values as typeof row);
}

function problemsOf(text: string, fields = orders): readonly string[] {
  return compileExpression(text, fields).problems.map(({ message }) => message);
}

describe('an expression', () => {
  it.each([
    ['amount * quantity', '360.30'],
    ['amount * 0.19', '22.8190'],
    ['0.1 + 0.2', '0.3'],
    ['(quantity + 5 + 1) / 3', '3'],
    ['(quantity + 4 + 1) / 3', '2.66666666666666666667'],
    ['-amount', '-120.10'],
    ['quantity * 2 - 1', 5],
    ['9007199254740991 + 2', '9007199254740993'],
    ['quantity % 2', 1],
    ['-7 / 2', '-3.5'],
    ['round(amount * 0.19, 2)', '22.82'],
    ['round(-2.5)', -3],
    ['floor(-0.5)', -1],
    ['ceil(amount)', 121],
    ['abs(-amount)', '120.10'],
    ['decimal("1.50") + 1', '2.50'],
    ['status == "paid" ? amount : 0', '120.10'],
  ])('computes with integers and decimals exactly: %s', (text, value) => {
    expect(valueOf(text)).toBe(value);
  });

  it('is a floating-point number as soon as one of its numbers is', () => {
    expect(valueOf('amount * ratio')).toBe(60.05);
    expect(valueOf('1.5e3 + quantity')).toBe(1503);
    expect(valueOf('double(amount)')).toBe(120.1);
  });

  it.each([
    ['amount > 100 && status == "paid"', true],
    ['amount == 120.1', true],
    ['amount < quantity', false],
    ['ratio < 1', true],
    ['status in ["new", "paid"]', true],
    ['!(status in ["new"])', true],
    ['status != "paid" || quantity >= 3', true],
    ['status.startsWith("pa") && !status.contains("x")', true],
    ['type == "a"', true],
    ['size(status) == 4', true],
    ['status < "q"', true],
  ])('judges rows: %s', (text, value) => {
    expect(valueOf(text)).toBe(value);
  });

  it.each([
    ['upper(status) + "!"', 'PAID!'],
    ['status.substring(1, 3)', 'ai'],
    ['" x ".trim()', 'x'],
    ['status.replace("a", "$&o")', 'p$&oid'],
    ['string(quantity) + status', '3paid'],
  ])('computes with texts: %s', (text, value) => {
    expect(valueOf(text)).toBe(value);
  });

  it.each([
    ['nothing + 1', null],
    ['nothing > 1', null],
    ['nothing == nothing', null],
    ['nothing > 1 && false', false],
    ['false && nothing > 1', false],
    ['nothing > 1 || true', true],
    ['nothing > 1 || false', null],
    ['!(nothing > 1)', null],
    ['nothing == null', true],
    ['nothing != null', false],
    ['amount == null', false],
    ['nothing in [1, 2]', null],
    ['1 in [nothing, 1]', true],
    ['nothing > 1 ? "yes" : "no"', 'no'],
    ['coalesce(nothing, amount)', '120.10'],
    ['round(nothing, 2)', null],
    ['null', null],
  ])('hands NULL on as SQL does: %s', (text, value) => {
    expect(valueOf(text)).toBe(value);
  });

  it('of a field alone gives the value as it came', () => {
    expect(valueOf('bytes')).toBe(row.bytes);
    expect(compileExpression('amount', orders).expression?.field).toBe('amount');
  });

  it.each([
    ['amount / (quantity - 3)', 'amount / (quantity - 3) divides by zero'],
    ['ratio / 0', 'ratio / 0 divides by zero'],
    ['decimal(status)', '"paid" is not a number'],
  ])('fails for the row where it cannot be computed: %s', (text, message) => {
    expect(() => valueOf(text)).toThrow(new ExpressionFailure(message));
  });

  it('fails for a row that lacks the field, and does not take that for NULL', () => {
    expect(() => valueOf('amount + 1', orders, {})).toThrow(new ExpressionFailure('the row has no field amount'));
  });

  it('names every field and function that there is none of, and all there are', () => {
    const { problems } = compileExpression('amout > 1 && siz(stats) > 2', orders);
    expect(problems.map(({ unknown }) => unknown?.name)).toEqual(['amout', 'siz']);
    expect(problems[0]?.unknown?.known).toEqual([...orders.known.keys()]);
  });

  it.each([
    ['status > 1', '"status > 1" compares a text with a number'],
    ['status * 2', '"status * 2" puts a text and a number together'],
    ['amount && true', '"amount" is a number, where true or false is wanted'],
    ['bytes == "x"', '"bytes == "x"" compares bytes with a text'],
    ['amount = 1', '"amount = 1" cannot be read at character 8: unexpected character: ='],
    ['amount >', '"amount >" cannot be read at its end: unexpected token: EOF'],
    ['round()', 'round is given 0 values'],
    ['amount ? 1 : 2', '"amount" is a number, where true or false is wanted'],
    ['true ? 1 : "a"', 'the two sides of ? : are a number and a text'],
    ['status.length', '"status.length" is nothing that expressions here have'],
    ['[1, 2]', '"[1, 2]" is nothing that expressions here have'],
    ['amount in status', 'what follows `in` is no list'],
    ['1u', '1u is a literal that expressions here do not have'],
    ['constructor("x")', 'there is no function "constructor"'],
  ])('is refused when it is compiled: %s', (text, message) => {
    expect(problemsOf(text)).toEqual([message]);
  });

  it('takes a field of unknown type for what its use asks for, and is refused where that may be two things', () => {
    const values = { price: '2.50', tax: '0.5', name: 'x' };
    expect(valueOf('price > 2', unknownFields, values)).toBe(true);
    expect(valueOf('price * tax', unknownFields, values)).toBe('1.250');
    expect(valueOf('name == "x"', unknownFields, values)).toBe(true);
    expect(valueOf('decimal(price) + tax', unknownFields, values)).toBe('3.00');
    expect(problemsOf('price + tax', unknownFields)).toEqual([
      'the types in "price + tax" are not known: it may mean numbers or texts',
    ]);
    expect(problemsOf('price < tax', unknownFields)).toEqual([
      'the types in "price < tax" are not known: it may mean numbers or texts',
    ]);
    expect(() => valueOf('name > 1', unknownFields, values)).toThrow(ExpressionFailure);
  });

  it('computes what big integers compute, whatever the numbers', () => {
    const cents = fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n });
    const text = (value: bigint): string => new Decimal(value, 2).toString();
    fc.assert(
      fc.property(cents, cents, (a, b) => {
        const values = { ...row, amount: text(a), quantity: text(b) };
        expect(valueOf('amount + quantity', orders, values)).toBe(text(a + b));
        expect(valueOf('amount - quantity', orders, values)).toBe(text(a - b));
        expect(valueOf('amount * quantity', orders, values)).toBe(new Decimal(a * b, 4).toString());
        expect(valueOf('amount < quantity', orders, values)).toBe(a < b);
      }),
    );
  });

  it('divides to the nearest 20th digit', () => {
    const whole = fc.integer({ min: -1_000_000, max: 1_000_000 });
    fc.assert(
      fc.property(
        whole,
        whole.filter((n) => n !== 0),
        (a, b) => {
          const quotient = Decimal.parse(String(valueOf('amount / quantity', orders, { ...row, amount: a, quantity: b })));
          const rest = quotient?.times(new Decimal(BigInt(b), 0)).minus(new Decimal(BigInt(a), 0)) ?? new Decimal(1n, 0);
          // |a / b - q| is at most half of the last digit
          const off = new Decimal(rest.units < 0n ? -rest.units : rest.units, rest.scale);
          expect(off.compare(new Decimal(BigInt(Math.abs(b)) * 5n, 21))).toBeLessThanOrEqual(0);
        },
      ),
    );
  });
});
