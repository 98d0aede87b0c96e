import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { fightReloads, reloadAndCompare } from '../daemon/reloading.ts';
import { eachServer } from '../support/servers.ts';
import type { DaemonProcess } from '../support/daemon-process.ts';

/** What a process holds: megabytes of memory, and open files. */
async function holds({ pid }: DaemonProcess): Promise<{ readonly mb: number; readonly files: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const files = await readdir(`/proc/${pid}/fd`);
  return { mb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024, files: files.length };
}

eachServer((_flavour, server) => {
  it('L1 a daemon reloads a hundred times under load, and nothing is lost or doubled', async () => {
    await reloadAndCompare(server, { reloads: 100, seed: 21 });
  });

  it('L1 a daemon is killed thirty times in the middle of reloads, and nothing is lost or doubled', async () => {
    await fightReloads(server, { kills: 30, seed: 23 });
  });

  it('L7 a daemon reloads a thousand times under load, and holds no more than after a hundred', async () => {
    const looks: Promise<{ mb: number; files: number }>[] = [];
    await reloadAndCompare(server, {
      reloads: 1000,
      seed: 22,
      onReload(daemon, turn) {
        if (turn % 100 === 0) looks.push(holds(daemon));
      },
    });
    const figures = await Promise.all(looks);
    console.log(figures.map(({ mb, files }) => `${mb.toFixed(0)} MB ${files} files`).join(', '));
    const [early, late] = [figures.slice(0, 3), figures.slice(-3)].map((some) => Math.min(...some.map(({ mb }) => mb)));
    expect(late).toBeLessThan((early ?? 0) + 60);
    expect(Math.min(...figures.slice(-3).map(({ files }) => files))).toBeLessThanOrEqual((figures[0]?.files ?? 0) + 3);
  });
});
