import type { ErrorCode } from '../lib/error-codes.ts';
import { CodedError } from '../lib/error.ts';

/** A row of a step's input that the step cannot take, and why, as a whole sentence. */
export interface BadRow {
  /** The row as the step received it. */
  readonly row: unknown;
  readonly index: number;
  readonly message: string;
  /** What is wrong with it, by name; '' where no field is. */
  readonly fields: string;
}

export interface BadRowsOptions {
  readonly flowName: string;
  readonly functionName: string;
  /** At least one, in the order of the input. */
  readonly rows: readonly BadRow[];
  /** ROW_INVALID unless said otherwise. */
  readonly code?: ErrorCode | undefined;
  /** How long the rows may become good by themselves, from the first time that they were found bad. 0: they do not. */
  readonly waitMs?: number;
}

/** More are not looked for at once; those behind them are found when the batch is run again without these. */
export const badRowsMax = 10_000;

/**
 * Rows of one step's input that cannot be processed, each known by itself: whoever runs the batch can run it again without them,
 * and need not search. As an error it is the first row's, of class `row`; of class `retry` where the rows may become good.
 */
export class BadRowsError extends CodedError {
  readonly rows: readonly BadRow[];
  readonly waitMs: number;

  constructor({ flowName, functionName, rows, code = 'ROW_INVALID', waitMs = 0 }: BadRowsOptions) {
    const [first] = rows;
    const fields = first === undefined || first.fields === '' ? {} : { fields: first.fields };
    const others = rows.length > 1 ? ` (and ${rows.length - 1} more rows)` : '';
    super(code, `${first?.message ?? 'no row'}${others}`, {
      class: waitMs > 0 ? 'retry' : 'row',
      details: { flow: flowName, function: functionName, row: first?.index ?? -1, ...fields },
    });
    this.rows = rows;
    this.waitMs = waitMs;
  }
}
