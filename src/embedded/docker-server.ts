import { ContainerServer, type ContainerSpec, type Docker } from './container-server.ts';
import { askRedis } from './redis-login.ts';
import { ServerError } from './server-error.ts';
import type { RedisServer, ServerKind, ServerLife, ServerSettings, SqlFlavour, SqlServer, StartOptions } from './server.ts';
import { askSqlServer, SQL_PASSWORD } from './sql-login.ts';
import { settingArgs, sqlSettings } from './sql-settings.ts';

/** Overridden by KISFLOW_MYSQL_IMAGE and so on, for places that reach no public registry. */
const IMAGES: Readonly<Record<ServerKind, string>> = { mysql: 'mysql:9.7', mariadb: 'mariadb:10.11', redis: 'redis:7' };

/**
 * The Docker that answers here, found by testcontainers where that is installed. Only its client is used: its containers
 * would need Ryuk, one more image, to end with their owner (container-reaper.ts).
 */
async function reachDocker(): Promise<Docker | undefined> {
  try {
    const { getContainerRuntimeClient, ImageName } = await import('testcontainers');
    return { client: await getContainerRuntimeClient(), imageName: (name) => ImageName.fromString(name) };
  } catch {
    return undefined; // no testcontainers (it is not a dependency of the installed package), or no Docker
  }
}

/** Whether a container can be started here. */
export async function hasDocker(): Promise<boolean> {
  return (await reachDocker()) !== undefined;
}

/** A SQL server in a container; undefined where no Docker answers. The container dies with this process. */
export async function startDockerSql(options: StartOptions & { readonly flavour: SqlFlavour }): Promise<SqlServer | undefined> {
  const { flavour, settings = {}, port } = options;
  const login = { user: 'root', password: SQL_PASSWORD };
  const server = await start(options, {
    ...imageOf(flavour, 3306),
    port,
    environment: {
      MYSQL_ROOT_PASSWORD: SQL_PASSWORD,
      MYSQL_ROOT_HOST: '%',
      MARIADB_ROOT_PASSWORD: SQL_PASSWORD,
      MARIADB_ROOT_HOST: '%',
    },
    settings,
    command: (current) => ['--skip-name-resolve', ...settingArgs(flavour, sqlSettings(flavour, current))],
    ask: async (host, at) => (await askSqlServer({ host, port: at, ...login })).version,
  });
  if (server === undefined) return undefined;
  const { host, version } = server;
  const url = `mysql://${login.user}:${login.password}@${host}:${server.port}`;
  return { kind: flavour, flavour, version, host, port: server.port, ...login, url, ...lifeOf(server) };
}

/** The same for Redis. */
export async function startDockerRedis(
  options: StartOptions & { readonly password: string; readonly args: (settings: ServerSettings) => readonly string[] },
): Promise<RedisServer | undefined> {
  const { args, password, settings = {}, port } = options;
  const server = await start(options, {
    ...imageOf('redis', 6379),
    port,
    environment: {},
    settings,
    command: (current) => ['redis-server', '--requirepass', password, ...args(current)],
    ask: async (host, at) => (await askRedis({ host, port: at, password })).version,
  });
  if (server === undefined) return undefined;
  const { host, version } = server;
  const url = `redis://:${password}@${host}:${server.port}`;
  return { kind: 'redis', version, host, port: server.port, user: '', password, url, ...lifeOf(server) };
}

function imageOf<K extends ServerKind>(kind: K, insidePort: number) {
  return { kind, insidePort, image: process.env[`KISFLOW_${kind.toUpperCase()}_IMAGE`] ?? IMAGES[kind] };
}

async function start({ dataDir, signal }: StartOptions, spec: ContainerSpec): Promise<ContainerServer | undefined> {
  const docker = await reachDocker();
  if (docker === undefined) return undefined;
  if (dataDir !== undefined) {
    throw new ServerError('SERVER_FAILED', `a ${spec.kind} in a container keeps no data in ${dataDir}: install it`);
  }
  return ContainerServer.start(docker, spec, signal);
}

function lifeOf(server: ContainerServer): ServerLife {
  return {
    pid: undefined,
    dataDir: undefined,
    stop: () => server.stop(),
    kill: () => server.kill(),
    restart: (changes) => server.restart(changes),
    pauseProcess: () => server.pause(),
    resumeProcess: () => server.resume(),
  };
}
