import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDockerSql } from './docker-server.ts';
import { serverNotFound } from './find-server.ts';
import { LocalServer } from './local-server.ts';
import { findProgram, type ServerProgram } from './server-program.ts';
import type { ServerSettings, SqlFlavour, SqlServer, StartOptions } from './server.ts';
import { sharedSqlServer } from './shared-server.ts';
import { fillDataDir, preparedData } from './data-directory.ts';
import { askSqlServer, isOurServer, SQL_PASSWORD, SQL_USER } from './sql-login.ts';
import { initialSettings, programArgs, servingArgs, settingArgs, sqlSettings } from './sql-settings.ts';

/**
 * Starts a private MySQL or MariaDB with a row binlog and the caller's settings, and resolves when it answers.
 * It listens on 127.0.0.1 only and ends with this process, whatever ends this process.
 *
 * Taken in this order: the environment's URL (with `shared`, and no settings asked for), a program of this machine,
 * Docker. Rejects with a ServerError.
 */
export async function startSqlServer(options: StartOptions & { readonly flavour: SqlFlavour }): Promise<SqlServer> {
  const { flavour, settings = {}, shared = false } = options;
  if (shared && Object.keys(settings).length === 0) {
    const server = await sharedSqlServer(flavour);
    if (server !== undefined) return server;
  }
  const program = await findProgram(flavour);
  if (program !== undefined) return startLocal(program, options);
  const server = await startDockerSql(options);
  if (server !== undefined) return server;
  throw serverNotFound([flavour]);
}

async function startLocal(
  program: ServerProgram,
  { flavour, settings: asked = {}, dataDir: askedDir, port, signal }: StartOptions & { readonly flavour: SqlFlavour },
): Promise<SqlServer> {
  const settings = sqlSettings(flavour, asked);
  const source = await preparedData({ program, flavour, initial: initialSettings(settings) });
  const dataDir = askedDir ?? (await mkdtemp(join(tmpdir(), `kisflow-${flavour}-`)));
  const local = await LocalServer.start(
    {
      name: `${flavour} ${program.version}`,
      dataDir,
      fill: (folder) => fillDataDir(folder, source),
      isTemporary: askedDir === undefined,
      ...(port === undefined ? {} : { port }),
      settings,
      commandLine: (at, current: ServerSettings) => ({
        command: program.command,
        args: [
          ...programArgs(program, dataDir),
          ...servingArgs(flavour, at),
          ...settingArgs(flavour, sqlSettings(flavour, current)),
        ],
      }),
      isReady: (at) => isOurServer(at, dataDir),
    },
    signal,
  );
  const login = { host: '127.0.0.1', port: local.port, user: SQL_USER, password: SQL_PASSWORD };
  const { version } = await askSqlServer(login);
  return {
    kind: flavour,
    flavour,
    version,
    ...login,
    url: `mysql://${SQL_USER}:${SQL_PASSWORD}@127.0.0.1:${local.port}`,
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
