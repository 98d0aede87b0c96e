/** What the parts of an expression do, once their types are known. */
import type { ExpressionFunction } from './expression-functions.ts';
import { maxScale, type Field } from './field.ts';
import { ExpressionFailure, reader, typeWords, type Term } from './term.ts';

type Run = Term['run'];

/** Values of several terms brought to one type. */
interface Converted {
  readonly type: Term['type'];
  readonly runs: readonly Run[];
}

export function constant(type: Term['type'], value: unknown, scale?: number): Term {
  return { type, isNullable: value === null, scale, run: () => value };
}

/** A field of the row; undefined: nothing is known about it. */
export function fieldTerm(name: string, field: Field | undefined): Term {
  const type = field?.type ?? 'any';
  const read = reader(type);
  return {
    type,
    isNullable: field?.isNullable ?? true,
    scale: field?.scale,
    run: (row) => {
      const value = row[name];
      if (value === null) return null;
      if (value === undefined) throw new ExpressionFailure(`the row has no field ${name}`);
      const converted = read(value);
      if (converted === undefined)
        throw new ExpressionFailure(`${name} is ${JSON.stringify(value)}, which is not ${typeWords[type]}`);
      return converted;
    },
  };
}

export function not(term: Term): Term {
  const { run } = term;
  return {
    ...term,
    run: (row) => {
      const value = run(row);
      return value === null ? null : value !== true;
    },
  };
}

/** SQL's three-valued logic: false && NULL is false, true || NULL is true, all else with NULL is NULL. */
export function logical(op: '&&' | '||', one: Term, other: Term): Term {
  const decisive = op === '||';
  return {
    type: 'bool',
    isNullable: one.isNullable || other.isNullable,
    run: (row) => {
      const first = one.run(row);
      if (first === decisive) return decisive;
      const second = other.run(row);
      if (second === decisive) return decisive;
      return first === null || second === null ? null : !decisive;
    },
  };
}

/** The first of two terms where the test is true, else the second: for NULL too. */
export function choice(test: Term, terms: readonly Term[], { type, runs }: Converted): Term {
  const [first = nothing, second = nothing] = runs;
  return {
    type,
    isNullable: terms.some(({ isNullable }) => isNullable),
    scale: maxScale(terms.map(({ scale }) => scale)),
    run: (row) => (test.run(row) === true ? first(row) : second(row)),
  };
}

/** True when one of them is true, NULL when none is and one is NULL. */
export function anyOf(terms: readonly Term[]): Term {
  return {
    type: 'bool',
    isNullable: terms.some(({ isNullable }) => isNullable),
    run: (row) => {
      let isUnknown = false;
      for (const { run } of terms) {
        const value = run(row);
        if (value === true) return true;
        isUnknown ||= value === null;
      }
      return isUnknown ? null : false;
    },
  };
}

/** The first value that is not NULL. */
export function firstOf(terms: readonly Term[], { type, runs }: Converted): Term {
  return {
    type,
    isNullable: terms.every(({ isNullable }) => isNullable),
    scale: maxScale(terms.map(({ scale }) => scale)),
    run: (row) => {
      for (const run of runs) {
        const value = run(row);
        if (value !== null) return value;
      }
      return null;
    },
  };
}

/** A function of terms that have its params' types. */
export function call(known: ExpressionFunction, terms: readonly Term[]): Term {
  return {
    type: known.result,
    isNullable: terms.some(({ isNullable }) => isNullable),
    run: (row) => {
      const values: unknown[] = [];
      for (const { run } of terms) {
        const value = run(row);
        if (value === null) return null;
        values.push(value);
      }
      return known.run(...values);
    },
  };
}

const nothing: Run = () => null;
