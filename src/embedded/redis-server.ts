import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDockerRedis } from './docker-server.ts';
import { serverNotFound } from './find-server.ts';
import { LocalServer } from './local-server.ts';
import { askRedis } from './redis-login.ts';
import { findProgram, type ServerProgram } from './server-program.ts';
import type { RedisServer, ServerSettings, StartOptions } from './server.ts';
import { sharedRedis } from './shared-server.ts';

const PASSWORD = 'kisflow';

/** `appendonly`: a killed and restarted Redis has what it had. */
const DEFAULTS: ServerSettings = { appendonly: 'yes', save: '', maxmemory_policy: 'noeviction' };

/** Starts a private Redis, found in the same order and ended in the same way as a SQL server (sql-server.ts). */
export async function startRedis(options: StartOptions = {}): Promise<RedisServer> {
  const { settings = {}, shared = false } = options;
  if (shared && Object.keys(settings).length === 0) {
    const server = await sharedRedis();
    if (server !== undefined) return server;
  }
  const program = await findProgram('redis');
  if (program !== undefined) return startLocal(program, options);
  const server = await startDockerRedis({ ...options, args: settingArgs, password: PASSWORD });
  if (server !== undefined) return server;
  throw serverNotFound(['redis']);
}

function settingArgs(asked: ServerSettings): readonly string[] {
  const settings: Record<string, string | number | null> = { ...DEFAULTS };
  for (const [name, value] of Object.entries(asked)) settings[name.replaceAll('-', '_')] = value;
  return Object.entries(settings).flatMap(([name, value]) =>
    value === null ? [] : [`--${name.replaceAll('_', '-')}`, String(value)],
  );
}

async function startLocal(program: ServerProgram, options: StartOptions): Promise<RedisServer> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'kisflow-redis-')));
  const serving = ['--bind', '127.0.0.1', '--dir', dataDir, '--requirepass', PASSWORD, '--daemonize', 'no'];
  const local = await LocalServer.start(
    {
      name: `Redis ${program.version}`,
      dataDir,
      fill: async (folder) => void (await mkdir(folder, { recursive: true })),
      isTemporary: options.dataDir === undefined,
      ...(options.port === undefined ? {} : { port: options.port }),
      settings: options.settings ?? {},
      commandLine: (port, settings) => ({
        command: program.command,
        args: [...program.args, '--port', String(port), ...serving, ...settingArgs(settings)],
      }),
      isReady: (port, pid) => isOurRedis(port, pid),
    },
    options.signal,
  );
  return {
    kind: 'redis',
    version: program.version,
    host: '127.0.0.1',
    port: local.port,
    user: '',
    password: PASSWORD,
    url: `redis://:${PASSWORD}@127.0.0.1:${local.port}`,
    get pid() {
      return local.pid;
    },
    dataDir,
    stop: () => local.stop(),
    kill: () => local.kill(),
    restart: (changes) => local.restart(changes),
    pauseProcess: () => local.pause(),
    resumeProcess: async () => local.resume(),
  };
}

async function isOurRedis(port: number, pid: number): Promise<boolean> {
  try {
    return (await askRedis({ host: '127.0.0.1', port, password: PASSWORD })).processId === pid;
  } catch {
    return false; // not up yet, or another server: its process tells when it has failed
  }
}
