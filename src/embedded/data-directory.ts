import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startGuarded } from './guarded-process.ts';
import { LocalServer, tail } from './local-server.ts';
import { ServerError } from './server-error.ts';
import { serversFolder, type ServerProgram } from './server-program.ts';
import type { ServerSettings, SqlFlavour } from './server.ts';
import { isOurServer, SQL_PASSWORD, SQL_USER } from './sql-login.ts';
import { programArgs, servingArgs, settingArgs } from './sql-settings.ts';

const run = promisify(execFile);

/** In this order; older versions say mysql_, newer ones mariadb_. */
const MARIADB_BOOTSTRAP = [
  /^(mysql|mariadb)_system_tables\.sql$/,
  /^(mysql|mariadb)_performance_tables\.sql$/,
  /^(mysql|mariadb)_system_tables_data\.sql$/,
  /^maria_add_gis_sp_bootstrap\.sql$/,
];

interface DataRequest {
  readonly program: ServerProgram;
  readonly flavour: SqlFlavour;
  readonly initial: ServerSettings;
}

/**
 * To initialise a data directory takes seconds; to copy one, a fraction of that. So one is prepared for each
 * flavour, version and initial settings, once for the user, and every server starts from a copy. Returns its folder.
 */
export async function preparedData(request: DataRequest): Promise<string> {
  const { program, flavour, initial } = request;
  const folder = join(serversFolder(), 'data');
  const prepared = join(folder, `${flavour}-${program.version}${suffix(initial)}`);
  if (!(await exists(prepared))) await prepare(request, folder, prepared);
  return prepared;
}

/** Copies prepared data into a folder, unless that holds a server's data already. */
export async function fillDataDir(dataDir: string, prepared: string): Promise<void> {
  if (await exists(join(dataDir, 'ibdata1'))) return;
  await cp(prepared, dataDir, { recursive: true, mode: constants.COPYFILE_FICLONE });
}

function suffix(initial: ServerSettings): string {
  if (Object.keys(initial).length === 0) return '';
  return `-${createHash('sha256').update(JSON.stringify(initial)).digest('hex').slice(0, 8)}`;
}

/** Makes it under another name and renames it: what has the right name is whole, whoever else makes it meanwhile. */
async function prepare(request: DataRequest, folder: string, prepared: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const making = await mkdtemp(join(folder, `.making-${request.flavour}-`));
  try {
    const dataDir = join(making, 'data');
    await initialise({ ...request, making, dataDir });
    await createAccount({ ...request, making, dataDir });
    for (const name of await readdir(dataDir)) {
      // auto.cnf holds MySQL's server_uuid: each copy must get its own, or two servers would make the same GTIDs.
      if (/^(auto\.cnf|server\.\w+|.*\.pid|aria_log_control\.bak)$/.test(name)) await rm(join(dataDir, name));
    }
    await rename(dataDir, prepared);
  } catch (error) {
    if (!(await exists(prepared))) throw error; // else another process was quicker, and its copy is as good
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

interface Preparation extends DataRequest {
  readonly making: string;
  readonly dataDir: string;
}

async function initialise({ program, flavour, initial, making, dataDir }: Preparation): Promise<void> {
  const logFile = join(making, 'initialise.log');
  const inputFile = flavour === 'mariadb' ? await mariadbBootstrap(program, making) : undefined;
  await mkdir(dataDir);
  const guarded = await startGuarded({
    command: program.command,
    args: [
      ...programArgs(program, dataDir),
      ...settingArgs(flavour, { log_bin: flavour === 'mysql' ? 'binlog' : null, ...initial }),
      ...(flavour === 'mysql' ? ['--initialize-insecure'] : ['--bootstrap', '--net-buffer-length=16K']),
    ],
    cwd: making,
    logFile,
    ...(inputFile === undefined ? {} : { inputFile }),
    removeDir: making,
  });
  const code = await guarded.untilExit();
  await guarded.release({ keep: true });
  if (code === 0) return;
  const log = tail(await readFile(logFile, 'utf8'));
  throw new ServerError('SERVER_FAILED', `could not initialise a ${flavour} data directory (code ${code}):\n${log}`);
}

/**
 * The SQL that mariadb-install-db would feed to the server. The script itself needs my_print_defaults, which Debian
 * has in another package; the server's own package holds the SQL.
 */
async function mariadbBootstrap(program: ServerProgram, making: string): Promise<string> {
  const help = await run(program.command, [...program.args, '--no-defaults', '--verbose', '--help']);
  const charsets = /^character-sets-dir\s+(\/\S+)/m.exec(help.stdout)?.[1];
  if (charsets === undefined) throw new ServerError('SERVER_FAILED', `${program.command} does not say where its files are`);
  const folder = join(charsets, '..');
  const names = await readdir(folder);
  const parts = ['CREATE DATABASE mysql;', 'USE mysql;', 'SET @auth_root_socket=NULL;'];
  for (const part of MARIADB_BOOTSTRAP) {
    const name = names.find((entry) => part.test(entry));
    if (name === undefined) throw new ServerError('SERVER_FAILED', `${folder} holds no ${part.source}: is MariaDB whole?`);
    parts.push(await readFile(join(folder, name), 'utf8'));
  }
  const file = join(making, 'bootstrap.sql');
  // Its lines with the host's name would make accounts for a name that no private server resolves.
  const lines = parts.join('\n').split('\n');
  await writeFile(file, lines.filter((line) => !line.includes('@current_hostname')).join('\n'));
  return file;
}

/** Runs the new server once, for its account and for the files that a first start makes. Ends it in order. */
async function createAccount({ program, flavour, initial, making, dataDir }: Preparation): Promise<void> {
  const account = `'${SQL_USER}'@'127.0.0.1'`;
  const initFile = join(making, 'account.sql');
  await writeFile(
    initFile,
    `CREATE USER ${account} IDENTIFIED BY '${SQL_PASSWORD}';\nGRANT ALL PRIVILEGES ON *.* TO ${account} WITH GRANT OPTION;\n`,
  );
  const server = await LocalServer.start({
    name: `${flavour} ${program.version}`,
    dataDir,
    fill: async () => undefined,
    isTemporary: false,
    settings: { ...initial, ...(flavour === 'mysql' ? { log_bin: null, mysqlx: 'OFF' } : {}) },
    commandLine: (port, settings) => ({
      command: program.command,
      args: [
        ...programArgs(program, dataDir),
        ...servingArgs(flavour, port),
        ...settingArgs(flavour, settings),
        `--init-file=${initFile}`,
      ],
    }),
    isReady: (port) => isOurServer(port, dataDir),
  });
  await server.stop();
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
