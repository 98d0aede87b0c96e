import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { spawnDaemon, startCommand } from '../support/daemon-process.ts';
import { connectTo } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom, writeOrders, type ShopProject } from '../support/shop-project.ts';

export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  /** Between two transactions; none when left out, which takes the whole machine. */
  readonly pauseMs?: number;
}

/**
 * Kills the daemon with -9 at random moments while the source changes, then lets it catch up, and compares source and store
 * to the row: plain upserts in one flow, increments in another.
 */
export async function killAndCompare(server: SqlAddress, options: KillOptions): Promise<void> {
  const project = await createShopProject({ source: server, store: server });
  await killUnderLoad(server, project, options);
  expect(await disagreements(project), `seed ${options.seed}`).toEqual([]);
}

/** Kills the project's daemon with -9 at random moments while its orders change, then lets it catch up. */
export async function killUnderLoad(
  server: SqlAddress,
  project: ShopProject,
  options: KillOptions & { readonly beforeEnd?: () => Promise<void> },
): Promise<void> {
  const random = randomFrom(options.seed);
  const args = ['run', '--log-level', 'warn', '--lease-ttl', '600'];
  const first = await startCommand(['run', '--until-current', '--log-level', 'warn'], { cwd: project.folder, env: project.env });
  expect(await first.waitForExit(60_000), first.stderr.join('\n')).toEqual({ code: 0, signal: null });
  const stop = new AbortController();
  const writer = await connectTo(server, project.source.name);
  const writing = writeOrders(writer, { ...options, signal: stop.signal, random });
  for (let i = 0; i < options.kills; i += 1) {
    const daemon = await spawnDaemon(args, { cwd: project.folder, env: project.env });
    await delay(300 + random() * 900); // the moment of the kill is what is random here
    daemon.kill('SIGKILL');
    expect(await daemon.waitForExit()).toEqual({ code: null, signal: 'SIGKILL' });
  }
  stop.abort();
  const transactions = await writing;
  await options.beforeEnd?.();
  const last = await startCommand(['run', '--until-current', '--log-level', 'warn'], { cwd: project.folder, env: project.env });
  expect(await last.waitForExit(120_000), last.stderr.join('\n')).toEqual({ code: 0, signal: null });
  expect(transactions).toBeGreaterThan(options.kills);
}
