import { add, compare, divide, modulo, multiply, subtract, type Exact } from './exact.ts';
import { ExpressionFailure, isExact, type Term } from './term.ts';
import { toDecimal } from './exact.ts';

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';

export type Arithmetic = '+' | '-' | '*' | '/' | '%';

type Run = Term['run'];

/** Computes with two terms that were converted to the type before: two numbers, two doubles, or two texts for `+`. */
export function arithmetic(
  op: Arithmetic,
  type: Term['type'],
  operands: { readonly left: Run; readonly right: Run; readonly text: string },
): Run {
  const { left, right, text } = operands;
  const byZero = (): never => {
    throw new ExpressionFailure(`${text} divides by zero`);
  };
  if (type === 'text') return onTexts(left, right, (a, b) => a + b);
  if (type === 'double') return onDoubles(left, right, doubleOperation(op, byZero));
  switch (op) {
    case '+':
      return onExacts(left, right, add);
    case '-':
      return onExacts(left, right, subtract);
    case '*':
      return onExacts(left, right, multiply);
    case '/':
      return onExacts(left, right, (a, b) => divide(a, b) ?? byZero());
    case '%':
      return onExacts(left, right, (a, b) => modulo(a, b) ?? byZero());
    default:
      return op satisfies never;
  }
}

function doubleOperation(op: Arithmetic, byZero: () => never): (a: number, b: number) => number {
  switch (op) {
    case '+':
      return (a, b) => a + b;
    case '-':
      return (a, b) => a - b;
    case '*':
      return (a, b) => a * b;
    case '/':
      return (a, b) => (b === 0 ? byZero() : a / b);
    case '%':
      return (a, b) => (b === 0 ? byZero() : a % b);
    default:
      return op satisfies never;
  }
}

/** Compares two terms that were converted to the type before. Texts are compared character by character, without a collation. */
export function comparison(op: Comparison, type: Term['type'], left: Run, right: Run): Run {
  const decide = decision(op);
  if (type === 'number') return onExacts(left, right, (a, b) => decide(compare(a, b)));
  return (row) => {
    const a = left(row);
    const b = right(row);
    if (a === null || b === null) return null;
    if (a === b) return decide(0);
    if (typeof a === 'string' && typeof b === 'string') return decide(a < b ? -1 : 1);
    return decide(Number(a) - Number(b));
  };
}

function decision(op: Comparison): (order: number) => boolean {
  switch (op) {
    case '==':
      return (order) => order === 0;
    case '!=':
      return (order) => order !== 0;
    case '<':
      return (order) => order < 0;
    case '<=':
      return (order) => order <= 0;
    case '>':
      return (order) => order > 0;
    case '>=':
      return (order) => order >= 0;
    default:
      return op satisfies never;
  }
}

export function negation(term: Term): Term {
  const { run } = term;
  return {
    ...term,
    run: (row) => {
      const value = run(row);
      if (typeof value === 'number') return 0 - value;
      return isExact(value) ? toDecimal(value).negated() : null;
    },
  };
}

function onExacts(left: Run, right: Run, operate: (a: Exact, b: Exact) => unknown): Run {
  return (row) => {
    const a = left(row);
    const b = right(row);
    return isExact(a) && isExact(b) ? operate(a, b) : null;
  };
}

function onDoubles(left: Run, right: Run, operate: (a: number, b: number) => number): Run {
  return (row) => {
    const a = left(row);
    const b = right(row);
    if (typeof a !== 'number' || typeof b !== 'number') return null;
    const result = operate(a, b);
    if (!Number.isFinite(result)) throw new ExpressionFailure(`a computation with ${a} and ${b} gives no finite number`);
    return result;
  };
}

function onTexts(left: Run, right: Run, operate: (a: string, b: string) => string): Run {
  return (row) => {
    const a = left(row);
    const b = right(row);
    return typeof a === 'string' && typeof b === 'string' ? operate(a, b) : null;
  };
}
