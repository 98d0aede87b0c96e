import { CodedError } from '../lib/error.ts';
import type { StoreTransaction } from './contract.ts';
import type { Store } from './open.ts';
import { Presence, type PresenceOptions } from './presence.ts';

/** How long a holder's lock must have been free: longer than a daemon needs to make a lost connection anew. */
const silenceMs = 1900;

/**
 * The right to write a flow's results: one holder at a time (L6).
 *
 * A lease is a row of kis_lease with a holder, an epoch and an expiry by the store's clock. Taking it raises the epoch, there
 * and in kis_checkpoint, in one transaction; every later checkpoint update names its epoch, so the holder before changes
 * nothing any more, however late it wakes. Before the new epoch is written the old holder's connection is ended, so that a
 * stopped process which still holds the checkpoint's row lock cannot delay its successor.
 *
 * A lease also ends early: each daemon keeps a named lock on a connection of its own (GET_LOCK), which the server releases the
 * moment the process is gone. A holder whose lock stays free for two seconds is dead, and need not be waited for. (Not on
 * a Galera cluster, whose nodes do not share such locks: there the expiry decides.)
 */
export interface Lease {
  readonly flow: string;
  readonly epoch: number;
}

export interface LeaseKeeperOptions extends PresenceOptions {
  /** How long a lease outlives its last renewal. A standby takes over after at most this and one poll. */
  readonly ttlMs: number;
}

export class LeaseKeeper {
  readonly #store: Store;
  readonly #holder: string;
  readonly #ttlMs: number;
  /** Shows that this daemon is alive. */
  readonly presence: Presence;
  /** Flows whose holder's lock was free at the last look, and since when by performance.now(): a clock that is set kills nobody. */
  readonly #silent = new Map<string, { readonly holder: string; readonly since: number }>();

  constructor(options: LeaseKeeperOptions) {
    this.#store = options.store;
    this.#holder = options.holder;
    this.#ttlMs = options.ttlMs;
    this.presence = new Presence(options);
  }

  /** Whether another daemon holds the flow's lease now, and lives. */
  async isHeldByOther(flow: string): Promise<boolean> {
    const { rows } = await this.#store.query(
      `SELECT holder, IS_USED_LOCK(CONCAT('kis:', SHA2(holder, 224))) IS NULL AS is_silent FROM kis_lease
       WHERE flow = ? AND holder <> ? AND holder <> '' AND expires_at > UTC_TIMESTAMP(3)`,
      [flow, this.#holder],
    );
    const row = rows[0];
    if (row === undefined) return false;
    const holder = String(row.holder);
    if (Number(row.is_silent) !== 1) this.#silent.delete(flow);
    else if (this.#silent.get(flow)?.holder !== holder) this.#silent.set(flow, { holder, since: performance.now() });
    return !this.#isDead(flow, holder);
  }

  #isDead(flow: string, holder: string): boolean {
    const silent = this.#silent.get(flow);
    return this.presence.hasSharedLocks && silent?.holder === holder && performance.now() - silent.since >= silenceMs;
  }

