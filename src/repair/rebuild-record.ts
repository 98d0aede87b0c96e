/**
 * How far a rebuild is, in its row of kis_run:
 *
 *     (nothing is made) ──► reading ──► catching-up ◄──► swapping ──► dropping ──► the run ends
 *              └────────────────┴────────────┴───── cancelled, failed ────▲
 *
 * While it is `swapping` the flow must not run: whoever takes the flow up settles that first. It ends when nothing of it is left.
 */
import { z } from 'zod';
import type { Queryable } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import { quoteName } from '../store/name.ts';
import { readOpenRuns } from './run-record.ts';
import type { Run } from './run.ts';

const phases = ['reading', 'catching-up', 'swapping', 'dropping'] as const;
export type RebuildPhase = (typeof phases)[number];

const rebuildDetails = z.object({
  /** Of the shadow. */
  database: z.string(),
  /** The computed tables that are made anew. */
  tables: z.array(z.string()),
  /** Hash of their definitions when the new ones were made like them. */
  definitions: z.string(),
  /** Of the version that computes them. */
  fingerprint: z.string(),
  /** How often it has begun anew because the source had purged what the shadow was about to read. */
  purges: z.number().optional(),
  /** The table that tells whether the swap has happened. */
  gate: z.string().optional(),
  /** What becomes of the run when all is dropped. */
  outcome: z.enum(['done', 'cancelled', 'failed']).optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

export type RebuildDetails = Readonly<z.infer<typeof rebuildDetails>>;

export interface Rebuild {
  readonly run: Run;
  /** Null as long as nothing is made. */
  readonly phase: RebuildPhase | null;
  readonly details: RebuildDetails | undefined;
}

const rebuildRow = z.object({
  phase: z.enum(phases).nullable(),
  details: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(rebuildDetails)
    .nullable(),
});

/** The flow's rebuild that has not ended. */
export async function readRebuild(store: Queryable, flow: string): Promise<Rebuild | undefined> {
  const { rows } = await store.query("SELECT id, phase, details FROM kis_run WHERE flow = ? AND open_kind = 'rebuild'", [flow]);
  const [row] = rows;
  if (row === undefined) return undefined;
  const run = (await readOpenRuns(store, flow)).find(({ id }) => id === String(row.id));
  return run === undefined ? undefined : { run, ...toProgress(row) };
}

function toProgress(row: Row): Pick<Rebuild, 'phase' | 'details'> {
  const parsed = rebuildRow.safeParse(row);
  if (!parsed.success) {
    throw new CodedError('INTERNAL', `Run ${String(row.id)} cannot be read; was it written by another version of kisflow?`, {
      cause: parsed.error,
    });
  }
  return { phase: parsed.data.phase, details: parsed.data.details ?? undefined };
}

/** Flows with a rebuild that has not ended. */
export async function flowsWithRebuild(store: Queryable): Promise<ReadonlySet<string>> {
  const { rows } = await store.query("SELECT flow FROM kis_run WHERE open_kind = 'rebuild'");
  return new Set(rows.map((row) => String(row.flow)));
}

/** Writes how far it is; of a run that has not ended. */
export async function setPhase(
  store: Queryable,
  run: string,
  { phase, details }: { readonly phase: RebuildPhase | null; readonly details: RebuildDetails | undefined },
): Promise<void> {
  await store.query(
    'UPDATE kis_run SET phase = ?, details = ?, updated_at = UTC_TIMESTAMP(3) WHERE id = ? AND open_kind IS NOT NULL',
    [phase, details === undefined ? null : JSON.stringify(details), run],
  );
}

/** Writes what keeps a rebuild that goes on from its end; undefined: nothing does. */
export async function setRebuildError(store: Queryable, run: string, error: CodedError | undefined): Promise<void> {
  await store.query('UPDATE kis_run SET error_code = ?, error_text = ? WHERE id = ? AND open_kind IS NOT NULL', [
    error?.code ?? null,
    error?.message ?? null,
    run,
  ]);
}

/** Nothing of it is left: the run ends. */
export async function endRebuild(store: Queryable, run: string, { outcome = 'cancelled', error }: RebuildEnd): Promise<void> {
  await store.query(
    `UPDATE kis_run SET state = ?, phase = NULL, wish = NULL, rate = NULL, error_code = ?, error_text = ?, ended_at = UTC_TIMESTAMP(3),
       updated_at = UTC_TIMESTAMP(3) WHERE id = ? AND open_kind IS NOT NULL`,
    [outcome, error?.code ?? null, error?.message ?? null, run],
  );
}

/** What becomes of the run. */
export type RebuildEnd = Pick<RebuildDetails, 'outcome' | 'error'>;

/** Takes over from the shadow how far it has read its tables; true: they are read. */
export async function copyProgress(store: Queryable, { run, details }: { readonly run: Run; readonly details: RebuildDetails }) {
  const from = quoteName(details.database);
  const names = 'source_table, state, key_columns, rows_done, rows_total, chunks, started_at, updated_at, ended_at';
  const theirs = names.split(', ').map((name) => `t.${name}`);
  await store.query(
    `INSERT INTO kis_run_table (run, ${names}) SELECT ?, ${theirs.join(', ')} FROM ${from}.kis_run_table t JOIN ${from}.kis_run r ON r.id = t.run
     WHERE r.flow = ? AND r.is_start = 1 ON DUPLICATE KEY UPDATE state = VALUES(state), rows_done = VALUES(rows_done),
       rows_total = VALUES(rows_total), chunks = VALUES(chunks), started_at = VALUES(started_at), updated_at = VALUES(updated_at), ended_at = VALUES(ended_at)`,
    [run.id, run.flow],
  );
  const { rows } = await store.query(
    `SELECT EXISTS (SELECT 1 FROM ${from}.kis_checkpoint WHERE flow = ?) AND NOT EXISTS
       (SELECT 1 FROM ${from}.kis_run WHERE flow = ? AND open_kind = 'snapshot') AS is_read`,
    [run.flow, run.flow],
  );
  return Number(rows[0]?.['is_read']) === 1;
}
