import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import { z } from 'zod';
import { onEnd } from '../support/cleanup.ts';
import { waitFor } from '../support/wait-for.ts';

const OWNER = fileURLToPath(new URL('fixture/owner.ts', import.meta.url));

/** A server in a container is no process of this machine, and its data is not here: its port tells. */
const Owned = z.object({ kind: z.string(), port: z.number(), pid: z.number().optional(), dataDir: z.string().optional() });
type Owned = z.infer<typeof Owned>;

async function startOwner(kinds: readonly string[]) {
  const owner = spawn(process.execPath, ['--import', 'tsx', OWNER, ...kinds], { stdio: ['pipe', 'pipe', 'inherit'] });
  onEnd(async () => void owner.kill('SIGKILL'));
  const lines = createInterface({ input: owner.stdout });
  const [line] = await once(lines, 'line');
  const doToAll = async (word: 'pauseProcess' | 'kill') => {
    owner.stdin.write(`${word}\n`);
    await once(lines, 'line');
  };
  return { owner, servers: Owned.array().parse(JSON.parse(String(line))), doToAll };
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

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Neither a process nor data is left. */
async function isGone({ port, pid, dataDir }: Owned): Promise<boolean> {
  if (pid !== undefined && isRunning(pid)) return false;
  if (dataDir !== undefined && existsSync(dataDir)) return false;
  return !(await isListening(port));
}

async function untilGone(servers: readonly Owned[]): Promise<void> {
  for (const server of servers) {
    await waitFor(() => isGone(server), { deadlineMs: 30_000, what: `the end of ${JSON.stringify(server)}` });
  }
}

const { mysql, mariadb, redis } = inject('servers');
const kinds = Object.entries({ mysql, mariadb, redis }).flatMap(([kind, address]) => (address ? [kind] : []));

test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  'servers whose owner gets a %s leave no process and no data',
  async (signal) => {
    const { owner, servers } = await startOwner(kinds);
    expect(await Promise.all(servers.map(({ port }) => isListening(port)))).toEqual(kinds.map(() => true));
    expect(servers.map(({ pid }) => pid === undefined || isRunning(pid))).toEqual(kinds.map(() => true));
    expect(servers.map(({ dataDir }) => dataDir === undefined || existsSync(dataDir))).toEqual(kinds.map(() => true));
    owner.kill(signal);
    await untilGone(servers);
  },
);

test('a paused server goes with its owner too', async () => {
  const { owner, servers, doToAll } = await startOwner(kinds.slice(0, 1));
  await doToAll('pauseProcess');
  owner.kill('SIGKILL');
  await untilGone(servers);
});

test('a server that died before its owner leaves no data either', async () => {
  const { owner, servers, doToAll } = await startOwner(kinds.slice(0, 1));
  await doToAll('kill');
  for (const { port } of servers) expect(await isListening(port)).toBe(false);
  owner.kill('SIGKILL');
  await untilGone(servers);
});
