import { realpath } from 'node:fs/promises';
import { createConnection, type RowDataPacket } from 'mysql2/promise';

/** The account of a private server: all privileges, from 127.0.0.1 only, where alone the server listens. */
export const SQL_USER = 'admin';
export const SQL_PASSWORD = 'kisflow';

const CONNECT_TIMEOUT_MS = 5_000;

/** What a SQL server says about itself, by a login. Rejects as mysql2 does. */
export async function askSqlServer(login: {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}): Promise<{ readonly version: string; readonly dataDir: string }> {
  const connection = await createConnection({ ...login, connectTimeout: CONNECT_TIMEOUT_MS });
  try {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT VERSION() AS version, @@datadir AS dataDir');
    return { version: String(rows[0]?.['version']), dataDir: String(rows[0]?.['dataDir']) };
  } finally {
    connection.destroy();
  }
}

/** Whether the server on this port takes our login and keeps its data in this folder. */
export async function isOurServer(port: number, dataDir: string): Promise<boolean> {
  try {
    const said = await askSqlServer({ host: '127.0.0.1', port, user: SQL_USER, password: SQL_PASSWORD });
    return (await realpath(said.dataDir)) === (await realpath(dataDir));
  } catch {
    return false; // not up yet, or another server: its process tells when it has failed
  }
}
