import type { DaemonFlow } from './daemon-flow.ts';
import type { Watchdog } from './watchdog.ts';

/** The part of a flow that may be another from one batch to the next. */
export type RunnableFlow = Pick<DaemonFlow, 'flow' | 'shape' | 'badRows' | 'tablePolicies' | 'keepsLineage' | 'fingerprint'>;

/** The flow as batches run it. */
export interface RunningFlow extends RunnableFlow {
  /** What the watchdog is told, for each step. */
  readonly activities: readonly string[];
  /** Index of the first step of those at the end that have no code of the user. */
  readonly trailing: number;
  /** What it writes outside the store stays when a batch is rolled back. */
  readonly isExternal: boolean;
}

export function prepareFlow(runnable: RunnableFlow): RunningFlow {
  const { flow, shape, badRows, tablePolicies, keepsLineage, fingerprint } = runnable;
  const { steps } = flow;
  let trailing = steps.length;
  while (trailing > 0 && steps[trailing - 1]?.definition === undefined) trailing -= 1;
  const activities = steps.map((step) => `flow ${flow.name}, function ${step.fname}`);
  const isOutside = isExternal({ flow });
  return { flow, shape, badRows, tablePolicies, keepsLineage, fingerprint, trailing, activities, isExternal: isOutside };
}

/** Whether the flow may write to a storage that is not in the batch's transaction. A Load without code only reads. */
export function isExternal({ flow }: Pick<DaemonFlow, 'flow'>): boolean {
  return flow.steps.some(({ connector, definition, mode }) => {
    const isReadOnly = definition === undefined && mode === 'Load';
    return connector !== undefined && connector.guarantee !== 'exactly-once' && !isReadOnly;
  });
}

/** Tells the watchdog which function with code of a run is under way. */
export function watchSteps(
  { flow, activities }: RunningFlow,
  watchdog: Pick<Watchdog, 'enter' | 'leave'>,
): { enter(index: number): void; leave(): void } {
  let activity: string | undefined;
  const leave = (): void => {
    if (activity !== undefined) watchdog.leave(activity);
    activity = undefined;
  };
  return {
    leave,
    enter: (index) => {
      leave();
      if (flow.steps[index]?.definition === undefined) return;
      activity = activities[index];
      if (activity !== undefined) watchdog.enter(activity);
    },
  };
}
