import type { Row } from '../row/change.ts';
import type { StoreResult } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';
import type { Headroom } from './binlog-distance.ts';
import type { FlowFigures } from './flow-figures.ts';

const ago = 'UTC_TIMESTAMP(3) - INTERVAL ? MICROSECOND';
const ahead = 'UTC_TIMESTAMP(3) + INTERVAL ? MICROSECOND';

/** Columns of kis_flow_figure, to the SQL of their values. */
const columns = {
  flow: '?',
  lag_ms: '?',
  lag_bytes: '?',
  fresh_at: ago,
  purge_at: `IF(? = 1, '9999-12-31', ${ahead})`,
  purge_ms_max: '?',
  queue_bytes: '?',
  reader: '?',
  reader_error: '?',
  batch_at: ago,
  rate: '?',
  updated_at: 'UTC_TIMESTAMP(3)',
} as const;

const names = Object.keys(columns);
const places = `(${Object.values(columns).join(', ')})`;
const updates = names.map((name) => `${name} = VALUES(${name})`).join(', ');

/** Writes the figures of flows that this daemon holds, in one statement: that the store takes it is what their freshness is proven by. */
export async function writeFigures(
  store: { query(sql: string, params: readonly unknown[]): Promise<StoreResult> },
  flows: ReadonlyMap<string, FlowFigures>,
): Promise<void> {
  if (flows.size === 0) return;
  const rows = [...flows].map(() => places).join(', ');
  const values = [...flows].flatMap(([flow, figures]) => valuesOf(flow, figures));
  await store.query(`INSERT INTO kis_flow_figure (${names.join(', ')}) VALUES ${rows} ON DUPLICATE KEY UPDATE ${updates}`, values);
}

const purge = ['purge_at', 'purge_ms_max'] as const;

/** Writes when the source may purge what flows need that do not run now. */
export async function writeHeadroom(
  store: { query(sql: string, params: readonly unknown[]): Promise<StoreResult> },
  flows: ReadonlyMap<string, Headroom>,
): Promise<void> {
  if (flows.size === 0) return;
  const row = `(?, ${purge.map((name) => columns[name]).join(', ')}, 0, 0, UTC_TIMESTAMP(3))`;
  await store.query(
    `INSERT INTO kis_flow_figure (flow, ${purge.join(', ')}, queue_bytes, rate, updated_at) VALUES ${[...flows].map(() => row).join(', ')}
     ON DUPLICATE KEY UPDATE ${purge.map((name) => `${name} = VALUES(${name})`).join(', ')}`,
    [...flows].flatMap(([flow, headroom]) => [flow, ...purgeValues(headroom)]),
  );
}

function purgeValues(headroom: Headroom | undefined): readonly unknown[] {
  const within = headroom?.kind === 'within' ? headroom : undefined;
  return [headroom?.kind === 'never' ? 1 : 0, roundOrNull(within?.ms, 1000), within?.expireMs ?? null];
}

function valuesOf(flow: string, figures: FlowFigures): readonly unknown[] {
  const { lagMs, lagBytes, freshMs, headroom, queueBytes, reader, batchMs, rate } = figures;
  return [
    flow,
    roundOrNull(lagMs),
    lagBytes ?? null,
    roundOrNull(freshMs, 1000),
    ...purgeValues(headroom),
    queueBytes,
    reader === undefined ? null : reader.isConnected ? 'connected' : 'not connected',
    reader?.lastError?.message ?? null,
    roundOrNull(batchMs, 1000),
    Math.round(rate * 10) / 10,
  ];
}

function roundOrNull(value: number | undefined, factor = 1): number | null {
  return value === undefined ? null : Math.round(value * factor);
}

/** Figures as a daemon last wrote them, with ages by the store's clock. Null: not known. */
export interface RecordedFigures {
  readonly lagMs: number | null;
  readonly lagBytes: number | null;
  readonly freshMs: number | null;
  /** How long until the source may purge what it needs next; `never`: it purges nothing by age. */
  readonly purgeMs: number | 'never' | null;
  /** How long the source keeps a finished binlog file. */
  readonly purgeMsMax: number | null;
  readonly queueBytes: number | null;
  readonly reader: 'connected' | 'not connected' | null;
  readonly readerError: string | null;
  /** For how long the oldest batch that is under way has been. */
  readonly batchMs: number | null;
  readonly rate: number | null;
}

export const unknownFigures: RecordedFigures = {
  lagMs: null,
  lagBytes: null,
  freshMs: null,
  purgeMs: null,
  purgeMsMax: null,
  queueBytes: null,
  reader: null,
  readerError: null,
  batchMs: null,
  rate: null,
};

const recorded = `
SELECT flow, lag_ms, lag_bytes, purge_ms_max, queue_bytes, reader, reader_error, rate, YEAR(purge_at) = 9999 AS is_kept,
  TIMESTAMPDIFF(MICROSECOND, fresh_at, UTC_TIMESTAMP(3)) AS fresh_us, TIMESTAMPDIFF(MICROSECOND, batch_at, UTC_TIMESTAMP(3)) AS batch_us,
  TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), IF(YEAR(purge_at) = 9999, NULL, purge_at)) AS purge_in
FROM kis_flow_figure`;

/** By flow; none where an older version has made the store. */
export async function readFigures(store: {
  query(sql: string): Promise<StoreResult>;
}): Promise<ReadonlyMap<string, RecordedFigures>> {
  const { rows } = await store.query(recorded).catch((error: unknown) => {
    if (errnoOf(error) === 1146) return { rows: [] };
    throw error;
  });
  return new Map(rows.map((row) => [String(row.flow), figuresOf(row)]));
}

function figuresOf(row: Row): RecordedFigures {
  const { reader, reader_error: readerError } = row;
  return {
    lagMs: numberOrNull(row.lag_ms),
    lagBytes: numberOrNull(row.lag_bytes),
    freshMs: microsecondsOrNull(row.fresh_us),
    purgeMs: Number(row.is_kept) === 1 ? 'never' : microsecondsOrNull(row.purge_in),
    purgeMsMax: numberOrNull(row.purge_ms_max),
    queueBytes: numberOrNull(row.queue_bytes),
    reader: reader === 'connected' || reader === 'not connected' ? reader : null,
    readerError: typeof readerError === 'string' ? readerError : null,
    batchMs: microsecondsOrNull(row.batch_us),
    rate: numberOrNull(row.rate),
  };
}

function numberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function microsecondsOrNull(value: unknown): number | null {
  const microseconds = numberOrNull(value);
  return microseconds === null ? null : Math.max(0, microseconds / 1000);
}
