import type { Configuration } from '../../config/configuration.ts';
import type { FlowSpec } from '../../config/spec.ts';
import { readFlowChanges } from '../flow-change-record.ts';
import { flowStates } from '../flow-record.ts';
import { readFigures, unknownFigures, type RecordedFigures } from '../figure-record.ts';
import { countPassedStatements, type StatementCount } from '../table-statement-record.ts';
import type { Row } from '../../row/change.ts';
import { parsePosition } from '../../row/position.ts';
import { lockNameOf } from '../../store/presence.ts';
import { countDeadRows, noDeadRows } from '../../repair/dead-row-list.ts';
import { countDeadRowsUpTo } from '../../repair/dead-row-page.ts';
import { readOpenRuns } from '../../repair/run-record.ts';
import type { Run } from '../../repair/run.ts';
import { neverVerified, readVerifyStatus, type VerifyStatus } from '../../repair/verify-schedule.ts';
import { errnoOf } from '../../store/errors.ts';
import type { StoreResult } from '../../store/contract.ts';
import { isoOrNull } from '../../store/iso-time.ts';

/**
 * What a flow is doing, as people see it: what its daemon last said, as long as a daemon holds it. Of a flow that nobody holds
 * only `failed` and `paused` still stand; everything else is `stopped`.
 */
export const shownStates = ['never run', 'no source', 'disabled', ...flowStates] as const;
type ShownState = (typeof shownStates)[number];

/** One flow, from the configuration, kis_flow, kis_checkpoint and kis_lease. Null: not known. */
export interface FlowStatus extends RecordedFigures {
  readonly flow: string;
  readonly state: ShownState;
  readonly wanted: 'run' | 'pause' | null;
  /** Host, process and start of the daemon that holds the flow, or held it last; null when it was given up, or never held. */
  readonly holder: string | null;
  /** Whether the holder is alive: its lease has not expired by the store's clock. */
  readonly isHeld: boolean;
  /** Whether it is connected to the store, though its lease has run out: the store takes no writes of it, or it hangs. */
  readonly isSilent: boolean;
  /** In full, with GTID set and server. */
  readonly position: string | null;
  readonly rowsTotal: number | null;
  /** Rows that it could not process and that are kept as dead. */
  readonly deadRows: number;
  /** Rows that wait for what a Load function did not find yet. */
  readonly waitingRows: number;
  /** Later changes of their keys that wait behind dead and waiting ones. */
  readonly parkedRows: number;
  /** Rows that it gave up by its policy, and that are kept as a record. */
  readonly skippedRows: number;
  /** Statements that took rows of its tables without a change of each, and that it passed; null where there were none. */
  readonly tableStatements: StatementCount | null;
  /** Commit time at the source of the last change taken, ISO 8601. */
  readonly lastChange: string | null;
  readonly lastChangeAgeMs: number | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Snapshots and other runs of repair that have not ended. */
  readonly runs: readonly Run[];
  /** How often it is verified by itself, and what the last verify found. */
  readonly verify: VerifyStatus;
  readonly isConfigured: boolean;
  readonly isEnabled: boolean;
}

/** What reading the states needs of a store. */
export interface Readable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

export interface StatusOptions {
  /** Dead rows of a flow are counted up to here in each of their states; absent: all of them, which takes longer the more they are. */
  readonly deadRowsMax?: number | undefined;
}

const statusQuery = (changedTime: string): string => `
SELECT f.flow, f.wanted, f.state, f.error_code, f.error_text,
  c.position, c.rows_total, ${changedTime} AS changed_time, TIMESTAMPDIFF(MICROSECOND, ${changedTime}, UTC_TIMESTAMP(3)) AS age,
  l.holder, l.holder <> '' AND l.expires_at > UTC_TIMESTAMP(3) AS is_held,
  l.holder <> '' AND l.expires_at <= UTC_TIMESTAMP(3) AND IS_USED_LOCK(${lockNameOf("COALESCE(l.holder, '')")}) IS NOT NULL AS is_silent
FROM kis_flow f LEFT JOIN kis_checkpoint c ON c.flow = f.flow LEFT JOIN kis_lease l ON l.flow = f.flow`;

/**
 * Every flow of the configuration, in its order, and then those that only the store knows. Without a store (nothing has run
 * yet) the configuration alone speaks.
 */
