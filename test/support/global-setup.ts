import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensureServers } from '../../src/embedded/find-server.ts';
import { startRedis } from '../../src/embedded/redis-server.ts';
import { ServerError } from '../../src/embedded/server-error.ts';
import { sharedUrlVariable } from '../../src/embedded/shared-server.ts';
import type {
  RedisServer,
  ServerAddress,
  ServerKind,
  ServerLife,
  SqlAddress,
  SqlFlavour,
  SqlServer,
} from '../../src/embedded/server.ts';
import { startSqlServer } from '../../src/embedded/sql-server.ts';

/** The run's shared servers, as far as this machine can have them. */
export interface SharedServers {
  readonly mysql?: SqlAddress;
  readonly mariadb?: SqlAddress;
  readonly redis?: ServerAddress;
}

declare module 'vitest' {
  interface ProvidedContext {
    servers: SharedServers;
  }
}

const KINDS: readonly ServerKind[] = ['mysql', 'mariadb', 'redis'];

/** The server_id of each shared server: private ones have 1 unless told, and a replica must differ from its source. */
const SHARED_SERVER_ID: Readonly<Record<SqlFlavour, number>> = { mysql: 9101, mariadb: 9102 };

/**
 * Starts one server of each kind for the whole run, and says at its end which kinds the tests ran on. A run without
 * any SQL server, or without both under KISFLOW_REQUIRE_BOTH=1 (.ci/run), fails: it never skips to green.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const transforms = await mkdtemp(join(tmpdir(), 'kisflow-transforms-'));
  process.env['KISFLOW_TEST_TRANSFORMS'] = transforms; // the test workers have it, and what they start
  const missing = await findMissing();
  const lifes: ServerLife[] = [];
  const servers: Record<string, ServerAddress> = {};
  for (const kind of KINDS) {
    if (missing.has(kind)) continue;
    const server =
      kind === 'redis'
        ? await startRedis({ shared: true })
        : await startSqlServer({ flavour: kind, shared: true, ...sharedSettings(kind) });
    lifes.push(server);
    servers[kind] = addressOf(server);
  }
  project.provide('servers', servers);
  return async () => {
    for (const life of lifes) await life.stop();
    await rm(transforms, { recursive: true, force: true });
    report(servers, missing);
  };
}

/** None when the environment names a server to share: that one is as it is. */
function sharedSettings(kind: SqlFlavour) {
  const named = process.env[sharedUrlVariable(kind)];
  return named === undefined ? { settings: { server_id: SHARED_SERVER_ID[kind] } } : {};
}

async function findMissing(): Promise<ReadonlyMap<ServerKind, ServerError>> {
  const missing = new Map<ServerKind, ServerError>();
  for (const kind of KINDS) {
    try {
      await ensureServers([kind]);
    } catch (error) {
      if (!(error instanceof ServerError) || error.code !== 'SERVER_NOT_FOUND') throw error;
      missing.set(kind, error);
    }
  }
  const [first] = missing.values();
  const isRefused = process.env['KISFLOW_REQUIRE_BOTH'] === '1' || (missing.has('mysql') && missing.has('mariadb'));
  if (first !== undefined && isRefused) throw first;
  return missing;
}

/** Plain data: it travels to the test workers. */
function addressOf(server: SqlServer | RedisServer): ServerAddress {
  const { kind, version, host, port, user, password, url } = server;
  return { kind, version, host, port, user, password, url, ...(kind === 'redis' ? {} : { flavour: kind }) };
}

function report(servers: Readonly<Record<string, ServerAddress>>, missing: ReadonlyMap<ServerKind, ServerError>): void {
  const covered = Object.values(servers).map(({ kind, version }) => `${kind} ${version}`);
  console.log(`\nTested on: ${covered.join(', ')}`);
  for (const [kind, error] of missing) console.log(`NOT covered: ${kind}. ${error.message}`);
}
