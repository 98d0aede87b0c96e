import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { SqlServer } from '../../../src/embedded/server.ts';
import { connectTo } from '../servers.ts';
import { waitFor } from '../wait-for.ts';

/** Faults of the source server itself. Each resolves when its fault is over. */
export interface SourceServerContext {
  readonly source: SqlServer;
}

/** Shut down in order, and started again. */
export async function restartSource({ source }: SourceServerContext): Promise<void> {
  await source.restart();
}

/** kill -9, and started again: it recovers. */
export async function killSource({ source }: SourceServerContext): Promise<void> {
  await source.kill();
  await source.restart();
}

/** Stands still for longer than its silence is taken for life, and goes on. */
export async function freezeSource({ source }: SourceServerContext, until: () => boolean | Promise<boolean>): Promise<void> {
  await source.pauseProcess();
  await waitFor(until, { deadlineMs: 60_000, what: 'what shows that the standstill was noticed' });
  await source.resumeProcess();
}

/** Every connection that receives the binlog is killed by the server. Gives how many there were. */
export async function killDumps(connection: Connection): Promise<number> {
  const [rows] = await connection.query<(RowDataPacket & { id: number })[]>(
    "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'",
  );
  // one that has ended by itself meanwhile is as good
  for (const { id } of rows) await connection.query(`KILL ${id}`).catch(() => undefined);
  return rows.length;
}

export async function killSourceDumps({ source }: SourceServerContext): Promise<void> {
  await killDumps(await connectTo(source));
}

/**
 * Purges all binlog files but the one in use. MariaDB puts that off while a file may still be needed for recovery, and both keep a file
 * that somebody reads: so it is asked again.
 */
export async function purgeSource({ source }: SourceServerContext): Promise<void> {
  const connection = await connectTo(source);
  await connection.query('FLUSH BINARY LOGS');
  await waitFor(
    async () => {
      const [files] = await connection.query<RowDataPacket[]>('SHOW BINARY LOGS');
      const last: unknown = files.at(-1)?.['Log_name'];
      if (files.length === 1) return true;
      await connection.query(`PURGE BINARY LOGS TO '${String(last)}'`);
      return false;
    },
    { deadlineMs: 30_000, pollMs: 100, what: 'the purge' },
  );
}