  /** Takes the flow's lease for the session with this connection id; undefined while another daemon holds it. */
  async acquire(flow: string, connectionId: number): Promise<Lease | undefined> {
    await this.#store.query(
      'INSERT IGNORE INTO kis_lease (flow, holder, epoch, connection_id, expires_at, acquired_at) VALUES (?, ?, 0, 0, ?, ?)',
      [flow, '', '1970-01-02 00:00:00.000', '1970-01-02 00:00:00.000'],
    );
    return this.#store.transaction(async (transaction) => {
      const { rows } = await transaction.query(
        `SELECT holder, epoch, connection_id, expires_at > UTC_TIMESTAMP(3) AS is_held,
           TIMESTAMPDIFF(SECOND, acquired_at, UTC_TIMESTAMP(3)) AS age FROM kis_lease WHERE flow = ? FOR UPDATE`,
        [flow],
      );
      const row = rows[0];
      if (row === undefined) throw new CodedError('INTERNAL', `The lease row of flow ${flow} disappeared.`);
      if (Number(row.is_held) === 1 && row.holder !== this.#holder && !this.#isDead(flow, String(row.holder))) return undefined;
      this.#silent.delete(flow);
      const epoch = Number(row.epoch) + 1;
      const before = { id: Number(row.connection_id), ageSeconds: Number(row.age) };
      if (before.id > 0 && before.id !== connectionId && row.holder !== '') await endConnection(transaction, before, connectionId);
      await transaction.query(
        `UPDATE kis_lease SET holder = ?, epoch = ?, connection_id = ?, acquired_at = UTC_TIMESTAMP(3),
           expires_at = UTC_TIMESTAMP(3) + INTERVAL ? MICROSECOND WHERE flow = ?`,
        [this.#holder, epoch, connectionId, this.#ttlMs * 1000, flow],
      );
      await transaction.query('UPDATE kis_checkpoint SET epoch = ? WHERE flow = ?', [epoch, flow]);
      return { flow, epoch };
    });
  }

  /** Notes that the flow's session was opened anew. */
  async reconnect(lease: Lease, connectionId: number): Promise<void> {
    await this.#store.query(
      'UPDATE kis_lease SET connection_id = ?, acquired_at = UTC_TIMESTAMP(3) WHERE flow = ? AND holder = ? AND epoch = ?',
      [connectionId, lease.flow, this.#holder, lease.epoch],
    );
  }

  /** Lengthens every lease of this daemon; gives the flows it still holds, with their epochs. */
  async renew(): Promise<ReadonlyMap<string, number>> {
    await this.#store.query('UPDATE kis_lease SET expires_at = UTC_TIMESTAMP(3) + INTERVAL ? MICROSECOND WHERE holder = ?', [
      this.#ttlMs * 1000,
      this.#holder,
    ]);
    const { rows } = await this.#store.query('SELECT flow, epoch FROM kis_lease WHERE holder = ?', [this.#holder]);
    return new Map(rows.map((row) => [String(row.flow), Number(row.epoch)]));
  }

  /** Gives the flow's lease up, so that a standby takes over at its next poll. */
  async release(lease: Lease): Promise<void> {
    await this.#store.query(
      `UPDATE kis_lease SET holder = '', connection_id = 0, expires_at = UTC_TIMESTAMP(3)
       WHERE flow = ? AND holder = ? AND epoch = ?`,
      [lease.flow, this.#holder, lease.epoch],
    );
  }

  async close(): Promise<void> {
    await this.presence.close();
  }
}

/** The connection of the holder before, and for how long its number has stood in the lease. */
interface NotedConnection {
  readonly id: number;
  readonly ageSeconds: number;
}

/**
 * Ends a connection of the holder before; that it is gone already is the usual case. On the transaction's own connection: many flows may
 * be taken over at once, and must not wait for one another's.
 */
async function endConnection(transaction: StoreTransaction, before: NotedConnection, own: number): Promise<void> {
  if (!(await isStillIts(transaction, before, own))) return;
  await transaction.query(`KILL ${before.id}`).catch((error: unknown) => {
    if (error instanceof CodedError && error.class !== 'retry') return;
    throw error;
  });
}

/**
 * Whether the number still means that connection: a server that was started since counts its connections anew, another node of a cluster and
 * a proxy count their own. Then the one that has the number now may be anybody's. An account sees its own connections without a privilege.
 */
async function isStillIts(transaction: StoreTransaction, { id, ageSeconds }: NotedConnection, own: number): Promise<boolean> {
  const uptime = await transaction.query("SHOW GLOBAL STATUS LIKE 'Uptime'");
  if (ageSeconds > Number(uptime.rows[0]?.Value)) return false;
  const { rows } = await transaction.query(
    `SELECT ID AS id, USER AS user, DB AS db FROM information_schema.PROCESSLIST WHERE ID IN (${id}, ${own})`,
  );
  const [its, ours] = [id, own].map((number) => rows.find((row) => Number(row.id) === number));
  return its !== undefined && ours !== undefined && its.user === ours.user && its.db === ours.db;
}
