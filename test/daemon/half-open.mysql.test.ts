import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { eachServer } from '../support/servers.ts';
import { agree, createShopProject, insertOrder } from '../support/shop-project.ts';
import { isNotReady, isReady, noticedWithinMs, spawnWatched } from '../support/watched-daemon.ts';

eachServer((_flavour, server: SqlAddress) => {
  const through = (port: number): string => server.url.replace(`:${server.port}`, `:${port}`);

  it('L12 a half-open link to the store, then to the source, turns readiness false within the heartbeat, and nothing is lost', async () => {
    const storeLink = await startHalfOpenProxy(server);
    const sourceLink = await startHalfOpenProxy(server);
    const links = { storeUrl: through(storeLink.port), sourceUrl: through(sourceLink.port) };
    const project = await createShopProject({ source: server, store: server, ...links, global: 'http: {listen: ":0"}' });
    const { daemon, waitForReady, url } = await spawnWatched(project);
    await waitForReady(isReady, 'readiness at first');
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    storeLink.setMode('half-open');
    await insertOrder(project, 1);
    const silent = await waitForReady(isNotReady, 'a store that does not answer');
    expect(silent.ready.reasons.join()).toMatch(/^the store has not answered for [\d.]+ s/);
    expect(silent.ms).toBeLessThan(noticedWithinMs);
    // the code is known when the statement's own time is over
    await waitForReady(
      ({ reasons }) => /^the store has not answered for [\d.]+ s \(STORE_/.test(reasons.join()),
      'the code of a store that does not answer',
    );
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    await daemon.waitForLine(/store does not answer/);
    storeLink.setMode('forward');
    await waitForReady(isReady, 'the store again');
    // on the flows' own connections the answers were swallowed: they are cut, and made anew
    await agree(project);
    await daemon.waitForLine(/connection to the store has gone dead, cut/);

    await waitForReady(isReady, 'readiness before the second fault');
    sourceLink.setMode('half-open');
    await insertOrder(project, 2);
    const deaf = await waitForReady(isNotReady, 'a source that does not answer');
    expect(deaf.ms).toBeLessThan(noticedWithinMs);
    expect(deaf.ready.flows.map(({ flow, reasons }) => `${flow}: ${reasons.join('; ')}`)).toEqual(
      ['mirror', 'totals'].map((flow) => expect.stringMatching(new RegExp(`^${flow}: (source main has not answered|its reader)`))),
    );
    sourceLink.cut(); // as on a real network: no connection goes on behind bytes that were lost
    sourceLink.setMode('forward');
    await agree(project);
    await waitForReady(isReady, 'the source again');
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  }, 180_000);
});
