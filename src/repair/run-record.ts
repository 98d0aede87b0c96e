/**
 * Runs of repair as the store keeps them: kis_run and kis_run_table. A command makes one from any host and writes what an operator wants of
 * it; the daemon that holds the flow takes it up, and saves what is done in the transaction of the batch that does it:
 *
 *     waiting ──► running ◄──► paused
 *        │           │            │
 *        └───────────┴────────────┴──► done │ cancelled │ failed        (ended: never changed again)
 */
import type { Queryable } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import { toExactJson } from '../row/exact-json.ts';
import type { Key } from '../snapshot/contract.ts';
import { errnoOf } from '../store/errors.ts';
import {
  isOpen,
  openStates,
  toRun,
  type NewRunTable,
  type NewRun,
  type Run,
  type RunKind,
  type RunState,
  type RunWish,
} from './run.ts';

/** ER_DUP_ENTRY */
const duplicate = 1062;

/**
 * Makes a run that waits for the flow's daemon; the id. Throws RUN_EXISTS when a run of that kind on that flow has not ended. On the pool a
 * crash may leave it without its tables, as a run is whose tables nobody has listed yet.
 */
export async function createRun(store: Queryable, run: NewRun): Promise<string> {
  const { flow, kind, options, isStart, tables = [] } = run;
  const id = await insertRun(store, [flow, kind, JSON.stringify(options), isStart ? 1 : 0]).catch(async (error: unknown) => {
    if (errnoOf(error) !== duplicate) throw error;
    const { rows } = await store.query('SELECT id, state FROM kis_run WHERE flow = ? AND open_kind = ?', [flow, kind]);
    const other = rows[0] === undefined ? '' : `: run ${String(rows[0].id)}, which is ${String(rows[0].state)}`;
    throw new CodedError('RUN_EXISTS', `Flow ${flow} has a ${kind} that has not ended${other}.`);
  });
  await setRunTables(store, id, tables);
  return id;
}

async function insertRun(store: Queryable, values: readonly (string | number)[]): Promise<string> {
  const { insertId } = await store.query(
    `INSERT INTO kis_run (flow, kind, state, options, is_start, created_at, updated_at)
     VALUES (?, ?, 'waiting', ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))`,
    values,
  );
  if (insertId === undefined) throw new CodedError('INTERNAL', 'The store gave a run no number.');
  return insertId;
}

/** Says which tables a run reads, along which keys. What is done of one that it has already is left as it is. */
export async function setRunTables(store: Queryable, run: string, tables: readonly NewRunTable[]): Promise<void> {
  if (tables.length === 0) return;
  const marks = tables.map(() => "(?, ?, 'waiting', ?, ?, UTC_TIMESTAMP(3))").join(', ');
  const values = tables.flatMap((table) => [run, table.sourceTable, JSON.stringify(table.keyColumns), table.rowsTotal]);
  await store.query(
    `INSERT INTO kis_run_table (run, source_table, state, key_columns, rows_total, updated_at) VALUES ${marks}
     ON DUPLICATE KEY UPDATE key_columns = VALUES(key_columns), rows_total = VALUES(rows_total)`,
    values,
  );
}

/** The flow's runs that have not ended, or all flows'; in the order in which they were made. */
export function readOpenRuns(store: Queryable, flow?: string): Promise<readonly Run[]> {
  const [ofFlow, params] = flow === undefined ? ['', []] : ['flow = ? AND ', [flow]];
  return readWhere(store, `${ofFlow}state IN (?) ORDER BY id`, [...params, openStates]);
}

/** The latest runs, the last one first. */
export function readRuns(
  store: Queryable,
  { flow, kind, limit }: { readonly flow?: string | undefined; readonly kind?: RunKind; readonly limit: number },
): Promise<readonly Run[]> {
  const [ofFlow, flows] = flow === undefined ? ['TRUE', []] : ['flow = ?', [flow]];
  const [ofKind, kinds] = kind === undefined ? ['TRUE', []] : ['kind = ?', [kind]];
  return readWhere(store, `${ofFlow} AND ${ofKind} ORDER BY id DESC LIMIT ?`, [...flows, ...kinds, limit]);
}

