import type { Run } from '../repair/run.ts';
import type { ChangeGroup } from '../row/change.ts';
import type { Position } from '../row/position.ts';
import type { HeadState } from '../snapshot/table-snapshot.ts';
import type { Batch, BatchChunk } from './batch.ts';

/** Rows of a run that may go into the stream where it is now. */
export interface DueRows {
  readonly groups: readonly ChangeGroup[];
  readonly chunk: BatchChunk;
  /** When they were read: milliseconds since 1970. */
  readonly time: number;
  readonly bytes: number;
}

/** What is known of the end that the binlog had after a read which began then. */
export type StateOf = (head: Position, readAt: number) => HeadState;

/**
 * A run of repair that puts rows into the stream of its flow (see RunStage): it reads them beside the stream, is shown what the stream
 * brings meanwhile, and has them taken once the stream has passed the end that the binlog had after the read.
 */
export interface StageRun {
  readonly id: string;
  readonly kind: Run['kind'];
  /** The flow has none of the rows yet, and cannot go on without them. */
  readonly isFirst: boolean;
  /** All that it had to give was taken. */
  readonly isDone: boolean;
  /** Rows wait for the stream. */
  readonly isWaiting: boolean;
  /** Does what the operator wants, and begins what may be begun. */
  obey(run: Run): Promise<void>;
  /** Takes a batch of the stream before it is handed on; gives it without the changes that the flow must not receive now. */
  sift(batch: Batch): Promise<Batch>;
  /** The next rows that the stream has reached. Throws with what ended the run. */
  due(stateOf: StateOf): Promise<DueRows | undefined>;
  close(): void;
}