export async function readFlowStatus(
  configuration: Pick<Configuration, 'flows'>,
  store: Readable | undefined,
  { deadRowsMax }: StatusOptions = {},
): Promise<readonly FlowStatus[]> {
  const rows = store === undefined ? [] : await readStates(store);
  const kept = store === undefined ? undefined : await countKept(store, deadRowsMax);
  const figures = store === undefined ? undefined : await readFigures(store);
  const passed = store === undefined ? undefined : await countPassedStatements(store);
  const open = store === undefined ? [] : await readRunsIfAny(store);
  const verified = store === undefined ? undefined : await readVerifyStatus(store);
  const records = new Map(rows.map((row) => [String(row['flow']), row]));
  const changes = store === undefined ? [] : await readFlowChanges(store);
  const known = [...configuration.flows.values()].map((written) => {
    const name = written.flow_name;
    const set = changes.findLast(({ change }) => change.flow === name && change.kind === 'set-status')?.change;
    const spec = set?.kind === 'set-status' ? { ...written, status: set.status } : written;
    return statusOf(name, spec, records.get(name));
  });
  const others = [...records]
    .filter(([flow]) => !configuration.flows.has(flow))
    .map(([flow, row]) => statusOf(flow, undefined, row));
  return [...known, ...others].map((status) => {
    const { dead, waiting, parked, skipped } = kept?.get(status.flow) ?? noDeadRows;
    const kinds = { deadRows: dead, waitingRows: waiting, parkedRows: parked, skippedRows: skipped };
    const measured = figures?.get(status.flow) ?? unknownFigures;
    const runs = open.filter(({ flow }) => flow === status.flow);
    const more = { tableStatements: passed?.get(status.flow) ?? null, runs, verify: verified?.get(status.flow) ?? neverVerified };
    return { ...status, ...ofNow(measured, status), ...kinds, ...more };
  });
}

async function readStates(store: Readable): Promise<StoreResult['rows']> {
  try {
    return (await store.query(statusQuery('c.changed_time'))).rows;
  } catch (error) {
    if (errnoOf(error) !== 1054) throw error; // ER_BAD_FIELD_ERROR: an older version has made the store
    return (await store.query(statusQuery('c.commit_time'))).rows;
  }
}

function countKept(store: Readable, max: number | undefined): ReturnType<typeof countDeadRows> {
  return max === undefined ? countDeadRows(store) : countDeadRowsUpTo(store, max);
}

/** None in a store that an older version has made. */
async function readRunsIfAny(store: Readable): Promise<readonly Run[]> {
  try {
    return await readOpenRuns(store);
  } catch (error) {
    if (errnoOf(error) === 1146) return [];
    throw error;
  }
}

type RecordedStatus = Omit<
  FlowStatus,
  keyof RecordedFigures | 'deadRows' | 'waitingRows' | 'parkedRows' | 'skippedRows' | 'tableStatements' | 'runs' | 'verify'
>;

/** Of a flow that does not run, only what time alone changes still stands: how fresh it is, and when its binlog is purged. */
function ofNow(figures: RecordedFigures, { state, isSilent }: Pick<FlowStatus, 'state' | 'isSilent'>): RecordedFigures {
  if ((state === 'running' || state === 'retrying') && !isSilent) return figures;
  const { freshMs, purgeMs, purgeMsMax } = figures;
  return { ...unknownFigures, freshMs, purgeMs, purgeMsMax };
}

function statusOf(flow: string, spec: FlowSpec | undefined, row: Row | undefined): RecordedStatus {
  const isHeld = Number(row?.['is_held'] ?? 0) === 1;
  const isSilent = Number(row?.['is_silent'] ?? 0) === 1;
  const code = textOrNull(row?.['error_code']);
  return {
    flow,
    state: shownState(spec, row, isHeld || isSilent),
    wanted: row === undefined ? null : row['wanted'] === 'pause' ? 'pause' : 'run',
    holder: textOrNull(row?.['holder']) || null,
    isHeld,
    isSilent,
    position: textOrNull(row?.['position']),
    rowsTotal: numberOrNull(row?.['rows_total']),
    lastChange: isoOrNull(row?.['changed_time']),
    lastChangeAgeMs: ageOrNull(row?.['age']),
    error: code === null ? null : { code, message: textOrNull(row?.['error_text']) ?? '' },
    isConfigured: spec !== undefined,
    isEnabled: spec?.status === 1,
  };
}

function shownState(spec: FlowSpec | undefined, row: Row | undefined, isThere: boolean): ShownState {
  if (row === undefined) {
    if (spec?.status === 0) return 'disabled';
    return spec?.source === undefined ? 'no source' : 'never run';
  }
  const reported = flowStates.find((state) => state === row['state']) ?? 'stopped';
  if (isThere) return reported;
  if (spec?.status === 0) return 'disabled';
  return reported === 'failed' || reported === 'paused' ? reported : 'stopped';
}

/** `file:offset`, and the rows done of a huge transaction; the GTID set is for machines. */
export function shortPosition(text: string | null): string {
  if (text === null) return '-';
  const position = parsePosition(text);
  if (position === undefined) return text;
  return `${position.file}:${position.offset}${position.rows === 0 ? '' : ` +${position.rows}`}`;
}

/** `host:process` of a holder; the random part behind it tells two daemons apart and nobody reads it. */
export function shortHolder(status: Pick<FlowStatus, 'holder' | 'isHeld'> & { readonly isSilent?: boolean }): string {
  if (status.holder === null) return '-';
  const name = status.holder.replace(/:[0-9a-f]{8}$/, '');
  if (status.isSilent === true) return `${name} (silent)`;
  return status.isHeld ? name : `${name} (gone)`;
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

function numberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** The clocks of source and store may differ by a little: nothing happened in the future. */
function ageOrNull(microseconds: unknown): number | null {
  const value = numberOrNull(microseconds);
  return value === null ? null : Math.max(0, value / 1000);
}
