import type { RowDataPacket } from 'mysql2/promise';
import type { SqlFlavour, SqlServer } from '../../../src/embedded/server.ts';
import { connectTo, startPrivateServer } from '../servers.ts';
import { waitFor } from '../wait-for.ts';

export interface Replicated {
  readonly primary: SqlServer;
  readonly replica: SqlServer;
}

/** Two servers of which the second follows the first by GTID, and writes what it follows into its own binlog. */
export async function startReplicated(flavour: SqlFlavour): Promise<Replicated> {
  const own = flavour === 'mysql' ? {} : { log_slave_updates: 'ON' };
  const [primary, replica] = await Promise.all([
    startPrivateServer(flavour, { server_id: 101, ...own }),
    startPrivateServer(flavour, { server_id: 102, ...own }),
  ]);
  const login = (word: string) =>
    `${word}_HOST = '${primary.host}', ${word}_PORT = ${primary.port}, ${word}_USER = '${primary.user}', ${word}_PASSWORD = '${primary.password}'`;
  const connection = await connectTo(replica);
  await connection.query(
    flavour === 'mysql'
      ? `CHANGE REPLICATION SOURCE TO ${login('SOURCE')}, SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1`
      : `CHANGE MASTER TO ${login('MASTER')}, MASTER_USE_GTID = slave_pos`,
  );
  await connection.query(flavour === 'mysql' ? 'START REPLICA' : 'START SLAVE');
  return { primary, replica };
}

/** The replica takes in no more of what the primary writes. */
export async function stopReplica({ replica }: Replicated): Promise<void> {
  const connection = await connectTo(replica);
  await connection.query(replica.flavour === 'mysql' ? 'STOP REPLICA' : 'STOP SLAVE');
}

/** Waits until the replica has all that the primary has; nothing may write meanwhile. */
export async function untilReplicated({ primary, replica }: Replicated): Promise<void> {
  const isMysql = primary.flavour === 'mysql';
  const have = isMysql ? '@@GLOBAL.gtid_executed' : '@@GLOBAL.gtid_binlog_pos';
  const [rows] = await (await connectTo(primary)).query<RowDataPacket[]>(`SELECT ${have} AS gtid`);
  const gtid = String(rows[0]?.['gtid']);
  const connection = await connectTo(replica);
  const sql = isMysql ? `SELECT GTID_SUBSET('${gtid}', ${have}) AS has` : `SELECT ${have} = '${gtid}' AS has`;
  await waitFor(async () => Number((await connection.query<RowDataPacket[]>(sql))[0][0]?.['has']) === 1, {
    deadlineMs: 60_000,
    what: 'the replica',
  });
}

/** The primary is gone for good, and the replica is written to from now on. */
export async function promoteReplica(servers: Replicated): Promise<void> {
  const { primary, replica } = servers;
  await primary.kill();
  await stopReplica(servers);
  const connection = await connectTo(replica);
  await connection.query(replica.flavour === 'mysql' ? 'RESET REPLICA ALL' : 'RESET SLAVE ALL');
}
