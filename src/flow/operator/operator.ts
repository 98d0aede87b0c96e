import { CodedError } from '../../lib/error.ts';
import { isChange, type Row } from '../../row/change.ts';
import type { FlowContext, FunctionDefinition } from '../contract.ts';
import { showRow } from '../row-text.ts';
import type { Fields } from './field.ts';
import type { OperatorProblem } from './problem.ts';
import { ExpressionFailure } from './term.ts';

/** What making an operator gives. */
export interface MadeOperator {
  /** Undefined when something is wrong with it. */
  readonly run: FunctionDefinition['run'] | undefined;
  /** What its rows have behind it; as good as it can be told where something is wrong, so that what follows is checked all the same. */
  readonly fields: Fields;
  readonly problems: readonly OperatorProblem[];
}

/** A row's fields; throws ROW_INVALID (class row) for a row that is no object. */
export function asRow(flow: FlowContext, row: unknown): Row {
  if (isRow(row)) return row;
  const place = `Flow ${flow.flowName}, function ${flow.functionName}`;
  throw new CodedError('ROW_INVALID', `${place}: a row is no object: ${showRow(row)}`, {
    class: 'row',
    details: { flow: flow.flowName, function: flow.functionName },
  });
}

function isRow(row: unknown): row is Row {
  return typeof row === 'object' && row !== null && !Array.isArray(row);
}

/** What `work` gives for a row; see rowError. */
export function forRow<T>(flow: FlowContext, row: unknown, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw rowError(flow, row, error);
  }
}

/** An ExpressionFailure becomes EXPRESSION_FAILED (class row), which names flow, function and row; other errors stay what they are. */
export function rowError(flow: FlowContext, row: unknown, error: unknown): unknown {
  if (!(error instanceof ExpressionFailure)) return error;
  const key = keyOf(row);
  const place = `Flow ${flow.flowName}, function ${flow.functionName}`;
  return new CodedError('EXPRESSION_FAILED', `${place}, row ${key}: ${error.message}`, {
    class: 'row',
    cause: error,
    details: { flow: flow.flowName, function: flow.functionName, key },
  });
}

/** The row's key where it is known, else its text. */
function keyOf(row: unknown): string {
  if (!isChange(row)) return showRow(row);
  const image = row.after ?? row.before;
  const fields = row.key.map((name) => [name, image?.[name]] as const);
  return `${row.table} ${showRow(fields.length === 0 ? image : Object.fromEntries(fields))}`;
}
