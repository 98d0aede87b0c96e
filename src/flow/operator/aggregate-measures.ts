import type { ASTNode } from '@marcbachmann/cel-js';
import { compileNode, parseExpression, type Expression } from './expression.ts';
import type { Fields } from './field.ts';
import { unknownName, type ExpressionProblem, type OperatorProblem } from './problem.ts';

const calls = ['count', 'sum', 'avg', 'min', 'max', 'distinct'] as const;
type Call = (typeof calls)[number];

/** A column of the computed table and what it holds: `total: sum(amount)`. */
export interface Measure {
  readonly column: string;
  readonly call: Call;
  /** Index of what it is called with; undefined: count(). */
  readonly arg: number | undefined;
}

/** What measures are called with; several measures may share one. */
export interface Argument {
  readonly expression: Expression;
  /** Whether its values are numbers; texts otherwise. */
  readonly isNumber: boolean;
  /** count, sum or avg need its count and its sum. */
  hasTally: boolean;
  /** min, max or distinct need each of its values with its count. */
  hasValues: boolean;
}

export interface Measures {
  readonly measures: readonly Measure[];
  readonly args: readonly Argument[];
  readonly problems: readonly OperatorProblem[];
}

/** Reads the `fields` of an aggregate: column to call. */
export function readMeasures(texts: Readonly<Record<string, string>>, fields: Fields): Measures {
  const args = new Map<string, Argument>();
  const problems: OperatorProblem[] = [];
  const measures = Object.entries(texts).flatMap(([column, text]): Measure[] => {
    const read = readMeasure(text, fields, args);
    if (Array.isArray(read)) {
      problems.push(...read.map((problem) => ({ ...problem, path: `with.fields.${column}` })));
      return [];
    }
    return [{ column, ...read }];
  });
  return { measures, args: [...args.values()], problems };
}

function readMeasure(text: string, fields: Fields, args: Map<string, Argument>): Omit<Measure, 'column'> | ExpressionProblem[] {
  const node = parseExpression(text);
  if (!('op' in node)) return [node];
  if (node.op !== 'call') {
    return [{ message: `"${text}" is no aggregate`, remedy: `write ${calls.join(', ')} of something: sum(amount)` }];
  }
  const [name, [first, ...others]] = node.args;
  const call = calls.find((known) => known === name);
  if (call === undefined) return [unknownName('aggregate', name, calls)];
  if (first === undefined && call === 'count') return { call, arg: undefined };
  if (first === undefined || others.length > 0) return [{ message: `${call} takes one value`, remedy: `write ${call}(field)` }];
  return readArgument({ call, node: first, text, fields, args });
}

function readArgument(from: {
  readonly call: Call;
  readonly node: ASTNode;
  readonly text: string;
  readonly fields: Fields;
  readonly args: Map<string, Argument>;
}): Omit<Measure, 'column'> | ExpressionProblem[] {
  const { call, args } = from;
  const source = from.text.slice(from.text.indexOf('(') + 1, from.text.lastIndexOf(')')).trim();
  const { expression, problems } = compileNode(from.node, source, from.fields);
  if (expression === undefined) return [...problems];
  const isTally = call === 'sum' || call === 'avg';
  const { type } = expression;
  const isNumber = type === 'number' || type === 'double' || (isTally && type === 'any');
  const isRefused = (isTally && !isNumber) || type === 'bool' || (type === 'binary' && call !== 'count');
  if (isRefused) {
    return [
      {
        message: `${call} of "${source}", which is no number${isTally ? '' : ' and no text'}`,
        remedy: 'take another field, or count()',
      },
    ];
  }
  if (type === 'any' && !isTally && call !== 'count') {
    const remedy = 'grant SELECT on the source tables, name its type in with.types, or write decimal(x) or string(x)';
    return [
      { message: `the type of "${source}" is not known: ${call} differs between numbers and texts`, remedy, needsTypes: true },
    ];
  }
  const known = args.get(source) ?? { expression, isNumber, hasTally: false, hasValues: false };
  args.set(source, known);
  if (isTally || call === 'count') known.hasTally = true;
  else known.hasValues = true;
  return { call, arg: [...args.keys()].indexOf(source) };
}
