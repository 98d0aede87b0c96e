import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { EndFault } from './fault.ts';

export interface LockedTable {
  readonly table: string;
  readonly key: string;
}

/**
 * Another session locks rows of a table a few at a time, in random order, again and again: whoever locks several of them, too,
 * runs into deadlocks. It writes to a table without transactions, so that the server lets the other one lose. `connection` is its own.
 */
export async function deadlockRows(connection: Connection, { table, key }: LockedTable): Promise<EndFault> {
  await connection.query('CREATE TABLE IF NOT EXISTS ballast (i INT) ENGINE = MyISAM');
  const over = new AbortController();
  const lockSome = async (): Promise<void> => {
    await connection.beginTransaction();
    await connection.query('INSERT INTO ballast VALUES (1)');
    const [rows] = await connection.query<(RowDataPacket & { k: number })[]>(
      `SELECT \`${key}\` AS k FROM \`${table}\` ORDER BY RAND() LIMIT 8`,
    );
    for (const { k } of rows) await connection.query(`SELECT * FROM \`${table}\` WHERE \`${key}\` = ? FOR UPDATE`, [k]);
  };
  const run = async (): Promise<void> => {
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    while (!over.signal.aborted) {
      await lockSome().catch(() => {}); // it lost this time
      await connection.rollback();
    }
    await connection.query('DROP TABLE ballast');
  };
  const running = run();
  running.catch(() => {}); // whoever ends it is told
  return async () => {
    over.abort();
    await running;
  };
}

/** A transaction that has locked all rows of a table, and does nothing. */
export async function holdRows(connection: Connection, { table }: Pick<LockedTable, 'table'>): Promise<EndFault> {
  const take = async (): Promise<boolean> => {
    await connection.beginTransaction();
    return connection.query(`SELECT * FROM \`${table}\` FOR UPDATE`).then(
      () => true,
      () => false, // a deadlock with those who write to it
    );
  };
  while (!(await take())) await connection.rollback();
  return () => connection.rollback();
}

/** LOCK TABLES … WRITE. */
export async function holdTable(connection: Connection, { table }: Pick<LockedTable, 'table'>): Promise<EndFault> {
  await connection.query(`LOCK TABLES \`${table}\` WRITE`);
  return async () => void (await connection.query('UNLOCK TABLES'));
}

/** An ALTER TABLE waits for a transaction that has read the table, and everyone else waits behind it. Two connections of their own. */
export async function holdDefinition(
  [reader, alterer]: readonly [Connection, Connection],
  { table }: Pick<LockedTable, 'table'>,
): Promise<EndFault> {
  await reader.beginTransaction();
  await reader.query(`SELECT * FROM \`${table}\` LIMIT 1`);
  const altering = alterer.query(`ALTER TABLE \`${table}\` COMMENT = 'altered'`);
  altering.catch(() => {}); // whoever ends it is told
  return async () => {
    await reader.rollback();
    await altering;
  };
}
