import { CodedError } from '../lib/error.ts';
import { formatPosition, parsePosition, type Position } from '../row/position.ts';
import type { StoreResult } from '../store/contract.ts';

/** A flow's row of kis_checkpoint. */
export interface Checkpoint {
  readonly flow: string;
  readonly position: Position;
  /** Epoch of the lease that may write it. */
  readonly epoch: number;
  /** Counts the flow's commits: a batch names the number it continues. */
  readonly sequence: number;
}

/** Anything that runs a statement: the pool, or a batch's own session. */
export interface Queryable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

/** Reads a flow's checkpoint; undefined when it has none yet. */
export function readCheckpoint(store: Queryable, flow: string): Promise<Checkpoint | undefined> {
  return read(store, flow, '');
}

/**
 * The same, once nobody is moving it any more: what a lost connection was committing is committed by then, or never will be. In a
 * transaction, whose end lets go of it.
 */
export function lockCheckpoint(session: Queryable, flow: string): Promise<Checkpoint | undefined> {
  return read(session, flow, ' FOR UPDATE');
}

async function read(store: Queryable, flow: string, lock: '' | ' FOR UPDATE'): Promise<Checkpoint | undefined> {
  const { rows } = await store.query(`SELECT position, epoch, sequence FROM kis_checkpoint WHERE flow = ?${lock}`, [flow]);
  const row = rows[0];
  if (row === undefined) return undefined;
  const position = parsePosition(String(row.position));
  if (position === undefined) {
    throw new CodedError('INTERNAL', `The checkpoint of flow ${flow} holds no position: ${String(row.position)}.`);
  }
  return { flow, position, epoch: Number(row.epoch), sequence: Number(row.sequence) };
}

/** Makes a flow's first checkpoint, at the position its `start` was resolved to. One that exists is left as it is. */
export async function createCheckpoint(store: Queryable, checkpoint: Omit<Checkpoint, 'sequence'>): Promise<void> {
  await store.query(
    `INSERT IGNORE INTO kis_checkpoint (flow, position, epoch, sequence, updated_at) VALUES (?, ?, ?, 0, UTC_TIMESTAMP(3))`,
    [checkpoint.flow, formatPosition(checkpoint.position), checkpoint.epoch],
  );
}

/** What one batch writes to the checkpoint, and what it continues. */
export interface CheckpointStep {
  readonly flow: string;
  readonly epoch: number;
  /** The sequence number that this batch continues; it leaves the next one. */
  readonly sequence: number;
  readonly position: Position;
  /** Source commit time of the batch's last transaction in milliseconds since 1970; 0 when unknown. */
  readonly time: number;
  /** Routed changes in the batch. */
  readonly rows: number;
}

/**
 * Moves the checkpoint, as the first statement of the batch's transaction: it takes the row's lock, so nobody else can move it
 * before the commit, and it changes nothing unless epoch and sequence are the ones this batch continues (L6).
 */
export async function stepCheckpoint(session: Queryable, step: CheckpointStep): Promise<void> {
  const time = step.time === 0 ? null : new Date(step.time).toISOString().slice(0, -1).replace('T', ' ');
  const { affectedRows } = await session.query(
    `UPDATE kis_checkpoint SET position = ?, sequence = ?, commit_time = COALESCE(?, commit_time), changed_time = COALESCE(?, changed_time),
       rows_total = rows_total + ?, updated_at = UTC_TIMESTAMP(3) WHERE flow = ? AND epoch = ? AND sequence = ?`,
    [
      formatPosition(step.position),
      step.sequence + 1,
      time,
      step.rows === 0 ? null : time,
      step.rows,
      step.flow,
      step.epoch,
      step.sequence,
    ],
  );
  if (affectedRows === 0) {
    throw new CodedError(
      'LEASE_LOST',
      `Flow ${step.flow} was taken over by another daemon (epoch ${step.epoch}, sequence ${step.sequence} is no longer current).`,
      { details: { flow: step.flow, epoch: step.epoch, sequence: step.sequence } },
    );
  }
}
