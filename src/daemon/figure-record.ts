import type { StoreResult } from '../store/contract.ts';
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

function valuesOf(flow: string, figures: FlowFigures): readonly unknown[] {
  const { lagMs, lagBytes, freshMs, headroom, queueBytes, reader, batchMs, rate } = figures;
  const within = headroom?.kind === 'within' ? headroom : undefined;
  return [
    flow,
    roundOrNull(lagMs),
    lagBytes ?? null,
    roundOrNull(freshMs, 1000),
    headroom?.kind === 'never' ? 1 : 0,
    roundOrNull(within?.ms, 1000),
    within?.expireMs ?? null,
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
