import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { packageFile } from '../lib/package-file.ts';
import { hasDocker } from './docker-server.ts';
import { ServerError } from './server-error.ts';
import { findProgram, isDockerWanted } from './server-program.ts';
import type { ServerKind } from './server.ts';

const SCRIPT = packageFile('scripts/install-servers.sh');

/**
 * Sees to it that private servers of these kinds can be started: finds a program, else installs it
 * (scripts/install-servers.sh, on Debian and Ubuntu), else finds Docker; Docker alone with KISFLOW_SERVERS=docker. Else rejects with one SERVER_NOT_FOUND that
 * says what to install. What the script says goes to stderr.
 */
export async function ensureServers(kinds: readonly ServerKind[]): Promise<void> {
  const missing = await withoutProgram(kinds);
  if (missing.length === 0) return;
  if (isDockerWanted()) {
    if (await hasDocker()) return;
    throw serverNotFound(missing, 'KISFLOW_SERVERS=docker, and no Docker answers');
  }
  const failure = (await isDebian()) ? await runScript(missing) : undefined;
  const stillMissing = await withoutProgram(missing);
  if (stillMissing.length === 0 || (await hasDocker())) return;
  throw serverNotFound(stillMissing, failure);
}

/** The one message of a machine that has no such server. */
export function serverNotFound(kinds: readonly ServerKind[], why?: string): ServerError {
  return new ServerError(
    'SERVER_NOT_FOUND',
    [
      `no ${kinds.join(', no ')} on this machine${why === undefined ? '' : ` (${why})`}. Install it in one of these ways:`,
      `  - on Debian or Ubuntu, as root or with sudo: ${SCRIPT} ${kinds.join(' ')}`,
      '  - any machine with Docker: start its daemon',
      '  - put on the PATH: mysqld (MySQL 8.0.14 or later), mariadbd (MariaDB 10.5 or later),',
      '    redis-server (Redis 6.2 or later)',
    ].join('\n'),
  );
}

async function withoutProgram(kinds: readonly ServerKind[]): Promise<readonly ServerKind[]> {
  const missing: ServerKind[] = [];
  for (const kind of kinds) {
    if ((await findProgram(kind)) === undefined) missing.push(kind);
  }
  return missing;
}

async function isDebian(): Promise<boolean> {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(await readFile('/etc/os-release', 'utf8'));
  } catch {
    return false; // no such file: another system
  }
}

/** Undefined when it went well, else what to say of it. */
async function runScript(kinds: readonly ServerKind[]): Promise<string | undefined> {
  const env = { ...process.env, KISFLOW_INSTALL_BRIEF: '1' };
  const script = spawn('/bin/sh', [SCRIPT, ...kinds], { env, stdio: ['inherit', 2, 2] });
  const [code] = await once(script, 'exit');
  return code === 0 ? undefined : `scripts/install-servers.sh failed with code ${code}`;
}
