import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import { z } from 'zod';
import { onEnd } from '../support/cleanup.ts';
import { waitFor } from '../support/wait-for.ts';

const OWNER = fileURLToPath(new URL('fixture/owner.ts', import.meta.url));

const Owned = z.object({ kind: z.string(), pid: z.number(), dataDir: z.string() });

async function startOwner(kinds: readonly string[]) {
  const owner = spawn(process.execPath, ['--import', 'tsx', OWNER, ...kinds], { stdio: ['ignore', 'pipe', 'inherit'] });
  onEnd(async () => void owner.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: owner.stdout }), 'line');
  return { owner, servers: Owned.array().parse(JSON.parse(String(line))) };
}

/** Whether the process runs: one that has ended and waits to be collected does not. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync('/proc/self/stat') || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

const { mysql, mariadb, redis } = inject('servers');
const kinds = Object.entries({ mysql, mariadb, redis }).flatMap(([kind, address]) => (address ? [kind] : []));

test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  'servers whose owner gets a %s leave no process and no data',
  async (signal) => {
    const { owner, servers } = await startOwner(kinds);
    expect(servers.map(({ pid }) => isRunning(pid))).toEqual(kinds.map(() => true));
    expect(servers.map(({ dataDir }) => existsSync(dataDir))).toEqual(kinds.map(() => true));
    owner.kill(signal);
    await waitFor(() => servers.every(({ pid }) => !isRunning(pid)), { what: 'the end of the servers' });
    await waitFor(() => servers.every(({ dataDir }) => !existsSync(dataDir)), { what: 'their data to go' });
  },
);

test('a paused server goes with its owner too', async () => {
  const { owner, servers } = await startOwner(kinds.slice(0, 1));
  for (const { pid } of servers) process.kill(pid, 'SIGSTOP');
  owner.kill('SIGKILL');
  await waitFor(() => servers.every(({ pid, dataDir }) => !isRunning(pid) && !existsSync(dataDir)));
});

test('a server that died before its owner leaves no data either', async () => {
  const { owner, servers } = await startOwner(kinds.slice(0, 1));
  for (const { pid } of servers) process.kill(pid, 'SIGKILL');
  await waitFor(() => servers.every(({ pid }) => !isRunning(pid)));
  owner.kill('SIGKILL');
  await waitFor(() => servers.every(({ dataDir }) => !existsSync(dataDir)));
});
