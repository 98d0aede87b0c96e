import type { RunFlow } from '../flow/contract.ts';
import type { Position } from '../row/position.ts';
import type { FlowObserver } from './batch-trail.ts';
import type { Batch } from './batch.ts';
import type { FlowSessionOptions } from './flow-session.ts';
import type { IntentLog } from './intent-log.ts';
import type { RunnableFlow } from './running-flow.ts';
import type { Watchdog } from './watchdog.ts';

/** What a flow's batches are run with. */
export interface BatchRunnerOptions extends RunnableFlow, FlowSessionOptions {
  readonly hasGtid: boolean;
  /** The sequence number and the position of the flow's checkpoint. */
  readonly sequence: number;
  readonly position: Position;
  /** Where batches are kept before they run, of a flow that writes outside the store. */
  readonly intents: Pick<IntentLog, 'keep'>;
  readonly runFlow: RunFlow;
  /** Aborts at once: what is in flight is rolled back. */
  readonly signal: AbortSignal;
  readonly onCommit: (batch: Batch, filtered: number) => void;
  /** No batch is under way: this is where the flow may be replaced. */
  readonly atBoundary: () => void;
  readonly watchdog: Pick<Watchdog, 'enter' | 'leave'>;
  readonly observer?: FlowObserver | undefined;
}
