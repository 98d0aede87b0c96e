import { readFile } from 'node:fs/promises';
import { ensureServers } from '../../embedded/find-server.ts';
import { findFreePort } from '../../embedded/free-port.ts';
import { ServerError } from '../../embedded/server-error.ts';
import { findProgram } from '../../embedded/server-program.ts';
import type { SqlFlavour, SqlServer } from '../../embedded/server.ts';
import { startSqlServer } from '../../embedded/sql-server.ts';
import { CodedError } from '../../lib/error.ts';
import { packageFile } from '../../lib/package-file.ts';
import { withConnection } from './live-changes.ts';

/** The demo's own files: configuration, functions, migrations, and the tables of the source. */
export const demoDir = packageFile('demo');
/** The program of this package, from the sources as from the build. */
export const mainFile = packageFile('dist/main.js');
/** The accounts of the source and the store, with the grants that kisflow asks for. */
const accountsFile = packageFile('scripts/docker/10-users.sql');

/** What the demo plays on: one private server that is source and store. */
export interface Stage {
  readonly server: SqlServer;
  /** What the flows' configuration reads. */
  readonly env: Readonly<Record<'KISFLOW_SOURCE_URL' | 'KISFLOW_STORE_URL' | 'KISFLOW_HTTP', string>>;
}

/** Starts the server and makes accounts and source tables. Rejects with SERVER_NOT_FOUND, or when the signal aborts the start. */
export async function startStage(options: {
  readonly flavour: SqlFlavour | undefined;
  readonly signal: AbortSignal;
}): Promise<Stage> {
  const server = await startServer(options);
  const { host, port, url } = server;
  try {
    for (const file of [accountsFile, `${demoDir}/source.sql`]) {
      const sql = await readFile(file, 'utf8');
      await withConnection(url, (connection) => connection.query(sql));
    }
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    server,
    env: {
      KISFLOW_SOURCE_URL: `mysql://kisflow_source:kisflow_source@${host}:${port}`,
      KISFLOW_STORE_URL: `mysql://kisflow_store:kisflow_store@${host}:${port}/kisflow`,
      KISFLOW_HTTP: `127.0.0.1:${await findFreePort()}`,
    },
  };
}

async function startServer({ flavour: asked, signal }: { readonly flavour: SqlFlavour | undefined; readonly signal: AbortSignal }) {
  const start = new AbortController();
  const onAbort = (): void => start.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const flavour = asked ?? (await findFlavour()) ?? 'mariadb';
    await ensureServers([flavour]);
    // The data lives for a minute: commits need not wait for the disk. The stage outlives the signal, so that its owner can end the
    // daemon before the server.
    const settings = { innodb_flush_log_at_trx_commit: 2, sync_binlog: 0 };
    return await startSqlServer({ flavour, settings, signal: start.signal });
  } catch (error) {
    if (error instanceof ServerError) throw new CodedError('SERVER_NOT_FOUND', error.message, { cause: error });
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The first of the two that this machine has. */
async function findFlavour(): Promise<SqlFlavour | undefined> {
  for (const flavour of ['mariadb', 'mysql'] as const) {
    if ((await findProgram(flavour)) !== undefined) return flavour;
  }
  return undefined;
}
