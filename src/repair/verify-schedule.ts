/**
 * When flows are verified by themselves, as the store keeps it in kis_verify_schedule. A command writes it from any host; the daemon that holds the
 * flow makes a run when one is due:
 *
 *     first: at once ──► run ──► its end, whatever came of it ── every_ms ──► due ──► run …
 *
 * All by the store's clock. What was missed is not made up for: however long nobody held the flow, one run is due.
 */
import { z } from 'zod';
import type { Queryable } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import { errnoOf } from '../store/errors.ts';
import { isoOrNull } from '../store/iso-time.ts';
import type { Store } from '../store/open.ts';
import { createRun } from './run-record.ts';
import { openStates, runOptions, type RunOptions } from './run.ts';

/** What each run is asked. */
export type VerifyOptions = Pick<RunOptions, 'repair' | 'rowsPerSecond'>;

export interface VerifySchedule {
  readonly everyMs: number;
  readonly repair: boolean;
  /** Null: as fast as it can. */
  readonly rowsPerSecond: number | null;
  /** From when on it holds. Times are ISO 8601, by the store's clock. */
  readonly since: string;
  /** Null while a run of it has not ended. */
  readonly dueAt: string | null;
  /** Not above 0: it is due, and begins as soon as it may. */
  readonly dueInMs: number | null;
}

/** The last verify of a flow that was done, asked for or scheduled. */
export interface LastVerify {
  readonly run: string;
  readonly endedAt: string;
  readonly ageMs: number;
  /** Rows that were wrong; where it repaired, those that it could not mend. */
  readonly differences: number;
}

export interface VerifyStatus {
  readonly schedule: VerifySchedule | null;
  readonly last: LastVerify | null;
}

export const neverVerified: VerifyStatus = { schedule: null, last: null };

/** Of a flow's runs that were scheduled and have ended, so many are kept; and the last one that was done. */
const endedKept = 100;

/** Sets it, also in place of another. A change of the period alone keeps the place of the next run behind the last one. */
export async function setVerifySchedule(
  store: Queryable,
  { flow, everyMs, options }: { readonly flow: string; readonly everyMs: number; readonly options: VerifyOptions },
): Promise<void> {
  await store.query(
    `INSERT INTO kis_verify_schedule (flow, every_ms, options, since) VALUES (?, ?, ?, UTC_TIMESTAMP(3))
     ON DUPLICATE KEY UPDATE since = IF(every_ms = VALUES(every_ms), since, VALUES(since)), every_ms = VALUES(every_ms), options = VALUES(options)`,
    [flow, everyMs, JSON.stringify(options)],
  );
}

/** A run that is under way goes on. False: there was none. */
export async function endVerifySchedule(store: Queryable, flow: string): Promise<boolean> {
  const { affectedRows } = await store.query('DELETE FROM kis_verify_schedule WHERE flow = ?', [flow]);
  return affectedRows > 0;
}

/** Of a schedule `s` with its last run `r`; NULL while that has not ended. What lies ahead of a clock that was set back is nothing to wait for. */
const dueAt =
  'IF(r.id IS NULL OR r.ended_at > UTC_TIMESTAMP(3), LEAST(s.since, UTC_TIMESTAMP(3)), r.ended_at + INTERVAL s.every_ms * 1000 MICROSECOND)';

/** Makes the run that is due, and gives its id; undefined where none is, or the flow is paused or has a run of repair that has not ended. */
export async function beginDueVerify(store: Pick<Store, 'transaction'>, flow: string): Promise<string | undefined> {
  try {
    return await store.transaction(async (transaction) => {
      // the row's lock: of two daemons that believe to hold the flow, the second one sees the run of the first
      const due = await transaction.query(
        `SELECT s.options FROM kis_verify_schedule s LEFT JOIN kis_run r ON r.id = s.last_run
         WHERE s.flow = ? AND ${dueAt} <= UTC_TIMESTAMP(3) FOR UPDATE`,
        [flow],
      );
      const [row] = due.rows;
      if (row === undefined || (await isBusy(transaction, flow))) return undefined;
      const options = runOptions.parse(JSON.parse(String(row.options)));
      const id = await createRun(transaction, { flow, kind: 'verify', isStart: false, options });
      await transaction.query('UPDATE kis_run SET is_scheduled = 1 WHERE id = ?', [id]);
      await transaction.query('UPDATE kis_verify_schedule SET last_run = ? WHERE flow = ?', [id, flow]);
      return id;
    });
  } catch (error) {
    if (error instanceof CodedError && error.code === 'RUN_EXISTS') return undefined; // somebody was faster
    throw error;
  }
}

