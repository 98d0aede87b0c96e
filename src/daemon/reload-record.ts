import type { CodedError } from '../lib/error.ts';
import type { StoreResult } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';
import { isoOrNull } from '../store/iso-time.ts';

interface Queryable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

/** What a daemon that is alive made of the changes of its project. */
export interface ReloadStatus {
  /** Host, process and start of the daemon. */
  readonly holder: string;
  /** The changes by command that it knows: see hashChanges. */
  readonly changesHash: string;
  /** Of the last change that took effect; null when none has since its start. ISO 8601. */
  readonly reloadedAt: string | null;
  /** The change that it refuses now; null when what runs is what is written. */
  readonly refused: { readonly at: string; readonly code: string; readonly message: string } | null;
}

/** One daemon's row of kis_reload. */
export class ReloadRecord {
  readonly #store: Queryable;
  readonly #holder: string;

  constructor(options: { readonly store: Queryable; readonly holder: string }) {
    this.#store = options.store;
    this.#holder = options.holder;
  }

  /** The daemon has started with these changes. Rows of daemons that are gone are taken away. */
  async begin(changesHash: string): Promise<void> {
    await this.#store.query("DELETE FROM kis_reload WHERE holder <> ? AND IS_FREE_LOCK(CONCAT('kis:', SHA2(holder, 224))) = 1", [
      this.#holder,
    ]);
    await this.#store.query('REPLACE INTO kis_reload (holder, changes_hash) VALUES (?, ?)', [this.#holder, changesHash]);
  }

  /** What is written runs; `isNew`: it has just begun to. */
  async accept(changesHash: string, isNew: boolean): Promise<void> {
    await this.#store.query(
      `INSERT INTO kis_reload (holder, changes_hash, reloaded_at) VALUES (?, ?, IF(?, UTC_TIMESTAMP(3), NULL))
       ON DUPLICATE KEY UPDATE changes_hash = VALUES(changes_hash), reloaded_at = COALESCE(VALUES(reloaded_at), reloaded_at),
         refused_at = NULL, refused_code = NULL, refused_text = NULL`,
      [this.#holder, changesHash, isNew ? 1 : 0],
    );
  }

  async refuse(changesHash: string, error: CodedError): Promise<void> {
    await this.#store.query(
      `INSERT INTO kis_reload (holder, changes_hash, refused_at, refused_code, refused_text) VALUES (?, ?, UTC_TIMESTAMP(3), ?, ?)
       ON DUPLICATE KEY UPDATE changes_hash = VALUES(changes_hash), refused_at = VALUES(refused_at),
         refused_code = VALUES(refused_code), refused_text = VALUES(refused_text)`,
      [this.#holder, changesHash, error.code, error.message],
    );
  }

  async end(): Promise<void> {
    await this.#store.query('DELETE FROM kis_reload WHERE holder = ?', [this.#holder]);
  }
}

/** What the daemons that are alive made of changes; none in a store that does not keep it yet. */
export async function readReloads(store: Queryable): Promise<readonly ReloadStatus[]> {
  try {
    const { rows } = await store.query(
      `SELECT holder, changes_hash, reloaded_at, refused_at, refused_code, refused_text FROM kis_reload
       WHERE IS_FREE_LOCK(CONCAT('kis:', SHA2(holder, 224))) = 0 ORDER BY holder`,
    );
    return rows.map((row) => ({
      holder: String(row['holder']),
      changesHash: String(row['changes_hash']),
      reloadedAt: isoOrNull(row['reloaded_at']),
      refused:
        typeof row['refused_at'] === 'string'
          ? { at: isoOrNull(row['refused_at']) ?? '', code: String(row['refused_code']), message: String(row['refused_text']) }
          : null,
    }));
  } catch (error) {
    if (errnoOf(error) === 1146) return [];
    throw error;
  }
}
