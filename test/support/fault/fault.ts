import type { Connection, RowDataPacket } from 'mysql2/promise';

/**
 * Faults as plain functions: each begins one and gives what ends it, so that tests and benches measure the same thing. They are told
 * which connection to do it with; an account that may do everything is meant.
 */
export type EndFault = () => Promise<void>;

/** Ends every connection to this database but this one. */
export async function killConnections(admin: Connection, database: string): Promise<number> {
  const ids = await connectionsTo(admin, database);
  for (const id of ids) await admin.query(`KILL ${id}`).catch(() => {}); // it may have ended by itself
  return ids.length;
}

/** Numbers of the connections that use this database, but for this one. */
export async function connectionsTo(admin: Connection, database: string): Promise<readonly number[]> {
  const [rows] = await admin.query<(RowDataPacket & { id: number })[]>(
    "SELECT id AS id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID() AND command <> 'Killed'",
    [database],
  );
  return rows.map(({ id }) => id);
}

/** Sets a global variable; gives what sets it back. */
export async function setGlobal(admin: Connection, name: string, value: number | string): Promise<EndFault> {
  const [rows] = await admin.query<(RowDataPacket & { value: number | string })[]>(`SELECT @@GLOBAL.${name} AS value`);
  await admin.query(`SET GLOBAL ${name} = ${value}`);
  return async () => void (await admin.query(`SET GLOBAL ${name} = ${rows[0]?.value ?? 'DEFAULT'}`));
}

/** One line for whoever compares: how long it took from the end of a fault until all was right again. */
export function tellRecovery(fault: string, flavour: string, seconds: number): void {
  console.log(`recovery: ${fault} ${flavour} ${seconds.toFixed(1)}`);
}
