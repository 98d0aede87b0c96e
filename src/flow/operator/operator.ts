import { CodedError } from '../../lib/error.ts';
import { isChange, type Change, type Row } from '../../row/change.ts';
import { BadRowsError, badRowsMax, type BadRow } from '../bad-rows.ts';
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

/** A row's fields; see eachRow for a row that is no object. */
export function asRow(row: unknown): Row {
  if (isRow(row)) return row;
  throw new RowRefusal('ROW_INVALID', `a row is no object: ${showRow(row)}`);
}

/** A row that the operator cannot take; `message` goes on where the sentence names flow, function and row. */
export class RowRefusal extends Error {
  readonly code: 'ROW_INVALID' | 'ROW_LATE';

  constructor(code: 'ROW_INVALID' | 'ROW_LATE', message: string) {
    super(message);
    this.code = code;
  }
}

function isRow(row: unknown): row is Row {
  return typeof row === 'object' && row !== null && !Array.isArray(row);
}

/** Refuses a row where such rows are dead rows; where they are dropped it returns, and the row has to be passed over. */
export function refuse(code: RowRefusal['code'], problem: string, { late }: { readonly late: 'dead-row' | 'drop' }): void {
  if (late === 'dead-row') throw new RowRefusal(code, problem);
}

/**
 * Does `work` for each row. Rows for which an expression fails, or that are refused, end it behind the last row with one
 * BadRowsError (EXPRESSION_FAILED where the first one's expression failed, else the refusal's code; class row) that names them all. Any
 * other error ends it at once.
 */
export function eachRow(flow: FlowContext, rows: readonly unknown[], work: (row: unknown) => void): void {
  const bad: BadRow[] = [];
  let code: 'EXPRESSION_FAILED' | RowRefusal['code'] | undefined;
  let index = 0;
  while (index < rows.length && bad.length < badRowsMax) {
    try {
      // One try around many rows: it is the loop that has to be fast.
      for (; index < rows.length; index += 1) work(rows[index]);
    } catch (error) {
      if (!(error instanceof ExpressionFailure || error instanceof RowRefusal)) throw error;
      code ??= error instanceof RowRefusal ? error.code : 'EXPRESSION_FAILED';
      const row = rows[index];
      const message = `Flow ${flow.flowName}, function ${flow.functionName}, row ${keyOf(row)}: ${error.message}`;
      bad.push({ row, index, message, fields: '' });
      index += 1;
    }
  }
  if (bad.length > 0) throw new BadRowsError({ flowName: flow.flowName, functionName: flow.functionName, rows: bad, code });
}

/** As eachRow, for the changes of one table: all others go on as they came, in their places. `table` absent: for all rows. */
export function eachRowOf(
  table: string | undefined,
  { flow, rows }: { readonly flow: FlowContext; readonly rows: readonly unknown[] },
  work: (row: unknown) => void,
): void {
  if (table === undefined) return eachRow(flow, rows, work);
  eachRow(flow, rows, (row) => {
    if (requireChange(flow, row).table === table) work(row);
    else flow.commitRow(row);
  });
}

/** A row that must be a whole change; throws OPERATOR_MISMATCH (stop) where the flow has plain rows. */
export function requireChange(flow: FlowContext, row: unknown): Change {
  if (isChange(row)) return row;
  throw mismatch(flow, 'needs whole changes, and has received a plain row; write source.rows: change in the flow');
}

/** The operator cannot go on with what it keeps, or with these rows. `problem` goes on where the sentence names the function. */
export function mismatch(flow: FlowContext, problem: string): CodedError {
  const { flowName, functionName } = flow;
  return new CodedError('OPERATOR_MISMATCH', `Flow ${flowName}: function ${functionName} ${problem}.`, {
    details: { flow: flowName, function: functionName },
  });
}

/** The row's key where it is known, else its text. */
function keyOf(row: unknown): string {
  if (!isChange(row)) return showRow(row);
  const image = row.after ?? row.before;
  const fields = row.key.map((name) => [name, image?.[name]] as const);
  return `${row.table} ${showRow(fields.length === 0 ? image : Object.fromEntries(fields))}`;
}
