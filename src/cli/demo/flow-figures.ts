import type { Connection, RowDataPacket } from 'mysql2/promise';
import { formatCount } from '../table.ts';
import { DemoProblem } from './problem.ts';

/** What the store says about one flow. */
export interface FlowFigures {
  readonly flow: string;
  /** Source rows taken since the flow began. */
  readonly rowsTotal: number;
  readonly lagMs: number | undefined;
  /** Process id of the daemon that holds the flow; undefined when none does. */
  readonly pid: number | undefined;
  readonly error: string | undefined;
}

const sql = `
  SELECT c.flow, c.rows_total, g.lag_ms, f.state, f.error_code, f.error_text, IF(l.expires_at > UTC_TIMESTAMP(3), l.holder, '') AS holder
  FROM kisflow.kis_checkpoint c
  LEFT JOIN kisflow.kis_flow f ON f.flow = c.flow
  LEFT JOIN kisflow.kis_flow_figure g ON g.flow = c.flow
  LEFT JOIN kisflow.kis_lease l ON l.flow = c.flow
  ORDER BY c.flow`;

/** Reads the store's own tables; none while the daemon has not made them yet. */
export async function readFigures(connection: Connection): Promise<readonly FlowFigures[]> {
  const [tables] = await connection.query<RowDataPacket[]>("SHOW TABLES FROM kisflow LIKE 'kis\\_flow\\_figure'");
  if (tables.length === 0) return [];
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows.map((row) => ({
    flow: String(row['flow']),
    rowsTotal: Number(row['rows_total']),
    lagMs: row['lag_ms'] === null ? undefined : Number(row['lag_ms']),
    pid: pidOf(String(row['holder'])),
    error: row['state'] === 'failed' ? `${String(row['error_code'])}: ${String(row['error_text'])}` : undefined,
  }));
}

/** A holder is host:pid:random. */
function pidOf(holder: string): number | undefined {
  const pid = /^.*:(\d+):[^:]*$/.exec(holder)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** A flow that has stopped: the demo cannot end well. */
export function findFailure(figures: readonly FlowFigures[]): DemoProblem | undefined {
  const failed = figures.find((one) => one.error !== undefined);
  return failed === undefined ? undefined : new DemoProblem(`The flow ${failed.flow} failed. ${failed.error ?? ''}`);
}

/** `CalStuAvgScore: lag 4 ms, 3,210/s`, or what keeps the flow from running. */
export function formatFigures(
  figures: FlowFigures,
  since: {
    readonly rows: number;
    readonly seconds: number;
    readonly daemon: { readonly pid: number; readonly isRunning: boolean };
  },
): string {
  const { daemon } = since;
  if (!daemon.isRunning) return `${figures.flow}: no daemon`;
  if (figures.pid !== daemon.pid) return `${figures.flow}: taking over`;
  const lag = figures.lagMs === undefined ? 'lag ?' : `lag ${formatCount(figures.lagMs)} ms`;
  const rate = Math.max(0, figures.rowsTotal - since.rows) / Math.max(since.seconds, 0.001);
  return `${figures.flow}: ${lag}, ${formatCount(rate)}/s`;
}