/** Throws RUN_UNKNOWN. */
export async function readRun(store: Queryable, id: string): Promise<Run> {
  const [run] = await readWhere(store, 'id = ?', [id]);
  if (run === undefined) throw unknownRun(id);
  return run;
}

function unknownRun(id: string): CodedError {
  return new CodedError('RUN_UNKNOWN', `There is no run ${id}.`);
}

/**
 * Writes what has become of a run, and takes away the wish that this fulfils (paused: pause, running: resume, ended: every one). False: it has ended
 * already, and nothing is changed.
 */
export async function setRunState(store: Queryable, id: string, state: RunState, error?: CodedError): Promise<boolean> {
  const isEnded = !isOpen(state);
  const fulfilled =
    state === 'paused' ? ['pause'] : state === 'running' ? ['resume'] : isEnded ? ['pause', 'resume', 'cancel'] : [''];
  const { affectedRows } = await store.query(
    `UPDATE kis_run SET state = ?, wish = IF(wish IN (?), NULL, wish), error_code = ?, error_text = ?, rate = IF(? = 'running', rate, NULL),
       started_at = IF(? = 'running', COALESCE(started_at, UTC_TIMESTAMP(3)), started_at), ended_at = IF(?, UTC_TIMESTAMP(3), NULL),
       updated_at = UTC_TIMESTAMP(3)
     WHERE id = ? AND state IN (?)`,
    [state, fulfilled, error?.code ?? null, error?.message ?? null, state, state, isEnded ? 1 : 0, id, openStates],
  );
  return affectedRows > 0;
}

/** Writes how fast a run is; of one that runs. */
export async function setRunRate(store: Queryable, id: string, rate: number): Promise<void> {
  await store.query("UPDATE kis_run SET rate = ?, updated_at = UTC_TIMESTAMP(3) WHERE id = ? AND state = 'running'", [rate, id]);
}

/**
 * Writes what an operator wants; the run as it is then. One that no daemon has taken up is cancelled at once. What it is already, or was
 * about to be, changes nothing. Throws RUN_ENDED, also for one that is being cancelled; RUN_IS_START; RUN_UNKNOWN.
 */
export async function setRunWish(store: Queryable, id: string, wish: RunWish): Promise<Run> {
  if (wish === 'cancel') await requireCancellable(store, id);
  const isCancelled = wish === 'cancel' && (await cancelWaiting(store, id));
  if (!isCancelled) {
    // one statement, so that it is judged by the state in which it is written
    await store.query(
      `UPDATE kis_run SET wish = CASE
         WHEN ? = 'cancel' THEN 'cancel'
         WHEN ? = 'pause' AND state = 'paused' THEN NULL
         WHEN ? = 'resume' AND state <> 'paused' AND wish IS NULL THEN NULL
         ELSE ? END
       WHERE id = ? AND state IN (?) AND (wish IS NULL OR wish <> 'cancel')`,
      [wish, wish, wish, wish, id, openStates],
    );
  }
  const run = await readRun(store, id);
  const isRefused = wish !== 'cancel' && run.wish === 'cancel';
  if (isCancelled || (isOpen(run.state) && !isRefused)) return run;
  throw new CodedError('RUN_ENDED', `Run ${id} ${isRefused ? 'is being cancelled' : `has ended: it is ${run.state}`}.`);
}

async function requireCancellable(store: Queryable, id: string): Promise<void> {
  const { flow, state, isStart } = await readRun(store, id);
  if (!isStart || !isOpen(state)) return;
  throw new CodedError('RUN_IS_START', `Run ${id} is the snapshot with which flow ${flow} starts: it cannot be cancelled.`);
}

async function cancelWaiting(store: Queryable, id: string): Promise<boolean> {
  const { affectedRows } = await store.query(
    `UPDATE kis_run SET state = 'cancelled', wish = NULL, ended_at = UTC_TIMESTAMP(3), updated_at = UTC_TIMESTAMP(3)
     WHERE id = ? AND state = 'waiting'`,
    [id],
  );
  return affectedRows > 0;
}

