import type { CodedError } from '../lib/error.ts';
import type { CommitFigures } from './commit-counts.ts';
import type { FlowState } from './flow-record.ts';
import type { KeptCounts } from './park.ts';

export interface FlowReport extends CommitFigures {
  readonly name: string;
  readonly state: FlowState;
  readonly error: CodedError | undefined;
  /** Rows that are kept and may still be applied; undefined while it does not run here. */
  readonly kept: KeptCounts | undefined;
}
