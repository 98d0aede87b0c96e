import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { serverNotFound } from '../../src/embedded/find-server.ts';
import { findProgram } from '../../src/embedded/server-program.ts';
import { createFolder } from '../support/daemon-process.ts';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

let folder = '';

beforeEach(async () => {
  folder = await createFolder();
  vi.stubEnv('KISFLOW_SERVERS_DIR', join(folder, 'servers'));
  vi.stubEnv('PATH', folder);
  vi.stubEnv('KISFLOW_SERVERS', '');
});

afterEach(() => vi.unstubAllEnvs());

async function pretend(name: string, says: string): Promise<void> {
  await writeFile(join(folder, name), `#!/bin/sh\necho '${says}'\n`);
  await chmod(join(folder, name), 0o755);
}

test('a mysqld that is a MariaDB is taken for a MariaDB', async () => {
  await pretend('mysqld', 'mysqld  Ver 11.4.2-MariaDB for debian-linux-gnu on x86_64');
  expect((await findProgram('mysql'))?.command).not.toBe(join(folder, 'mysqld'));
  expect(await findProgram('mariadb')).toMatchObject({ command: join(folder, 'mysqld'), version: '11.4.2' });
});

test('a mysqld that is a MySQL is taken for a MySQL', async () => {
  await pretend('mysqld', '/usr/sbin/mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)');
  expect(await findProgram('mysql')).toMatchObject({ command: join(folder, 'mysqld'), version: '8.4.3' });
});

test('a server too old for the settings is not taken', async () => {
  await pretend('mysqld', 'mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))');
  expect((await findProgram('mysql'))?.command).not.toBe(join(folder, 'mysqld'));
});

test('KISFLOW_SERVERS=docker passes programs over', async () => {
  await pretend('mysqld', '/usr/sbin/mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)');
  vi.stubEnv('KISFLOW_SERVERS', 'docker');
  expect(await findProgram('mysql')).toBeUndefined();
});

test('a machine without a server is told in one message what to install', () => {
  const error = serverNotFound(['mysql', 'redis']);
  expect(error.code).toBe('SERVER_NOT_FOUND');
  expect(error.message).toContain('no mysql, no redis');
  expect(error.message).toContain('scripts/install-servers.sh mysql redis');
  expect(error.message).toContain('Docker');
});