/** What a batch has committed of a table. */
export interface RunStep {
  readonly run: string;
  readonly sourceTable: string;
  /** Null as long as no chunk is committed as a whole. */
  readonly cursorKey: Key | null;
  readonly doneKeys: readonly Key[];
  readonly rowsAdded: number;
  /** How many rows it will have been, by a better guess than before; absent: there is none. */
  readonly rowsTotal?: number | undefined;
  readonly isDone: boolean;
}

/** Saves it, in the batch's own transaction (L1). A cursor that moves counts a chunk. Throws RUN_UNKNOWN where the run has no such table. */
export async function saveRunTable(transaction: Queryable, step: RunStep): Promise<void> {
  const { run, sourceTable, rowsAdded, isDone } = step;
  const cursorKey = step.cursorKey === null ? null : toExactJson(step.cursorKey);
  const doneKeys = step.doneKeys.length === 0 ? null : toExactJson(step.doneKeys);
  const { affectedRows } = await transaction.query(
    `UPDATE kis_run_table SET state = ?, chunks = chunks + IF(cursor_key <=> ?, 0, 1), cursor_key = ?, done_keys = ?, rows_done = rows_done + ?,
       rows_total = COALESCE(?, rows_total),
       started_at = COALESCE(started_at, UTC_TIMESTAMP(3)), updated_at = UTC_TIMESTAMP(3), ended_at = IF(?, UTC_TIMESTAMP(3), NULL)
     WHERE run = ? AND source_table = ?`,
    [
      isDone ? 'done' : 'reading',
      cursorKey,
      cursorKey,
      doneKeys,
      rowsAdded,
      step.rowsTotal ?? null,
      isDone ? 1 : 0,
      run,
      sourceTable,
    ],
  );
  if (affectedRows === 0) throw new CodedError('RUN_UNKNOWN', `There is no run ${run} that reads ${sourceTable}.`);
}

/** The flow begins anew: what was to be done of it before is of no use. What has made a database ends once that is dropped. */
export async function cancelOpenRuns(session: Queryable, flow: string): Promise<void> {
  const mayHaveMade = "kind IN ('rebuild', 'verify') AND state <> 'waiting'";
  await session.query(
    `UPDATE kis_run SET wish = 'cancel', updated_at = UTC_TIMESTAMP(3) WHERE flow = ? AND state IN (?) AND ${mayHaveMade}`,
    [flow, openStates],
  );
  await session.query(
    `UPDATE kis_run SET state = 'cancelled', wish = NULL, rate = NULL, ended_at = UTC_TIMESTAMP(3), updated_at = UTC_TIMESTAMP(3)
     WHERE flow = ? AND state IN (?) AND NOT (${mayHaveMade})`,
    [flow, openStates],
  );
}

/** In the transaction that has read a table to its end: the run is done where no other table is left. */
export async function endRunIfRead(transaction: Queryable, run: string): Promise<void> {
  await transaction.query(
    `UPDATE kis_run SET state = 'done', wish = NULL, rate = NULL, ended_at = UTC_TIMESTAMP(3), updated_at = UTC_TIMESTAMP(3)
     WHERE id = ? AND state IN (?) AND NOT EXISTS (SELECT 1 FROM kis_run_table t WHERE t.run = ? AND t.state <> 'done')`,
    [run, openStates, run],
  );
}

async function readWhere(store: Queryable, condition: string, params: readonly unknown[]): Promise<readonly Run[]> {
  const { rows } = await store.query(`SELECT * FROM kis_run WHERE ${condition}`, params);
  if (rows.length === 0) return [];
  const tables = await store.query('SELECT * FROM kis_run_table WHERE run IN (?) ORDER BY source_table', [
    rows.map(({ id }) => id),
  ]);
  return rows.map((row) =>
    toRun(
      row,
      tables.rows.filter(({ run }) => run === row.id),
    ),
  );
}
