import type { Batch } from './batch.ts';
import type { BatchTrail } from './batch-trail.ts';

/** A batch under way. `committed` settles with its commit; `computed` when the next batch may begin beside it: false when it has failed. */
export interface Attempt {
  readonly batch: Batch;
  readonly sequence: number;
  readonly computed: Promise<boolean>;
  readonly committed: Promise<void>;
}

/** How a batch is run. */
export interface BatchRun {
  readonly sequence: number;
  /** Nothing is sent before it resolves. */
  readonly gate: Promise<void>;
  readonly clock: BatchTrail | undefined;
  readonly onComputed: () => void;
}
