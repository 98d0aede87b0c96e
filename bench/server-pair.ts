import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { SqlFlavour, SqlServer } from '../src/embedded/server.ts';
import { ensureServers } from '../src/embedded/find-server.ts';
import { startSqlServer } from '../src/embedded/sql-server.ts';
import { connectTo } from './connect.ts';

/** A source and a store of one kind, each a private server, with a connection to each. */
export interface ServerPair {
  readonly source: SqlServer;
  readonly store: SqlServer;
  readonly sourceLink: Connection;
  readonly storeLink: Connection;
  stop(): Promise<void>;
}

/** Durability is each server's own default: what src/embedded sets is taken back. */
const ownDurability = { sync_binlog: null, innodb_flush_log_at_trx_commit: null };

/** Both as their makers ship them, but for the binlog that a source needs (MariaDB ships without one, so its store has none). */
export async function startPair(flavour: SqlFlavour): Promise<ServerPair> {
  await ensureServers([flavour]);
  const source = await startSqlServer({ flavour, settings: { ...ownDurability, server_id: 1 } });
  const binlog = flavour === 'mariadb' ? { log_bin: null } : {};
  const store = await startSqlServer({ flavour, settings: { ...ownDurability, ...binlog, server_id: 2 } });
  const sourceLink = await connectTo(source.url);
  const storeLink = await connectTo(store.url);
  return {
    source,
    store,
    sourceLink,
    storeLink,
    async stop() {
      sourceLink.destroy();
      storeLink.destroy();
      await source.stop();
      await store.stop();
    },
  };
}

const factNames = [
  'version',
  'log_bin',
  'sync_binlog',
  'innodb_flush_log_at_trx_commit',
  'innodb_buffer_pool_size',
  'innodb_doublewrite',
];

/** The settings that figures depend on, as the server says them. */
export async function serverFacts(link: Connection): Promise<Readonly<Record<string, unknown>>> {
  const [rows] = await link.query<RowDataPacket[]>(`SELECT ${factNames.map((name) => `@@${name} AS ${name}`).join(', ')}`);
  return { ...rows[0] };
}

/** The store's database, empty, and its binlog short: every run begins alike. */
export async function resetStore({ store, storeLink }: Pick<ServerPair, 'store' | 'storeLink'>): Promise<void> {
  await storeLink.query('DROP DATABASE IF EXISTS bench; CREATE DATABASE bench CHARACTER SET utf8mb4');
  if (store.flavour !== 'mysql') return;
  await storeLink.query('FLUSH BINARY LOGS');
  const [rows] = await storeLink.query<RowDataPacket[]>('SHOW BINARY LOGS');
  await storeLink.query('PURGE BINARY LOGS TO ?', [String(rows.at(-1)?.['Log_name'])]);
}
