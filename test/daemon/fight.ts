import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { spawnDaemon, startCommand, type DaemonProcess } from '../support/daemon-process.ts';
import { connectTo } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom, writeOrders } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

/**
 * Two daemons want the same flows while the source changes. Each in turn is frozen (SIGSTOP) for longer than its lease, so that
 * the other takes over, and is then woken in the middle of its work. At the end source and store are compared to the row.
 */
export async function fightAndCompare(
  server: SqlAddress,
  options: { readonly forMs: number; readonly seed: number; readonly pauseMs?: number },
): Promise<void> {
  const random = randomFrom(options.seed);
  const project = await createShopProject({ source: server, store: server });
  const place = { cwd: project.folder, env: project.env };
  const args = ['run', '--lease-ttl', '900'];
  const daemons: DaemonProcess[] = [await spawnDaemon(args, place), await spawnDaemon(args, place)];
  const runs = (daemon: DaemonProcess): number => daemon.stderr.filter((line) => line.includes('flow runs')).length;
  await waitFor(() => daemons.reduce((sum, daemon) => sum + runs(daemon), 0) >= 2, { deadlineMs: 60_000 });
  const stop = new AbortController();
  const writing = writeOrders(await connectTo(server, project.source.name), { ...options, signal: stop.signal, random });
  const end = Date.now() + options.forMs;
  const hasSwitched = (): boolean => daemons.every((daemon) => runs(daemon) > 2);
  // longer on a busy machine, where taking over takes longer
  for (let turn = 0; Date.now() < end || (!hasSwitched() && Date.now() < end + 60_000); turn += 1) {
    const daemon = daemons[turn % 2];
    daemon?.kill('SIGSTOP');
    await delay(1500 + random() * 1500); // longer than the lease: the other one takes over
    daemon?.kill('SIGCONT');
    await delay(random() * 500);
  }
  stop.abort();
  await writing;
  for (const daemon of daemons) daemon.kill('SIGTERM');
  for (const daemon of daemons)
    expect(await daemon.waitForExit(60_000), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  expect(hasSwitched(), 'both took the flows over, more than once').toBe(true);
  const last = await startCommand(['run', '--until-current', '--log-level', 'warn'], place);
  expect(await last.waitForExit(120_000), last.stderr.join('\n')).toEqual({ code: 0, signal: null });
  expect(await disagreements(project), `seed ${options.seed}`).toEqual([]);
}
