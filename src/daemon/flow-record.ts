import type { CodedError } from '../lib/error.ts';
import type { Store } from '../store/open.ts';

/**
 * What a flow is doing, as `kisflow status` shows it.
 *
 *     standby ─► starting ─► running ◄─► retrying
 *        ▲                    │││└────► paused ─► starting
 *        └──── lease lost ────┘│└─────► failed ─► starting (by resume, or a restart)
 *                              └──────► rebuilding ─► starting (by its new tables), or failed
 */
export type FlowState = (typeof flowStates)[number];

export const flowStates = ['standby', 'starting', 'running', 'retrying', 'rebuilding', 'paused', 'failed', 'stopped'] as const;

/** What an operator wants of a flow, and whether its last failure still stands. */
export interface FlowWish {
  readonly isPaused: boolean;
  readonly hasError: boolean;
  readonly tablesHash: string;
  /** Whether an operator wants something of its dead rows. */
  readonly hasRowWishes: boolean;
  /** Whether a run of it waits to be taken up, or an operator wants something of one. */
  readonly hasRunWishes: boolean;
}

/** Of the flows, and whether there are wishes about their dead rows and their runs: one look into an index each. */
const wishesQuery = `
SELECT f.flow, f.wanted, f.error_code, f.tables_hash,
  EXISTS (SELECT 1 FROM kis_dead_row d WHERE d.flow = f.flow AND d.wish IS NOT NULL) AS has_row_wishes,
  EXISTS (SELECT 1 FROM kis_run r
    WHERE r.flow = f.flow AND r.state IN ('waiting', 'running', 'paused') AND (r.state = 'waiting' OR r.wish IS NOT NULL)) AS has_run_wishes
FROM kis_flow f`;

/** The flows' rows of kis_flow: written by the daemon that holds the flow, wishes written by commands on any host. */
export class FlowRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async wishes(): Promise<ReadonlyMap<string, FlowWish>> {
    const { rows } = await this.#store.query(wishesQuery);
    return new Map(
      rows.map((row) => [
        String(row.flow),
        {
          isPaused: row.wanted === 'pause',
          hasError: row.error_code !== null,
          tablesHash: String(row.tables_hash ?? ''),
          hasRowWishes: Number(row.has_row_wishes) === 1,
          hasRunWishes: Number(row.has_run_wishes) === 1,
        },
      ]),
    );
  }

  async setTables(flow: string, hash: string): Promise<void> {
    await this.#store.query(
      `INSERT INTO kis_flow (flow, wanted, state, tables_hash, updated_at) VALUES (?, 'run', 'starting', ?, UTC_TIMESTAMP(3))
       ON DUPLICATE KEY UPDATE tables_hash = ?`,
      [flow, hash, hash],
    );
  }

  /** Which version of the flow runs. */
  async setFingerprint(flow: string, fingerprint: string): Promise<void> {
    await this.#store.query('UPDATE kis_flow SET fingerprint = ? WHERE flow = ?', [fingerprint, flow]);
  }

  /** With which version its tables were begun. */
  async setBuiltFingerprint(flow: string, fingerprint: string): Promise<void> {
    await this.#store.query('UPDATE kis_flow SET built_fingerprint = ? WHERE flow = ?', [fingerprint, flow]);
  }

  async setState(flow: string, state: FlowState, error?: CodedError): Promise<void> {
    const code = error?.code ?? null;
    const text = error?.message ?? null;
    await this.#store.query(
      `INSERT INTO kis_flow (flow, wanted, state, error_code, error_text, updated_at) VALUES (?, 'run', ?, ?, ?, UTC_TIMESTAMP(3))
       ON DUPLICATE KEY UPDATE state = ?, error_code = ?, error_text = ?, updated_at = UTC_TIMESTAMP(3)`,
      [flow, state, code, text, state, code, text],
    );
  }

  /** Sets what an operator wants; `run` also clears a failure, so that the daemon tries again. False: no such flow. */
  async setWish(flow: string, wanted: 'run' | 'pause'): Promise<boolean> {
    const { rows } = await this.#store.query('SELECT flow FROM kis_flow WHERE flow = ?', [flow]);
    if (rows.length === 0) return false;
    if (wanted === 'pause') await this.#store.query("UPDATE kis_flow SET wanted = 'pause' WHERE flow = ?", [flow]);
    else await this.#store.query("UPDATE kis_flow SET wanted = 'run', error_code = NULL, error_text = NULL WHERE flow = ?", [flow]);
    return true;
  }
}
