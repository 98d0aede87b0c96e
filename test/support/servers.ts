/**
 * What a test uses to get at real servers.
 *
 * `eachServer` declares a suite for MySQL and for MariaDB against the run's shared server of that kind (started by
 * global-setup.ts), in which tests make databases of their own with `createDatabase`. A test that needs other
 * settings, or kills its server, starts a private one with `startPrivateServer`. What a test makes here goes when the
 * test ends; what a beforeAll hook makes goes at the end of the file.
 */
import { randomBytes } from 'node:crypto';
import { createConnection, type Connection } from 'mysql2/promise';
import { describe, inject } from 'vitest';
import { startRedis } from '../../src/embedded/redis-server.ts';
import type {
  RedisServer,
  ServerAddress,
  ServerSettings,
  SqlAddress,
  SqlFlavour,
  SqlServer,
  StartOptions,
} from '../../src/embedded/server.ts';
import { startSqlServer } from '../../src/embedded/sql-server.ts';
import { onEnd } from './cleanup.ts';

export const FLAVOURS: readonly SqlFlavour[] = ['mysql', 'mariadb'];

/** The suite once for each SQL server. A server that this machine cannot have is skipped, and named at the run's end. */
export function eachServer(suite: (flavour: SqlFlavour, server: SqlAddress) => void): void {
  const servers = inject('servers');
  for (const flavour of FLAVOURS) {
    const server = servers[flavour];
    if (server === undefined) describe.skip(flavour, () => suite(flavour, unavailable(flavour)));
    else describe(flavour, () => suite(flavour, server));
  }
}

/** The suite with the run's shared Redis. */
export function withRedis(suite: (server: ServerAddress) => void): void {
  const { redis } = inject('servers');
  if (redis === undefined) describe.skip('redis', () => suite({ ...unavailable('mysql'), kind: 'redis' }));
  else describe('redis', () => suite(redis));
}

function unavailable(flavour: SqlFlavour): SqlAddress {
  const nowhere = { host: '127.0.0.1', port: 1, user: '', password: '', url: 'mysql://127.0.0.1:1' };
  return { kind: flavour, flavour, version: 'none', ...nowhere };
}

export interface TestDatabase {
  readonly name: string;
  /** The server's URL with the database in its path. */
  readonly url: string;
  readonly connection: Connection;
}

/** A schema of a name that no other test has, and a connection that uses it; both go at the end. */
export async function createDatabase(server: SqlAddress, prefix = 't'): Promise<TestDatabase> {
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  const { host, port, user, password, url } = server;
  const connection = await createConnection({ host, port, user, password, multipleStatements: true });
  onEnd(async () => {
    connection.destroy(); // its server may have been killed and started again since: say farewell on a new connection
    const last = await createConnection({ host, port, user, password }).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') return undefined; // killed by its test
      throw error;
    });
    if (last === undefined) return;
    await last.query(`DROP DATABASE IF EXISTS \`${name}\``);
    await last.end();
  });
  await connection.query(`CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4; USE \`${name}\``);
  return { name, url: `${url}/${name}`, connection };
}

/** A connection with the server's all-powerful account; closed at the end. */
export async function connectTo(server: SqlAddress, database?: string): Promise<Connection> {
  const connection = await createConnection(loginOf(server, database));
  onEnd(async () => connection.destroy()); // the server may be dead or paused by then: no farewell
  return connection;
}

function loginOf({ host, port, user, password }: SqlAddress, database: string | undefined) {
  return { host, port, user, password, ...(database === undefined ? {} : { database }) };
}

/** A quarter of what a MySQL costs to start; a test that asks it says that it is on. */
const leaner: Readonly<Record<SqlFlavour, ServerSettings>> = { mysql: { performance_schema: 'OFF' }, mariadb: {} };

/** A server of the test's own, with its settings; stopped at the end. */
export async function startPrivateServer(
  flavour: SqlFlavour,
  settings: ServerSettings = {},
  options: Omit<StartOptions, 'settings' | 'shared'> = {},
): Promise<SqlServer> {
  const server = await startSqlServer({ ...options, flavour, settings: { ...leaner[flavour], ...settings } });
  onEnd(() => server.stop());
  return server;
}

/** A Redis of the test's own; stopped at the end. */
export async function startPrivateRedis(options: Omit<StartOptions, 'shared'> = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  onEnd(() => server.stop());
  return server;
}
