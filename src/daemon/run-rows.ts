import type { RunFlow, RunObserver } from '../flow/contract.ts';
import type { BatchState } from '../flow/state.ts';
import type { Logger } from '../lib/logger.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { markError } from './bad-rows.ts';
import type { BatchTrace } from './batch-trace.ts';
import { watchSteps, type RunningFlow } from './running-flow.ts';
import type { Watchdog } from './watchdog.ts';

export interface RunRowsOptions {
  readonly running: RunningFlow;
  /** The batch's id. */
  readonly id: string;
  readonly transaction: StoreTransaction;
  readonly state: BatchState;
  /** Some of the rows lack columns. */
  readonly hasPartialRows?: boolean;
  /** Called right before the step at this index starts. */
  readonly onStep: (index: number) => void;
  /** Of each row, the place by which it is named when it is at fault; asked for then only. */
  readonly places: () => readonly number[];
  readonly runFlow: RunFlow;
  readonly watchdog: Pick<Watchdog, 'enter' | 'leave'>;
  readonly observer?: RunObserver | undefined;
  /** Absent: the flow keeps no lineage. */
  readonly trace?: BatchTrace | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Runs a flow over rows, watched. Rejects with a MarkedError when it is about rows. */
export async function runRows(rows: readonly unknown[], options: RunRowsOptions): Promise<void> {
  const { running, id, transaction, state, logger, signal } = options;
  const { flow } = running;
  const { trace } = options;
  trace?.take(id, { rows, places: options.places });
  const watched = watchSteps(running, options.watchdog);
  let fname = '';
  const onStep = (index: number): void => {
    watched.enter(index);
    const step = flow.steps[index];
    fname = step?.fname ?? '';
    trace?.enter({ fname, isOperator: step?.reads !== undefined });
    options.onStep(index);
  };
  const scope = { id, flow: flow.name, store: transaction, signal, logger, ...(trace === undefined ? {} : { trace }) };
  try {
    await options.runFlow(flow, rows, scope, { state, onStep, observer: options.observer, hasPartialRows: options.hasPartialRows });
  } catch (error) {
    throw markError(error, { places: options.places(), rows, fname });
  } finally {
    watched.leave();
  }
}
