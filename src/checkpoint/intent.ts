/**
 * The batches that a flow was about to run, kept in kis_intent before they run. Only for flows that write outside the store: what they
 * write there stays when the store's transaction is lost, and is known by the batch's id. So after a crash the same batches have to be
 * cut again, though rows arrive in another rhythm then.
 *
 *     claim ──► remainingIntents ──► (the batches that are left are cut again)
 *       └─────► keep, keep, …: each replaces the one before, and is fenced by the lease's epoch as the checkpoint is (L6)
 *
 * A list of its own, not a part of kis_checkpoint: while a batch commits the next one begins, and the row of the checkpoint is locked.
 */
import { z } from 'zod';
import { errorCodes, type ErrorCode } from '../lib/error-codes.ts';
import { CodedError } from '../lib/error.ts';
import { formatPosition, parsePosition, type Position } from '../row/position.ts';
import type { Queryable } from './checkpoint.ts';

/**
 * A change of a batch that the flow does not receive now, and why. dead: it cannot be processed. skipped: neither, and
 * its key goes on. waiting: a Load function did not find its row yet. parked: an earlier change of its key is dead or waits.
 */
export interface IntendedMark {
  readonly kind: (typeof markKinds)[number];
  readonly index: number;
  /** The function that failed; '' where none did. */
  readonly fname: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a waiting one: for how long, from now on. */
  readonly waitMs: number;
}

const markKinds = ['dead', 'skipped', 'waiting', 'parked'] as const;

/** What makes a batch the same one again: how many changes it has from the end of the one before. */
export interface IntendedBatch {
  /** Its identity without regard to dead changes. */
  readonly origin: string;
  readonly size: number;
  readonly end: Position;
  readonly dead: readonly IntendedMark[];
  readonly deadRounds: number;
}

/** A flow's batches that were not known to be committed, in order. */
export interface Intents {
  /** The sequence number of the checkpoint that the first of them continues. */
  readonly sequence: number;
  /** Of the tables whose changes are counted. */
  readonly tablesHash: string;
  /** Of the version that found the dead changes. */
  readonly fingerprint: string;
  readonly batches: readonly IntendedBatch[];
}

/** Whose intents they are. */
export interface IntentOwner {
  readonly flow: string;
  readonly epoch: number;
}

const written = z.array(
  z.object({
    origin: z.string(),
    size: z.number(),
    end: z.string(),
    deadRounds: z.number(),
    dead: z.array(
      z.object({
        kind: z.enum(markKinds),
        waitMs: z.number(),
        index: z.number(),
        fname: z.string(),
        code: z.custom<ErrorCode>((code) => typeof code === 'string' && code in errorCodes),
        message: z.string(),
        stack: z.string().optional(),
      }),
    ),
  }),
);

/** Shuts out whoever held the flow before, and reads what it was about to run. Rejects with LEASE_LOST when the epoch is an old one. */
export async function claimIntents(store: Queryable, { flow, epoch }: IntentOwner): Promise<Intents> {
  await store.query(
    `INSERT INTO kis_intent (flow, epoch, sequence, tables_hash, fingerprint, batches, updated_at)
     VALUES (?, ?, 0, '', '', '[]', UTC_TIMESTAMP(3)) ON DUPLICATE KEY UPDATE epoch = GREATEST(epoch, ?)`,
    [flow, epoch, epoch],
  );
  const { rows } = await store.query('SELECT epoch, sequence, tables_hash, fingerprint, batches FROM kis_intent WHERE flow = ?', [
    flow,
  ]);
  const row = rows[0];
  if (row === undefined || Number(row.epoch) !== epoch) throw lostError({ flow, epoch });
  const batches = readBatches(String(row.batches));
  if (batches === undefined) {
    throw new CodedError(
      'INTERNAL',
      `kis_intent of flow ${flow} cannot be read; delete its row: the flow then cuts its batches anew.`,
    );
  }
  return {
    sequence: Number(row.sequence),
    tablesHash: String(row.tables_hash),
    fingerprint: String(row.fingerprint),
    batches,
  };
}

/**
 * Keeps these batches before the last of them runs. Where they are more than `bytesMax` as text, their dead changes are left out: after a
 * crash the flow finds them again. Rejects with LEASE_LOST when another daemon has claimed the flow.
 */
export async function keepIntents(store: Queryable, owner: IntentOwner, intents: Intents, bytesMax: number): Promise<void> {
  const text = writeBatches(intents.batches);
  const fitting = text.length * 4 <= bytesMax ? text : writeBatches(intents.batches.map((batch) => ({ ...batch, dead: [] })));
  const { affectedRows } = await store.query(
    `UPDATE kis_intent SET sequence = ?, tables_hash = ?, fingerprint = ?, batches = ?, updated_at = UTC_TIMESTAMP(3)
     WHERE flow = ? AND epoch = ?`,
    [intents.sequence, intents.tablesHash, intents.fingerprint, fitting, owner.flow, owner.epoch],
  );
  if (affectedRows === 0) throw lostError(owner);
}

/**
 * The batches to cut again, from a checkpoint on. `isLost`: there are some, but the changes of other tables are counted now, so they
 * cannot be. Another version of the flow gets the same changes, and finds out itself which are dead.
 */
export function remainingIntents(
  kept: Intents,
  at: Omit<Intents, 'batches'>,
): { readonly batches: readonly IntendedBatch[]; readonly isLost: boolean } {
  const done = at.sequence - kept.sequence;
  const left = done < 0 ? [] : kept.batches.slice(done).filter(({ size }) => size > 0);
  if (left.length > 0 && kept.tablesHash !== at.tablesHash) return { batches: [], isLost: true };
  const isSame = kept.fingerprint === at.fingerprint;
  return { batches: isSame ? left : left.map((batch) => ({ ...batch, dead: [], deadRounds: 0 })), isLost: false };
}

function writeBatches(batches: readonly IntendedBatch[]): string {
  return JSON.stringify(batches.map((batch) => ({ ...batch, end: formatPosition(batch.end) })));
}

function readBatches(text: string): readonly IntendedBatch[] | undefined {
  const read = written.safeParse(JSON.parse(text));
  if (!read.success) return undefined;
  const batches: IntendedBatch[] = [];
  for (const { end: place, dead, ...batch } of read.data) {
    const end = parsePosition(place);
    if (end === undefined) return undefined;
    batches.push({ ...batch, end, dead: dead.map((mark) => ({ ...mark, stack: mark.stack })) });
  }
  return batches;
}

function lostError({ flow, epoch }: IntentOwner): CodedError {
  const message = `Flow ${flow} was taken over by another daemon: its batches belong to a newer epoch than ${epoch}.`;
  return new CodedError('LEASE_LOST', message, { details: { flow, epoch } });
}
