/** What a swap does to kisflow's own tables: the shadow's rows of the flow take the place of the store's, in one transaction. */
import { lockCheckpoint, type Checkpoint, type Queryable } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import { quoteName } from '../store/name.ts';

export interface TakeOver {
  readonly flow: string;
  /** Of the flow's lease: nobody else may do it. */
  readonly epoch: number;
  readonly shadow: string;
  /** Of the version of the flow that computed the new tables. */
  readonly fingerprint: string;
}

/** Throws LEASE_LOST where another daemon has the flow now. To be called in a transaction. */
export async function takeOverRows(transaction: Queryable, { flow, epoch, shadow, fingerprint }: TakeOver): Promise<void> {
  await requireEpoch(transaction, flow, epoch);
  const from = quoteName(shadow);
  // the next number: what counts by the one before, of batches that never were, is of no use any more
  await transaction.query(
    `UPDATE kis_checkpoint m JOIN ${from}.kis_checkpoint s ON s.flow = m.flow
     SET m.position = s.position, m.commit_time = s.commit_time, m.changed_time = s.changed_time, m.sequence = m.sequence + 1, m.updated_at = UTC_TIMESTAMP(3) WHERE m.flow = ?`,
    [flow],
  );
  // what is known of the rows that were there before does not hold for the new ones
  await transaction.query(
    `UPDATE kis_lineage_flow l JOIN kis_checkpoint m ON m.flow = l.flow
     SET l.era = l.era + 1, l.since = UTC_TIMESTAMP(3), l.sequence = m.sequence WHERE l.flow = ?`,
    [flow],
  );
  await transaction.query('DELETE FROM kis_intent WHERE flow = ?', [flow]);
  await transaction.query('DELETE FROM kis_state WHERE flow = ?', [flow]);
  const state = 'flow, fname, state_key, value, expires_at';
  await transaction.query(`INSERT INTO kis_state (${state}) SELECT ${state} FROM ${from}.kis_state WHERE flow = ?`, [flow]);
  await takeAggregates(transaction, flow, from);
  await takeDeadRows(transaction, flow, from);
  await takeStatements(transaction, flow, from);
  // rows that its first snapshot had yet to read are in the new tables
  await transaction.query(
    "UPDATE kis_run SET state = 'done', wish = NULL, rate = NULL, ended_at = UTC_TIMESTAMP(3), updated_at = UTC_TIMESTAMP(3) WHERE flow = ? AND open_kind = 'snapshot' AND is_start = 1",
    [flow],
  );
  await transaction.query('UPDATE kis_flow SET built_fingerprint = ?, error_code = NULL, error_text = NULL WHERE flow = ?', [
    fingerprint,
    flow,
  ]);
}

/** The flow's checkpoint, which is held until the transaction ends. Throws LEASE_LOST where another daemon has the flow now. */
export async function requireEpoch(transaction: Queryable, flow: string, epoch: number): Promise<Checkpoint> {
  const checkpoint = await lockCheckpoint(transaction, flow);
  if (checkpoint?.epoch === epoch) return checkpoint;
  throw new CodedError('LEASE_LOST', `Flow ${flow} was taken over by another daemon.`);
}

/** Aggregates are known by numbers: those of the store stay, because a flow that ran a moment ago still goes by them. */
async function takeAggregates(transaction: Queryable, flow: string, from: string): Promise<void> {
  await transaction.query(
    `DELETE FROM kis_aggregate WHERE flow = ? AND fname NOT IN (SELECT fname FROM ${from}.kis_aggregate WHERE flow = ?)`,
    [flow, flow],
  );
  await transaction.query('DELETE v FROM kis_aggregate_value v JOIN kis_aggregate a ON a.id = v.aggregate WHERE a.flow = ?', [
    flow,
  ]);
  await transaction.query(
    `INSERT INTO kis_aggregate (flow, fname, definition, plan) SELECT flow, fname, definition, plan FROM ${from}.kis_aggregate WHERE flow = ?
     ON DUPLICATE KEY UPDATE definition = VALUES(definition), plan = VALUES(plan)`,
    [flow],
  );
  const values = ['slot', 'group_key', 'value', 'count', 'total'];
  await transaction.query(
    `INSERT INTO kis_aggregate_value (aggregate, ${values.join(', ')}) SELECT m.id, ${values.map((name) => `v.${name}`).join(', ')}
     FROM ${from}.kis_aggregate s JOIN kis_aggregate m ON m.flow = s.flow AND m.fname = s.fname JOIN ${from}.kis_aggregate_value v ON v.aggregate = s.id
     WHERE s.flow = ?`,
    [flow],
  );
}

/** Dead rows have numbers too, which are others here; their order is kept, and by it the parts of large ones find theirs. */
async function takeDeadRows(transaction: Queryable, flow: string, from: string): Promise<void> {
  await transaction.query('DELETE p FROM kis_dead_row_part p JOIN kis_dead_row d ON d.id = p.dead_row WHERE d.flow = ?', [flow]);
  await transaction.query('DELETE FROM kis_dead_row WHERE flow = ?', [flow]);
  const columns = await transaction.query(`SHOW COLUMNS FROM ${from}.kis_dead_row WHERE Field <> 'id'`);
  const names = columns.rows.map((row) => quoteName(String(row['Field']))).join(', ');
  await transaction.query(
    `INSERT INTO kis_dead_row (${names}) SELECT ${names} FROM ${from}.kis_dead_row WHERE flow = ? ORDER BY id`,
    [flow],
  );
  const { rows: theirs } = await transaction.query(`SELECT id, parts FROM ${from}.kis_dead_row WHERE flow = ? ORDER BY id`, [flow]);
  const { rows: ours } = await transaction.query('SELECT id FROM kis_dead_row WHERE flow = ? ORDER BY id', [flow]);
  for (const [i, { id, parts }] of theirs.entries()) {
    if (Number(parts) === 0) continue;
    await transaction.query(
      `INSERT INTO kis_dead_row_part (dead_row, part, row_change) SELECT ?, part, row_change FROM ${from}.kis_dead_row_part WHERE dead_row = ?`,
      [ours[i]?.['id'], id],
    );
  }
}

/** What the flow did about statements is a record: those that the shadow alone has passed are added. */
async function takeStatements(transaction: Queryable, flow: string, from: string): Promise<void> {
  const names = 'flow, op, outcome, source_table, statement, position, gtid, commit_time, created_at';
  await transaction.query(
    `INSERT INTO kis_table_statement (${names}) SELECT ${names} FROM ${from}.kis_table_statement s WHERE s.flow = ? AND NOT EXISTS
       (SELECT 1 FROM kis_table_statement m WHERE m.flow = s.flow AND m.position = s.position AND m.op = s.op AND m.source_table = s.source_table)
     ORDER BY s.id`,
    [flow],
  );
}
