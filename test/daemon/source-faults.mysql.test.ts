import { expect, it } from 'vitest';
import { startCommand } from '../support/daemon-process.ts';
import { recoverFrom, type FaultRun } from '../support/fault/recovery.ts';
import { cutSource, damageSource, halfOpenSource } from '../support/fault/source-network.ts';
import { killSource, killSourceDumps, restartSource } from '../support/fault/source-server.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { eachServer, startPrivateServer } from '../support/servers.ts';
import { createShopProject, randomFrom } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);

eachServer((flavour, server) => {
  it('L1 L12 whatever happens to the source server or on the way to it: it is noticed, and nothing is lost or doubled', async () => {
    const source = await startPrivateServer(flavour);
    const proxy = await startHalfOpenProxy(source);
    const sourceUrl = source.url.replace(`:${source.port}`, `:${proxy.port}`);
    const project = await createShopProject({ source, store: server, sourceUrl });
    const daemon = await startCommand(['run', '--lease-ttl', '2000'], { cwd: project.folder, env: project.env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2);
    const random = randomFrom(seed);
    const run: FaultRun = { project, source: () => source, random, seed };
    const context = { source, proxy };

    await recoverFrom(run, 'source-restart', () => restartSource(context));
    await recoverFrom(run, 'source-kill', () => killSource(context));
    await recoverFrom(run, 'source-dumps-killed', () => killSourceDumps(context));
    await recoverFrom(run, 'source-cut-anywhere', async () => {
      for (let i = 0; i < 4; i += 1) await cutSource(context, Math.floor(random() ** 3 * 200_000));
    });
    await recoverFrom(run, 'source-bytes-damaged', async () => {
      await damageSource(context);
      await daemon.waitForLine(/checksum is not that of its bytes/);
    });
    let noticed = 0;
    await recoverFrom(run, 'source-half-open', async () => {
      noticed = await halfOpenSource(context);
    });
    process.stdout.write(`noticed: source-half-open ${flavour} ${noticed.toFixed(1)}\n`);
    expect(noticed).toBeLessThan(15);
    expect(daemon.stderr.filter((line) => /flow stopped|"level":60/.test(line))).toEqual([]);
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  }, 180_000);
});
