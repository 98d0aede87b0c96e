import { setTimeout as delay } from 'node:timers/promises';
import type * as TestcontainersModule from 'testcontainers';
import type { StartedTestContainer } from 'testcontainers';
import { findFreePort } from './free-port.ts';
import { askRedis } from './redis-login.ts';
import { ServerError } from './server-error.ts';
import type { RedisServer, ServerKind, ServerLife, ServerSettings, SqlFlavour, SqlServer, StartOptions } from './server.ts';
import { askSqlServer, SQL_PASSWORD } from './sql-login.ts';
import { settingArgs } from './sql-settings.ts';

/** Overridden by KISFLOW_MYSQL_IMAGE and so on, for places that reach no public registry. */
const IMAGES: Readonly<Record<ServerKind, string>> = { mysql: 'mysql:9.7', mariadb: 'mariadb:10.11', redis: 'redis:7' };
const READY_TIMEOUT_MS = 180_000;
const POLL_MS = 200;

type Testcontainers = typeof TestcontainersModule;

/** testcontainers, where it is installed and a Docker daemon answers. */
async function reachDocker(): Promise<Testcontainers | undefined> {
  try {
    const testcontainers = await import('testcontainers');
    await testcontainers.getContainerRuntimeClient();
    return testcontainers;
  } catch {
    return undefined; // no testcontainers (it is not a dependency of the installed package), or no Docker
  }
}

/** Whether a container can be started here. */
export async function hasDocker(): Promise<boolean> {
  return (await reachDocker()) !== undefined;
}

/** A SQL server in a container; undefined where no Docker answers. The container dies with this process (Ryuk). */
export async function startDockerSql(
  options: StartOptions & { readonly flavour: SqlFlavour; readonly settings: ServerSettings },
): Promise<SqlServer | undefined> {
  const { flavour, settings } = options;
  const environment = {
    MYSQL_ROOT_PASSWORD: SQL_PASSWORD,
    MYSQL_ROOT_HOST: '%',
    MARIADB_ROOT_PASSWORD: SQL_PASSWORD,
    MARIADB_ROOT_HOST: '%',
  };
  const started = await startContainer(options, {
    kind: flavour,
    inside: 3306,
    environment,
    command: ['--skip-name-resolve', ...settingArgs(flavour, settings)],
  });
  if (started === undefined) return undefined;
  const login = { host: started.host, port: started.port, user: 'root', password: SQL_PASSWORD };
  const { version } = await untilReady(() => askSqlServer(login), options.signal);
  const url = `mysql://root:${SQL_PASSWORD}@${login.host}:${login.port}`;
  return { kind: flavour, flavour, version, ...login, url, ...containerLife(started, () => askSqlServer(login)) };
}

/** The same for Redis. */
export async function startDockerRedis(
  options: StartOptions & { readonly args: readonly string[]; readonly password: string },
): Promise<RedisServer | undefined> {
  const { args, password } = options;
  const command = ['redis-server', '--requirepass', password, ...args];
  const started = await startContainer(options, { kind: 'redis', inside: 6379, environment: {}, command });
  if (started === undefined) return undefined;
  const login = { host: started.host, port: started.port, user: '', password };
  const { version } = await untilReady(() => askRedis(login), options.signal);
  const url = `redis://:${password}@${login.host}:${login.port}`;
  return { kind: 'redis', version, ...login, url, ...containerLife(started, () => askRedis(login)) };
}

interface StartedServer {
  readonly container: StartedTestContainer;
  readonly testcontainers: Testcontainers;
  readonly host: string;
  readonly port: number;
}

async function startContainer(
  { port: askedPort, dataDir }: StartOptions,
  image: { kind: ServerKind; inside: number; environment: Record<string, string>; command: readonly string[] },
): Promise<StartedServer | undefined> {
  const testcontainers = await reachDocker();
  if (testcontainers === undefined) return undefined;
  if (dataDir !== undefined) {
    throw new ServerError('SERVER_FAILED', `a ${image.kind} in a container keeps no data in ${dataDir}: install it`);
  }
  // A fixed port of the host: a container that is restarted would get another otherwise.
  const port = askedPort ?? (await findFreePort());
  const name = process.env[`KISFLOW_${image.kind.toUpperCase()}_IMAGE`] ?? IMAGES[image.kind];
  const container = await new testcontainers.GenericContainer(name)
    .withEnvironment(image.environment)
    .withCommand([...image.command])
    .withExposedPorts({ container: image.inside, host: port })
    .start();
  return { container, testcontainers, host: container.getHost(), port };
}

function containerLife(started: StartedServer, ask: () => Promise<unknown>): ServerLife {
  const { container, testcontainers } = started;
  const handle = async () => (await testcontainers.getContainerRuntimeClient()).container.getById(container.getId());
  return {
    pid: undefined,
    dataDir: undefined,
    stop: async () => void (await container.stop({ remove: true, removeVolumes: true })),
    kill: async () => void (await (await handle()).kill()),
    async restart(changes = {}) {
      if (Object.keys(changes).length > 0) {
        throw new ServerError('SERVER_FAILED', 'a server in a container restarts with the settings that it has');
      }
      await (await handle()).restart();
      await untilReady(ask);
    },
    pauseProcess: async () => void (await (await handle()).pause()),
    resumeProcess: async () => void (await (await handle()).unpause()),
  };
}

async function untilReady<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      return await ask();
    } catch (cause) {
      if (Date.now() > deadline) throw new ServerError('SERVER_FAILED', 'the container does not answer', { cause });
    }
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}
