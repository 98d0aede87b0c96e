import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom, writeOrders } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { spawnWatched } from '../support/watched-daemon.ts';

const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
const rounds = Number(process.env.KISFLOW_ROUNDS ?? 12);

eachServer((flavour) => {
  it(`L12 links that go half-open and servers that freeze, at random and under load: each is told within the heartbeat, nothing is lost, seed ${seed}`, async () => {
    const random = randomFrom(seed);
    const [source, store] = [await startPrivateServer(flavour), await startPrivateServer(flavour)];
    const [sourceLink, storeLink] = [await startHalfOpenProxy(source), await startHalfOpenProxy(store)];
    const project = await createShopProject({
      source,
      store,
      sourceUrl: source.url.replace(`:${source.port}`, `:${sourceLink.port}`),
      storeUrl: store.url.replace(`:${store.port}`, `:${storeLink.port}`),
      global: 'http: {listen: ":0"}',
    });
    const { daemon, waitForReady } = await spawnWatched(project);
    await waitForReady(({ status }) => status === 200, 'readiness at first');
    const sides = [
      { name: 'source', server: source, link: sourceLink },
      { name: 'store', server: store, link: storeLink },
    ];
    const noticed: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const side = sides[Math.floor(random() * 2)];
      if (side === undefined) throw new Error('no side');
      const isFrozen = random() < 0.5;
      const stop = new AbortController();
      const first = 1 + round * 500_000; // ids of the rounds before stay theirs
      const writing = writeOrders(await connectTo(source, project.source.name), {
        signal: stop.signal,
        random,
        pauseMs: 20,
        first,
      });
      await delay(500 + random() * 1000);
      stop.abort(); // who writes must not wait for a frozen source
      await writing;
      if (isFrozen) await side.server.pauseProcess();
      else side.link.setMode('half-open');
      const { ms } = await waitForReady(({ status }) => status === 503, `503 in round ${round}, seed ${seed}`);
      noticed.push(`${side.name} ${isFrozen ? 'frozen' : 'half-open'}: ${Math.round(ms)} ms`);
      expect(ms, noticed.join()).toBeLessThan(20_000);
      await delay(random() * 5000);
      if (isFrozen) await side.server.resumeProcess();
      else side.link.setMode('forward');
      const again = await waitForReady(({ status }) => status === 200, `200 in round ${round}, seed ${seed}`);
      noticed.push(`again: ${Math.round(again.ms)} ms`);
    }
    console.log(flavour, noticed.join(', '));
    await waitFor(async () => (await disagreements(project)).length === 0, {
      deadlineMs: 120_000,
      pollMs: 300,
      what: `agreement, seed ${seed}`,
    });
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  });
});
