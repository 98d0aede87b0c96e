import { createCheckpoint, readCheckpoint, type Checkpoint } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import { formatPosition } from '../row/position.ts';
import { cancelOpenRuns, createRun, readOpenRuns } from '../repair/run-record.ts';
import type { LeasedRunOptions } from './leased-run-options.ts';

/** The flow's checkpoint; a flow without one gets it at its start. */
export async function loadCheckpoint(options: LeasedRunOptions): Promise<Checkpoint> {
  const { subject, records, session } = options;
  const flow = subject.flow.name;
  const stored = await readCheckpoint(session, flow);
  const known = stored !== undefined && (await isUnbegun(stored, options)) ? undefined : stored;
  await session.rollback();
  if (known === undefined) await beginFlow(options);
  else if (known.position.rows > 0) await requireSameTables(known, options);
  await records.setTables(flow, subject.tablesHash);
  await records.setFingerprint(flow, subject.fingerprint);
  if (known === undefined) await records.setBuiltFingerprint(flow, subject.fingerprint);
  const checkpoint = known ?? (await readCheckpoint(session, flow));
  await session.rollback();
  if (checkpoint === undefined) throw new CodedError('INTERNAL', `Flow ${flow} has no checkpoint after making one.`);
  return checkpoint;
}

/** Whether its start was a snapshot of which nothing has been read, not even which tables there are, and is another by now. */
async function isUnbegun({ flow, sequence }: Checkpoint, { subject, session }: LeasedRunOptions): Promise<boolean> {
  if (sequence > 0 || subject.start.kind === 'snapshot') return false;
  return (await readOpenRuns(session, flow)).some(({ isStart, tables }) => isStart && tables.length === 0);
}

/**
 * The first checkpoint, and with it the snapshot of a flow that starts with one, in one transaction: from here on the stream is the flow's,
 * and what lies before it has to be read.
 */
async function beginFlow({ subject, source, session, lease, abort }: LeasedRunOptions): Promise<void> {
  const flow = subject.flow.name;
  const isSnapshot = subject.start.kind === 'snapshot';
  const position = await source.resolve(isSnapshot ? { kind: 'latest' } : subject.start, abort);
  // those of a life of the flow before this one
  await cancelOpenRuns(session, flow);
  await session.query('DELETE FROM kis_checkpoint WHERE flow = ? AND sequence = 0', [flow]); // of a start that is not wanted any more
  await createCheckpoint(session, { flow, position, epoch: lease.epoch });
  if (isSnapshot) await createRun(session, { flow, kind: 'snapshot', isStart: true, options: {} });
  await session.commit();
}

async function requireSameTables({ position }: Checkpoint, { records, subject }: LeasedRunOptions): Promise<void> {
  const flow = subject.flow.name;
  const wish = (await records.wishes()).get(flow);
  if (wish === undefined || wish.tablesHash === subject.tablesHash) return;
  throw new CodedError(
    'FLOW_CHECKPOINT_MISMATCH',
    `Flow ${flow} stands ${position.rows} rows inside a transaction (${formatPosition(position)}), and its ` +
      'source.tables has changed since, so these rows can no longer be counted. Restore it until the transaction has passed.',
  );
}