async function isBusy(store: Queryable, flow: string): Promise<boolean> {
  const { rows } = await store.query(
    `SELECT EXISTS (SELECT 1 FROM kis_flow WHERE flow = ? AND wanted = 'run')
       AND NOT EXISTS (SELECT 1 FROM kis_run WHERE flow = ? AND state IN (?)) AS is_free`,
    [flow, flow, openStates],
  );
  return Number(rows[0]?.['is_free']) !== 1;
}

/** Deletes the flow's scheduled runs that have ended and are old, with what they found. */
export async function forgetOldVerifies(store: Queryable, flow: string): Promise<void> {
  const { rows } = await store.query(
    `SELECT id FROM kis_run WHERE flow = ? AND is_scheduled = 1 AND state NOT IN (?) ORDER BY id DESC LIMIT 1000 OFFSET ${endedKept}`,
    [flow, openStates],
  );
  const last = (await readLast(store, flow)).get(flow)?.run;
  const old = rows.map((row) => String(row.id)).filter((id) => id !== last);
  if (old.length === 0) return;
  // a crash in between leaves the run, and the next time deletes the rest
  for (const table of ['kis_verify_difference', 'kis_verify', 'kis_run_table'])
    await store.query(`DELETE FROM ${table} WHERE run IN (?)`, [old]);
  await store.query('DELETE FROM kis_run WHERE id IN (?)', [old]);
}

const count = z.union([z.number(), z.string()]).transform(Number);
const ms = count.transform((microseconds) => microseconds / 1000);
const time = z.string().transform((text) => isoOrNull(text) ?? text);

const scheduleRow = z.object({
  flow: z.string(),
  every_ms: count,
  options: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(runOptions),
  since: time,
  due_at: time.nullable(),
  due_in: ms.nullable(),
});
const lastRow = z.object({
  flow: z.string(),
  run: z.coerce.string(),
  ended_at: time,
  age: ms.transform((age) => Math.max(0, age)),
  differences: count,
});

/** Of all flows that are scheduled, or of which a verify was done; none where an older version has made the store. */
export async function readVerifyStatus(store: Queryable): Promise<ReadonlyMap<string, VerifyStatus>> {
  try {
    const schedules = await readSchedules(store);
    const last = await readLast(store);
    const flows = new Set([...schedules.keys(), ...last.keys()]);
    return new Map([...flows].map((flow) => [flow, { schedule: schedules.get(flow) ?? null, last: last.get(flow) ?? null }]));
  } catch (error) {
    if (errnoOf(error) === 1146) return new Map();
    throw error;
  }
}

async function readSchedules(store: Queryable): Promise<ReadonlyMap<string, VerifySchedule>> {
  const { rows } = await store.query(
    `SELECT d.*, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), d.due_at) AS due_in FROM
       (SELECT s.flow, s.every_ms, s.options, s.since, CAST(${dueAt} AS DATETIME(3)) AS due_at FROM kis_verify_schedule s LEFT JOIN kis_run r ON r.id = s.last_run) d`,
  );
  return new Map(
    rows.map((row) => {
      const { flow, every_ms: everyMs, options, since, due_at: at, due_in: dueInMs } = parse(scheduleRow, row);
      const { repair = false, rowsPerSecond = null } = options;
      return [flow, { everyMs, repair, rowsPerSecond, since, dueAt: at, dueInMs }];
    }),
  );
}

/** One look along an index a flow, however many runs are kept. */
async function readLast(store: Queryable, flow?: string): Promise<ReadonlyMap<string, LastVerify>> {
  const { rows } = await store.query(
    `SELECT v.flow, v.run, r.ended_at, TIMESTAMPDIFF(MICROSECOND, r.ended_at, UTC_TIMESTAMP(3)) AS age,
       COALESCE(v.unmended, v.missing + v.extra + v.different) AS differences
     FROM (SELECT (SELECT w.run FROM kis_verify w JOIN kis_run o ON o.id = w.run AND o.state = 'done'
         WHERE w.flow = f.flow ORDER BY w.run DESC LIMIT 1) AS run FROM kis_flow f${flow === undefined ? '' : ' WHERE f.flow = ?'}) l
       JOIN kis_verify v ON v.run = l.run JOIN kis_run r ON r.id = l.run`,
    flow === undefined ? [] : [flow],
  );
  return new Map(
    rows.map((row) => {
      const { flow: of, run, ended_at: endedAt, age: ageMs, differences } = parse(lastRow, row);
      return [of, { run, endedAt, ageMs, differences }];
    }),
  );
}

function parse<T>(spec: z.ZodType<T>, row: Row): T {
  const parsed = spec.safeParse(row);
  if (parsed.success) return parsed.data;
  throw new CodedError('INTERNAL', `What is kept of the verifies of ${String(row.flow)} cannot be read.`, { cause: parsed.error });
}
