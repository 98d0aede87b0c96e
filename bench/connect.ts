import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';

/** A connection as the benchmark uses it: UTC, exact values, several statements at once. */
export async function connectTo(url: string): Promise<Connection> {
  const connection = await createConnection({ uri: url, timezone: 'Z', dateStrings: true, multipleStatements: true });
  await connection.query("SET time_zone = '+00:00'");
  return connection;
}

/** The answer's only row as text, to be compared. */
export async function askRow(connection: Connection, sql: string): Promise<string> {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return JSON.stringify(rows[0]);
}

/** The only value of an answer, as a number. */
export async function askNumber(connection: Connection, sql: string): Promise<number> {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return Number(Object.values(rows[0] ?? {})[0]);
}
