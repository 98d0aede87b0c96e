import type { StoreConnection } from './connection.ts';
import type { Flavour, StoreResult, StoreTransaction } from './contract.ts';

/** What a connection's transactions know about their server. */
export interface StoreFacts {
  readonly flavour: Flavour;
  readonly database: string;
  readonly maxPacketBytes: number;
}

/**
 * A dedicated connection on which one flow's batches commit one after another. There is no BEGIN: autocommit is off, so the
 * first statement after a commit opens the next transaction, and a batch costs its statements and one COMMIT.
 *
 * Any statement may break the session (its server is gone, or missed the deadline): then `isBroken` is true, nothing of the
 * open transaction was kept, and the owner opens a new session. A rejected `commit` on a broken session leaves unknown
 * whether the server committed; the checkpoint tells.
 */
export interface StoreSession extends StoreTransaction {
  /** The server's number of this connection: what KILL takes. */
  readonly threadId: number;
  readonly isBroken: boolean;
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Says good-bye to the server; an open transaction is rolled back. Never rejects. */
  close(): Promise<void>;
  /** Drops the connection at once; statements in flight reject with STORE_UNREACHABLE. */
  destroy(): void;
}

/** Makes a session of a connection that was opened with autocommit off, and owns it from then on. */
export function makeSession(connection: StoreConnection, facts: StoreFacts, onEnd: (session: StoreSession) => void): StoreSession {
  const session: StoreSession = {
    ...facts,
    get threadId() {
      return connection.threadId;
    },
    get isBroken() {
      return connection.isBroken;
    },
    query: (sql, params) => connection.query(sql, params),
    async commit() {
      await connection.query('COMMIT');
    },
    async rollback() {
      await connection.query('ROLLBACK');
    },
    async close() {
      await connection.close();
      onEnd(session);
    },
    destroy() {
      connection.destroy();
      onEnd(session);
    },
  };
  return session;
}
