import { expect, it } from 'vitest';
import { spawnDaemon } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { agree, createShopProject, disagreements, randomFrom, writeOrders } from '../support/shop-project.ts';
import { askRebuild, databasesOf, endOfRuns, fillOrders } from './rebuilding.ts';

const args = ['run', '--lease-ttl', '600'];

eachServer((_flavour, server) => {
  it('L1: a flow that increments is computed anew beside its tables while they change, and what was wrong is right', async () => {
    const project = await createShopProject({ source: server, store: server, start: 'snapshot' });
    await fillOrders(project, 20_000);
    const place = { cwd: project.folder, env: project.env };
    const daemon = await spawnDaemon(args, place);
    await agree(project);
    await project.store.connection.query(
      'UPDATE totals SET cents = cents + 7; DELETE FROM orders_copy WHERE id % 100 = 3; INSERT INTO orders_copy VALUES (-1, 1, 1, NULL)',
    );
    const stop = new AbortController();
    const writer = await connectTo(server, project.source.name);
    const writing = writeOrders(writer, { signal: stop.signal, random: randomFrom(7), pauseMs: 20, first: 20_000 });
    await askRebuild(project, ['mirror', 'totals']);
    expect(await endOfRuns(project), daemon.stderr.join('\n')).toEqual([
      { flow: 'mirror', state: 'done', error_code: null },
      { flow: 'totals', state: 'done', error_code: null },
    ]);
    stop.abort();
    await writing;
    await agree(project);
    daemon.kill();
    expect((await daemon.waitForExit()).code).toBe(0);
    expect(await disagreements(project)).toEqual([]);
    expect(await databasesOf(project)).toEqual([project.store.name]);
  }, 90_000);
});
