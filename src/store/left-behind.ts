import { steadyNow } from '../lib/clock.ts';
import { CodedError } from '../lib/error.ts';
import type { StoreSession } from './session.ts';

/** A lost connection whose server may not know that it is. */
export interface LeftBehind {
  readonly threadId: number;
  /** By steadyNow(), or a moment later. */
  readonly openedAt: number;
}

/**
 * Ends a lost connection at its other end: where the link died without a word, the server keeps its transaction, with its locks, for hours.
 *
 * Numbers of connections begin anew with each server and each start of it. So it has to be the server of this identity, up for as long as the
 * connection was, and the number that of a connection of this account and database. Where a proxy numbers connections by itself, nothing is ended.
 */
export async function endLeftBehind(
  session: StoreSession,
  { threadId, openedAt, server }: LeftBehind & { readonly server: string },
): Promise<void> {
  const identity = session.flavour === 'mysql' ? '@@server_uuid' : "CONCAT('server_id:', @@server_id)";
  const { rows: status } = await session.query("SHOW GLOBAL STATUS LIKE 'Uptime'");
  const isSameStart = Number(status[0]?.Value ?? 0) * 1000 >= steadyNow() - openedAt;
  const { rows } = await session.query(
    `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE ID = ? AND DB = DATABASE()
     AND USER = SUBSTRING_INDEX(USER(), '@', 1) AND CONNECTION_ID() = ? AND ${identity} = ?`,
    [threadId, session.threadId, server],
  );
  await session.rollback();
  if (rows.length === 0 || !isSameStart) return;
  await session.query(`KILL ${threadId}`).catch((error: unknown) => {
    if (!(error instanceof CodedError) || error.class === 'retry') throw error; // else it has ended by itself
  });
}
