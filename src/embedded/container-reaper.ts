import { spawn, type ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { ServerError } from './server-error.ts';

/** Every container of ours has it; its value says whose it is. */
export const OWNER_LABEL = 'org.kisflow.owner';

// Asks twice and more: what the daemon was making when the owner died is there a moment later only.
const REAPER = String.raw`
const [library, label] = process.argv.slice(1);
process.stdin.on('end', async () => {
  const client = await require(library).getContainerRuntimeClient();
  const docker = client.container.dockerode;
  for (let quiet = 0; quiet < 3; ) {
    const found = await docker.listContainers({ all: true, filters: { label: [label] } });
    quiet = found.length === 0 ? quiet + 1 : 0;
    for (const { Id } of found) {
      await docker.getContainer(Id).unpause().catch(() => undefined);
      await docker.getContainer(Id).remove({ force: true, v: true }).catch(() => undefined);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  process.exit(0);
});
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('SIGHUP', () => undefined);
process.stdout.write('ready');
process.stdin.resume();
`;

let reaper: Promise<ChildProcess> | undefined;

/**
 * Sees to it that containers with our label go when this process ends, whatever ends it: kill -9 included.
 *
 *   owner (Node) ──stdin pipe──> reaper (Node, a session of its own) ──> Docker
 *
 * The kernel closes the owner's end of the pipe when the owner dies. One reaper serves all containers of the process, and
 * takes the place of testcontainers' own (Ryuk), which is an image to be pulled.
 */
export async function startReaper(owner: string): Promise<void> {
  reaper ??= spawnReaper(owner);
  await reaper;
}

function spawnReaper(owner: string): Promise<ChildProcess> {
  const library = createRequire(import.meta.url).resolve('testcontainers');
  const child = spawn(process.execPath, ['-e', REAPER, library, `${OWNER_LABEL}=${owner}`], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new ServerError('SERVER_FAILED', 'could not start the reaper of containers', { cause })));
    child.once('exit', (code) => reject(new ServerError('SERVER_FAILED', `the reaper of containers ended with code ${code}`)));
    child.stdout.once('data', () => {
      // It does not keep the owner's event loop alive.
      for (const handle of [child, child.stdin, child.stdout]) {
        if ('unref' in handle && typeof handle.unref === 'function') handle.unref();
      }
      resolve(child);
    });
  });
}
