import type { Flow } from '../flow/contract.ts';
import type { BadRowsPolicy } from './bad-rows.ts';
import type { RowShape } from './batch.ts';

/** The part of a flow that may be another from one batch to the next. */
export interface RunnableFlow {
  readonly flow: Flow;
  readonly shape: RowShape;
  readonly badRows: BadRowsPolicy;
}

/** A flow as batches run it. */
export interface RunningFlow extends RunnableFlow {
  /** What the watchdog is told, for each step. */
  readonly activities: readonly string[];
  /** Index of the first step of those at the end that have no code of the user. */
  readonly trailing: number;
}

export function runningFlow({ flow, shape, badRows }: RunnableFlow): RunningFlow {
  const { steps } = flow;
  let trailing = steps.length;
  while (trailing > 0 && steps[trailing - 1]?.definition === undefined) trailing -= 1;
  return { flow, shape, badRows, trailing, activities: steps.map((step) => `flow ${flow.name}, function ${step.fname}`) };
}
