import { execFile } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { ServerKind } from './server.ts';

/** A server program of this machine, and how it is called. */
export interface ServerProgram {
  readonly kind: ServerKind;
  /** `9.7.0`: three numbers, so that versions sort and make good folder names. */
  readonly version: string;
  readonly command: string;
  /** Come before every other argument. */
  readonly args: readonly string[];
}

const run = promisify(execFile);

const NAMES: Readonly<Record<ServerKind, readonly string[]>> = {
  mysql: ['mysqld'],
  mariadb: ['mariadbd', 'mysqld'],
  redis: ['redis-server', 'valkey-server'],
};

/** The first versions that know what the settings in sql-server.ts ask for. */
const OLDEST: Readonly<Record<ServerKind, readonly [number, number, number]>> = {
  mysql: [8, 0, 14],
  mariadb: [10, 5, 0],
  redis: [6, 2, 0],
};

/** Folders where distributions keep servers, which are not on everyone's PATH. */
const USUAL_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/usr/libexec', '/usr/local/mysql/bin'];

/** Where scripts/install-servers.sh puts what it makes, and where prepared data directories are kept. */
export function serversFolder(): string {
  return process.env['KISFLOW_SERVERS_DIR'] ?? join(homedir(), '.cache', 'kisflow');
}

/** Whether KISFLOW_SERVERS=docker asks for containers, also where programs are. */
export function isDockerWanted(): boolean {
  return process.env['KISFLOW_SERVERS'] === 'docker';
}

/** The program for this kind of server on this machine: the installed folder first, then the PATH. */
export async function findProgram(kind: ServerKind): Promise<ServerProgram | undefined> {
  if (isDockerWanted()) return undefined;
  const candidates = kind === 'mysql' ? await ownMysql() : [];
  for (const folder of searchPath()) {
    for (const name of NAMES[kind]) candidates.push({ command: join(folder, name), args: [] });
  }
  for (const candidate of candidates) {
    const version = await askVersion(kind, candidate);
    if (version !== undefined) return { kind, version, ...candidate };
  }
  return undefined;
}

interface Candidate {
  readonly command: string;
  readonly args: readonly string[];
}

function searchPath(): readonly string[] {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...new Set([join(serversFolder(), 'bin'), ...path, ...USUAL_FOLDERS])];
}

/**
 * MySQL from a folder of its own (scripts/install-servers.sh): it was built against newer libraries than the
 * system's, so it runs with the loader and the libraries of its folder.
 */
async function ownMysql(): Promise<Candidate[]> {
  const root = serversFolder();
  const names = (await listFolder(root)).filter((name) => name.startsWith('mysql-'));
  const candidates: Candidate[] = [];
  for (const name of names) {
    const usr = join(root, name, 'usr');
    const loader = await findEntry(usr, /^lib/, /^ld-linux-.*\.so\.\d+$/);
    const library = (await listFolder(join(usr, 'lib'))).find((entry) => entry.includes('-linux-gnu'));
    if (loader === undefined || library === undefined) continue;
    const libraries = join(usr, 'lib', library);
    candidates.push({
      command: loader,
      args: [
        '--library-path',
        [libraries, join(libraries, 'mysql', 'private'), join(libraries, 'mysql')].join(':'),
        join(usr, 'sbin', 'mysqld'),
        '--no-defaults',
        `--basedir=${usr}`,
        `--lc-messages-dir=${join(usr, 'share', 'mysql')}`,
        `--plugin-dir=${join(usr, 'lib', 'mysql', 'plugin')}`,
      ],
    });
  }
  return candidates;
}

async function findEntry(folder: string, inner: RegExp, file: RegExp): Promise<string | undefined> {
  for (const name of await listFolder(folder)) {
    if (!inner.test(name)) continue;
    const found = (await listFolder(join(folder, name))).find((entry) => file.test(entry));
    if (found !== undefined) return join(folder, name, found);
  }
  return undefined;
}

async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    return []; // not there, or not ours to read: nothing to find in it
  }
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Its version when the file is such a server and new enough. A `mysqld` can be MariaDB: only the program knows. */
async function askVersion(kind: ServerKind, { command, args }: Candidate): Promise<string | undefined> {
  if (!(await isExecutable(command))) return undefined;
  let said: string;
  try {
    said = (await run(command, [...args, '--version'], { timeout: 10_000 })).stdout;
  } catch {
    return undefined; // does not run here (another architecture, a library missing): look on
  }
  if (kind !== 'redis' && /mariadb/i.test(said) !== (kind === 'mariadb')) return undefined;
  const numbers = /(?:Ver|v=)\s*(\d+)\.(\d+)\.(\d+)/.exec(said)?.slice(1).map(Number);
  if (numbers === undefined) return undefined;
  return isAtLeast(numbers, OLDEST[kind]) ? numbers.join('.') : undefined;
}

function isAtLeast(version: readonly number[], oldest: readonly number[]): boolean {
  for (const [index, least] of oldest.entries()) {
    const part = version[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}
