import { isChange, makeChange, type Change } from '../../row/change.ts';
import type { FlowContext } from '../contract.ts';
import { traceOf } from '../trace-of.ts';
import { compileExpression, type Expression } from './expression.ts';
import type { Fields } from './field.ts';
import { ExpressionFailure } from './term.ts';
import { asRow, eachRowOf, type MadeOperator } from './operator.ts';

export interface FilterOptions {
  readonly kind: 'filter';
  readonly where: string;
  /** Only rows of this table; others pass. */
  readonly table?: string | undefined;
}

/**
 * Rows for which `where` is true. A change is judged before and after: a row that an update takes out of the filter goes on as its
 * delete, one that an update brings in as its insert, so that what lies behind sees whole lives.
 */
export function makeFilter(options: FilterOptions, fields: Fields): MadeOperator {
  const { expression, problems } = compileExpression(options.where, fields);
  if (expression === undefined) {
    return { run: undefined, fields, problems: problems.map((problem) => ({ ...problem, path: 'with.where' })) };
  }
  if (expression.type !== 'bool' && expression.type !== 'any') {
    const message = `"${options.where}" is neither true nor false`;
    const remedy = 'write a comparison such as amount > 100';
    return { run: undefined, fields, problems: [{ path: 'with.where', message, remedy }] };
  }
  const run = (flow: FlowContext, rows: readonly unknown[]): void => {
    const trace = traceOf(flow);
    eachRowOf(options.table, { flow, rows }, (row) => {
      const passed = isChange(row) ? filterChange(expression, row) : isPassed(expression, row) ? row : undefined;
      if (passed === undefined) return;
      if (passed !== row) trace?.derive(passed, row);
      flow.commitRow(passed);
    });
  };
  return { run, fields, problems: [] };
}

function filterChange(where: Expression, change: Change): Change | undefined {
  const { before, after } = change;
  const hadPassed = before !== null && isPassed(where, before);
  const passes = after !== null && isPassed(where, after);
  if (hadPassed && passes) return change;
  if (hadPassed) return change.op === 'delete' ? change : makeChange({ ...change, op: 'delete', after: null });
  if (passes) return change.op === 'insert' ? change : makeChange({ ...change, op: 'insert', before: null });
  return undefined;
}

function isPassed(where: Expression, image: unknown): boolean {
  const value = where.run(asRow(image));
  if (value === true || value === 1) return true;
  if (value === false || value === 0 || value === null) return false;
  throw new ExpressionFailure(`${where.text} is ${JSON.stringify(value)}, which is neither true nor false`);
}
