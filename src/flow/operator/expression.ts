/**
 * Expressions of operators: CEL's grammar, read by cel-js, with SQL's values: exact decimals, and NULL that any computation hands
 * on. docs/operators.md has the rules. An expression is compiled once, when its flow is built, into closures; text is never
 * evaluated as code.
 */
import { Environment, ParseError, type ASTNode } from '@marcbachmann/cel-js';
import type { Row } from '../../row/change.ts';
import { toValue } from './exact.ts';
import type { Fields } from './field.ts';
import { ExpressionCompiler } from './expression-compiler.ts';
import type { ExpressionProblem } from './problem.ts';
import { ExpressionFailure, isExact, type Term } from './term.ts';

/** An expression ready to run. */
export interface Expression {
  readonly text: string;
  readonly type: Term['type'];
  readonly isNullable: boolean;
  /** Digits after the point that a number has at most; undefined where that is not known. */
  readonly scale: number | undefined;
  /** The field that the expression names and nothing more: its value then needs no computing. */
  readonly field: string | undefined;
  /** The value for a row, as rows hold values. Throws ExpressionFailure. */
  readonly run: (row: Row) => unknown;
}

const environment = new Environment();

/** Reads CEL; the problem when the text is none. */
export function parseExpression(text: string): ASTNode | ExpressionProblem {
  try {
    return environment.parse(text).ast;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const at = error.range?.start;
    const isAssignment = error.summary === 'Unexpected character: =';
    const remedy = isAssignment ? 'compare with ==' : 'write an expression such as status == "paid" && amount > 100';
    const place = at === undefined || at >= text.length ? 'at its end' : `at character ${at + 1}`;
    return { message: `"${text}" cannot be read ${place}: ${lowerFirst(error.summary)}`, remedy };
  }
}

/** Compiles an expression over these fields. The problems are all that the text has; without one there is an expression. */
export function compileExpression(
  text: string,
  fields: Fields,
): { readonly expression: Expression | undefined; readonly problems: readonly ExpressionProblem[] } {
  const node = parseExpression(text);
  return 'op' in node ? compileNode(node, text, fields) : { expression: undefined, problems: [node] };
}

/** As compileExpression, for a part of an expression that was read before. */
export function compileNode(node: ASTNode, text: string, fields: Fields): ReturnType<typeof compileExpression> {
  const compiler = new ExpressionCompiler(fields);
  const term = compiler.compile(node);
  if (compiler.problems.length > 0) return { expression: undefined, problems: compiler.problems };
  const { type, isNullable, scale, run } = term;
  const field = node.op === 'id' ? node.args : undefined;
  return {
    expression: { text, type, isNullable, scale, field, run: field === undefined ? finish(run, type) : readField(field) },
    problems: [],
  };
}

/** A field's own value, as it came. */
function readField(name: string): Expression['run'] {
  return (row) => {
    const value = row[name];
    if (value === undefined) throw new ExpressionFailure(`the row has no field ${name}`);
    return value;
  };
}

function finish(run: Term['run'], type: Term['type']): Expression['run'] {
  if (type !== 'number') return run;
  return (row) => {
    const value = run(row);
    return isExact(value) ? toValue(value) : null;
  };
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}
