import type { Lease } from '../store/lease.ts';
import type { StoreSession } from '../store/session.ts';
import type { BatchRunnerOptions } from './batch-runner-options.ts';
import type { FlowServiceOptions } from './daemon-flow.ts';

/** What one run of a flow under one lease needs. */
export interface LeasedRunOptions extends FlowServiceOptions, Pick<BatchRunnerOptions, 'onCommit' | 'onRetry'> {
  readonly lease: Lease;
  /** The session whose connection the lease names. */
  readonly session: StoreSession;
}
