import { expect, it } from 'vitest';
import { spawnDaemon } from '../support/daemon-process.ts';
import { recoverFrom, type FaultRun } from '../support/fault/recovery.ts';
import { cutSource, damageSource, halfOpenSource, refuseSource, slowSource } from '../support/fault/source-network.ts';
import { freezeSource, killSource, killSourceDumps, restartSource } from '../support/fault/source-server.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { eachServer, startPrivateServer } from '../support/servers.ts';
import { createShopProject, randomFrom } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
const rounds = Number(process.env.KISFLOW_ROUNDS ?? 40);

eachServer((flavour, server) => {
  it(`L1 L12 ${rounds} faults of the source and of the way to it, at random (seed ${seed}): nothing is lost or doubled`, async () => {
    const source = await startPrivateServer(flavour);
    const proxy = await startHalfOpenProxy(source);
    const sourceUrl = source.url.replace(`:${source.port}`, `:${proxy.port}`);
    const project = await createShopProject({ source, store: server, sourceUrl });
    const daemon = await spawnDaemon(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    const random = randomFrom(seed);
    const run: FaultRun = { project, source: () => source, random, seed };
    const context = { source, proxy };
    const isLost = () => {
      const lines = daemon.stderr.length;
      return () => daemon.stderr.slice(lines).some((line) => /source connection lost|not reached/.test(line));
    };
    const faults: Readonly<Record<string, () => Promise<unknown>>> = {
      'source-restart': () => restartSource(context),
      'source-kill': () => killSource(context),
      'source-frozen': () => freezeSource(context, isLost()),
      'source-dumps-killed': () => killSourceDumps(context),
      'source-cut-anywhere': () => cutSource(context, Math.floor(random() ** 3 * 300_000)),
      'source-bytes-damaged': () => damageSource(context),
      'source-half-open': () => halfOpenSource(context),
      'source-refused': () => refuseSource(context, () => waitFor(isLost(), { deadlineMs: 30_000 })),
      'source-slow': () => slowSource(context, 20_000 + random() * 200_000),
    };
    const names = Object.keys(faults);
    for (let round = 1; round <= rounds; round += 1) {
      const name = names[Math.floor(random() * names.length)] ?? '';
      await recoverFrom(run, name, async () => faults[name]?.());
    }
    expect(daemon.stderr.filter((line) => /flow stopped|"level":60/.test(line))).toEqual([]);
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  });
});
