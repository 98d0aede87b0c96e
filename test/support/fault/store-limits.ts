import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createConnection, type Connection } from 'mysql2/promise';
import type { SqlAddress } from '../../../src/embedded/server.ts';
import { onEnd } from '../cleanup.ts';
import { killConnections, setGlobal, type EndFault } from './fault.ts';

const run = promisify(execFile);

/** read_only, and what binds administrators too where there is such a thing. */
export async function makeReadOnly(admin: Connection, { flavour }: SqlAddress): Promise<EndFault> {
  return setGlobal(admin, flavour === 'mysql' ? 'super_read_only' : 'read_only', 1).then((end) => async () => {
    await end();
    await admin.query('SET GLOBAL read_only = 0');
  });
}

/** Others take every connection that the server has, those of the database's users first. `account` is an ordinary one. */
export async function takeConnections(
  admin: Connection,
  place: { readonly server: SqlAddress; readonly database: string; readonly account: { user: string; password: string } },
): Promise<EndFault> {
  const { host, port } = place.server;
  const taken: Connection[] = [];
  const end = await setGlobal(admin, 'max_connections', 12);
  let refusals = 0;
  while (refusals < 20) {
    if ((await killConnections(admin, place.database)) > 0) refusals = 0;
    try {
      const connection = await createConnection({ host, port, ...place.account });
      connection.on('error', () => {});
      taken.push(connection);
    } catch {
      refusals += 1;
    }
  }
  return async () => {
    for (const connection of taken) connection.destroy();
    await end();
  };
}

/** The account may have one connection, which is less than it needs. */
export async function limitAccount(
  admin: Connection,
  place: { readonly database: string; readonly user: string },
): Promise<EndFault> {
  await admin.query(`ALTER USER '${place.user}'@'%' WITH MAX_USER_CONNECTIONS 1`);
  await killConnections(admin, place.database);
  return async () => void (await admin.query(`ALTER USER '${place.user}'@'%' WITH MAX_USER_CONNECTIONS 0`));
}

/** The server takes only small statements, of connections that are made from now on: those of the database are ended. */
export async function lowerPacket(
  admin: Connection,
  place: { readonly database: string; readonly bytes: number },
): Promise<EndFault> {
  const end = await setGlobal(admin, 'max_allowed_packet', place.bytes);
  await killConnections(admin, place.database);
  return async () => {
    await end();
    await killConnections(admin, place.database);
  };
}

/** Statements that write to this table fail with an error of the server's choosing, as a cluster's node says it. */
export async function refuseWrites(
  admin: Connection,
  { table, errno, message }: { readonly table: string; readonly errno: number; readonly message: string },
): Promise<EndFault> {
  for (const event of ['INSERT', 'UPDATE', 'DELETE'])
    await admin.query(
      `CREATE TRIGGER refuse_${event.toLowerCase()} BEFORE ${event} ON \`${table}\` FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${errno}, MESSAGE_TEXT = '${message}'`,
    );
  return async () => {
    for (const event of ['insert', 'update', 'delete']) await admin.query(`DROP TRIGGER refuse_${event}`);
  };
}

/** A file system of its own, small enough to be filled; undefined where this process may not mount one. Goes at the end of the test. */
export async function mountSmallDisk(megabytes: number): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'kisflow-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
  } catch {
    await rm(folder, { recursive: true });
    return undefined;
  }
  onEnd(async () => {
    await run('umount', ['--lazy', folder]);
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Leaves no byte on the file system that holds this folder. */
export async function fillDisk(folder: string): Promise<EndFault> {
  const path = join(folder, 'ballast');
  const file = await open(path, 'w');
  for (let size = 1024 * 1024; size >= 1024;) {
    const written = await file.write(Buffer.alloc(size, 1)).catch(() => ({ bytesWritten: 0 }));
    if (written.bytesWritten < size) size /= 2;
  }
  await file.close();
  return () => rm(path);
}
