import { askRedis } from './redis-login.ts';
import { ServerError } from './server-error.ts';
import type { RedisServer, ServerKind, ServerLife, SqlFlavour, SqlServer } from './server.ts';
import { askSqlServer } from './sql-login.ts';

/** The variable that names a server of this kind for tests to share. */
export function sharedUrlVariable(kind: ServerKind): string {
  return `KISFLOW_TEST_${kind.toUpperCase()}_URL`;
}

/** The SQL server that the environment names; undefined when it names none. */
export async function sharedSqlServer(flavour: SqlFlavour): Promise<SqlServer | undefined> {
  const login = readUrl(flavour, 3306);
  if (login === undefined) return undefined;
  const { version } = await askSqlServer(login);
  const isMariadb = /mariadb/i.test(version);
  if (isMariadb !== (flavour === 'mariadb')) {
    throw new ServerError('SERVER_FAILED', `${sharedUrlVariable(flavour)} leads to ${version}, not to ${flavour}`);
  }
  return { kind: flavour, flavour, version, ...login, ...lifeOfAnother(flavour) };
}

/** The Redis that the environment names; undefined when it names none. */
export async function sharedRedis(): Promise<RedisServer | undefined> {
  const login = readUrl('redis', 6379);
  if (login === undefined) return undefined;
  const { version } = await askRedis(login);
  return { kind: 'redis', version, ...login, ...lifeOfAnother('redis') };
}

function readUrl(kind: ServerKind, defaultPort: number) {
  const text = process.env[sharedUrlVariable(kind)];
  if (text === undefined || text === '') return undefined;
  const url = new URL(text);
  return {
    host: url.hostname,
    port: url.port === '' ? defaultPort : Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    url: text,
  };
}

function lifeOfAnother(kind: ServerKind): ServerLife {
  const refuse = async (): Promise<never> => {
    throw new ServerError('SERVER_FAILED', `the ${kind} of ${sharedUrlVariable(kind)} is not ours to stop or change`);
  };
  return {
    pid: undefined,
    dataDir: undefined,
    stop: async () => undefined,
    kill: refuse,
    restart: refuse,
    pauseProcess: refuse,
    resumeProcess: refuse,
  };
}
