import type { Row } from '../../row/change.ts';
import { Decimal } from './decimal.ts';
import { toDouble, toExact, type Exact } from './exact.ts';
import type { FieldType } from './field.ts';

/** What a part of an expression is: the type of its values, and how they are computed. `null`: it is nothing but NULL. */
export interface Term {
  readonly type: FieldType | 'null';
  readonly isNullable: boolean;
  /** Digits after the point that a number has at most; undefined where that is not known. */
  readonly scale?: number | undefined;
  /** NULL is null. A number is an Exact, a double a JavaScript number, a text a string, a bool a boolean, `any` the field as it is. */
  readonly run: (row: Row) => unknown;
}

/** A value that an expression cannot go on with: the row cannot be processed. */
export class ExpressionFailure extends Error {}

/** What people call a type. */
export const typeWords: Readonly<Record<Term['type'], string>> = {
  number: 'a number',
  double: 'a number',
  text: 'a text',
  bool: 'true or false',
  binary: 'bytes',
  any: 'of an unknown type',
  null: 'null',
};

/** The type that two terms share when they are put side by side; undefined when they do not go together. */
export function commonType(a: Term['type'], b: Term['type']): Term['type'] | undefined {
  if (a === b || b === 'null' || b === 'any') return a === 'null' ? b : a;
  if (a === 'null' || a === 'any') return b;
  const areNumbers = (a === 'number' || a === 'double') && (b === 'number' || b === 'double');
  return areNumbers ? 'double' : undefined;
}

/** The term with its values in the type `to`, which its own type must go together with; NULL stays NULL. */
export function convert(term: Term, to: Term['type'], what: string): Term['run'] {
  const { run, type } = term;
  if (type === to || type === 'null') return run;
  const read = reader(to);
  return (row) => {
    const value = run(row);
    if (value === null) return null;
    const converted = read(value);
    if (converted === undefined) throw new ExpressionFailure(`${what} is ${show(value)}, which is not ${typeWords[to]}`);
    return converted;
  };
}

/** Reads a value of unknown origin as a type; undefined when it is none of it. */
export function reader(type: Term['type']): (value: unknown) => unknown {
  switch (type) {
    case 'number':
      return toExact;
    case 'double':
      return (value) => {
        const exact = typeof value === 'number' ? value : toExact(value);
        return exact === undefined ? undefined : toDouble(exact);
      };
    case 'text':
      return (value) => (typeof value === 'string' ? value : undefined);
    case 'bool':
      return (value) => (value === 1 || value === true ? true : value === 0 || value === false ? false : undefined);
    case 'binary':
    case 'any':
    case 'null':
      return (value) => value;
    default:
      return type satisfies never;
  }
}

export function isExact(value: unknown): value is Exact {
  return typeof value === 'number' || value instanceof Decimal;
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return 'bytes';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}
