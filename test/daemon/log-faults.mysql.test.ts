import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { onEnd } from '../support/cleanup.ts';
import { fillDisk, mountSmallDisk } from '../support/fault/store-limits.ts';
import { eachServer } from '../support/servers.ts';
import { createShopProject, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { itLong } from '../support/long.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Says ten thousand bytes with each batch. */
const talkative = `import { defineFunction } from 'kisflow';
export default defineFunction({
  name: 'AddTotals',
  async run(flow, rows) {
    flow.logger.info({ text: 'x'.repeat(10_000) }, 'talks');
    for (const { after } of rows) await flow.getConnector().query('INSERT INTO totals VALUES (?, 1, 1)', [after.id]);
  },
});
`;

/** A daemon whose stderr goes where the test wants it; `exit` is its exit code. */
function spawnInto({ folder, env }: ShopProject, stderr: 'pipe' | number): { child: ChildProcess; exit: Promise<number | null> } {
  const child = spawn(process.execPath, [main, 'run', '--log-level', 'info'], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', stderr],
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  onEnd(async () => void child.kill('SIGKILL'));
  return { child, exit };
}

/** Orders one after the other, until the store has them all: so many batches, more or less. */
async function sell({ source, store }: ShopProject, from: number, count: number): Promise<void> {
  for (let id = from; id < from + count; id += 1) {
    await source.connection.query('INSERT INTO orders VALUES (?, 1, 1, NULL)', [id]);
    await waitFor(
      async () => {
        const [rows] = await store.connection.query<RowDataPacket[]>('SELECT 1 FROM totals WHERE customer = ?', [id]);
        return rows.length === 1;
      },
      { deadlineMs: 30_000, what: `order ${id}` },
    );
  }
}

const files = { 'functions/AddTotals.ts': talkative };

eachServer((_flavour, server) => {
  itLong(
    'L12 a log that nobody reads, or that nobody can, holds up nothing: rows are computed, and SIGTERM ends it with 0',
    async () => {
      const make = () => createShopProject({ source: server, store: server, files, start: 'earliest' });
      const [unread, closed, full] = await Promise.all([make(), make(), make()]);
      const standing = spawnInto(unread, 'pipe'); // no one listens: the pipe fills up
      const gone = spawnInto(closed, 'pipe');
      gone.child.stderr?.destroy();
      const device = openSync('/dev/full', 'w');
      const noRoom = spawnInto(full, device);
      closeSync(device);
      await Promise.all([unread, closed, full].map((project) => sell(project, 1, 20)));
      for (const { child } of [standing, gone, noRoom]) child.kill('SIGTERM');
      expect(await Promise.all([standing.exit, gone.exit, noRoom.exit])).toEqual([0, 0, 0]);
    },
    120_000,
  );

  it('L12 a full log disk is lived through, and what was lost is said when there is room', async (context) => {
    const disk = await mountSmallDisk(1);
    context.skip(disk === undefined, 'no file system may be mounted here');
    if (disk === undefined) return;
    const project = await createShopProject({ source: server, store: server, files, start: 'earliest' });
    const path = join(disk, 'kisflow.log');
    const log = openSync(path, 'a');
    const daemon = spawnInto(project, log);
    closeSync(log);
    await sell(project, 1, 3);
    const end = await fillDisk(disk);
    await sell(project, 4, 3);
    await end();
    const told = await waitFor(async () =>
      (await readFile(path, 'utf8')).split('\n').find((line) => line.includes('log lines were lost')),
    );
    expect(JSON.parse(told)).toMatchObject({ level: 40, reason: 'ENOSPC' });
    daemon.child.kill('SIGTERM');
    expect(await daemon.exit).toBe(0);
  }, 120_000);
});
