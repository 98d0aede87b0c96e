import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { agree, createShopProject, insertOrder } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { isNotReady, isReady, noticedWithinMs, spawnWatched } from '../support/watched-daemon.ts';
import { itLong } from '../support/long.ts';

const http = (freshWithin: number): string => `http: {listen: ":0", fresh_within: ${freshWithin}}`;

eachServer((flavour, server: SqlAddress) => {
  it('L12 only the flow that stands still is named, a statement that takes long is not cut, and other tables do not make a flow old', async () => {
    const project = await createShopProject({ source: server, store: server, global: http(3) });
    const { daemon, ready, waitForReady, status } = await spawnWatched(project);
    // a flow begins at the source's end, which it must have asked for
    await waitForReady(isReady, 'readiness at first');
    await insertOrder(project, 1);
    await agree(project);

    // changes of tables that no flow wants move the position
    const before = await status();
    for (let i = 0; i < 20; i += 1) await project.source.connection.query('INSERT INTO noise (v) VALUES (1)');
    await waitFor(async () => (await status()).every(({ position }, at) => position !== before[at]?.['position']), {
      deadlineMs: 30_000,
      what: 'moved positions',
    });
    await waitForReady(isReady, 'readiness behind changes of other tables');

    // a lock in the store holds one flow's statement back
    const blocker = await connectTo(server, project.store.name);
    await blocker.beginTransaction();
    await blocker.query('SELECT * FROM totals WHERE customer = 2 FOR UPDATE');
    await insertOrder(project, 2);
    // one of the two reasons comes before the other, and on a busy machine the other flow may be late for a moment
    const stands = [expect.stringContaining('a batch has'), expect.stringMatching(/^behind by [\d.]+ s, more than 3 s$/)];
    await waitFor(
      async () => {
        const { status: code, reasons, flows } = await ready();
        expect({ code, reasons }).toEqual({ code: 503, reasons: [] });
        expect(flows.filter((flow) => !flow.ready)).toMatchObject([{ flow: 'totals', reasons: expect.arrayContaining(stands) }]);
        expect(await status()).toMatchObject([
          { flow: 'mirror', lagMs: expect.any(Number), lagBytes: expect.any(Number), reader: 'connected', batchMs: null },
          { flow: 'totals', batchMs: expect.any(Number), reader: 'connected' },
        ]);
        return true;
      },
      { deadlineMs: 60_000, pollMs: 100, what: 'the flow that stands still, and no other' },
    );
    await blocker.rollback();
    await agree(project);
    await waitForReady(isReady, 'readiness again');
    expect(daemon.stderr.filter((line) => line.includes('gone dead'))).toEqual([]);
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  }, 120_000);

  itLong(
    'L12 an idle source stays fresh; the time until a purge is known, and warned of; a frozen source is noticed',
    async () => {
      const settings = {
        binlog_expire_logs_seconds: 12,
        ...(flavour === 'mysql' ? { gtid_mode: 'OFF', enforce_gtid_consistency: 'OFF' } : {}),
      };
      const source = await startPrivateServer(flavour, settings);
      const project = await createShopProject({ source, store: server, global: http(30) });
      const { daemon, ready, waitForReady, status } = await spawnWatched(project);
      await waitForReady(isReady, 'readiness at first');
      const rounds = [];
      for (let i = 0; i < 8; i += 1) {
        await delay(500);
        rounds.push(await ready());
      }
      expect(rounds.filter(({ status: code }) => code !== 200)).toEqual([]);
      expect(Math.max(...rounds.flatMap(({ flows }) => flows.map(({ freshSeconds }) => freshSeconds ?? 999)))).toBeLessThan(8);
      expect((await status()).map(({ purgeMs }) => purgeMs)).toEqual([expect.any(Number), expect.any(Number)]);

      // a paused flow stays in its file; it is finished by the next one
      await project.store.connection.query(`UPDATE \`${project.store.name}\`.kis_flow SET wanted = 'pause' WHERE flow = 'totals'`);
      await waitForReady(({ flows }) => flows.some(({ state }) => state === 'paused'), 'a paused flow');
      await insertOrder(project, 1);
      await project.source.connection.query('FLUSH BINARY LOGS');
      await daemon.waitForLine(/"flow":"totals".*may soon purge the binlog/, 40_000);
      const [mirror, totals] = await status();
      expect(Number(mirror?.['purgeMs'])).toBeGreaterThan(10_000);
      expect(Number(totals?.['purgeMs'])).toBeLessThan(4000);
      expect(daemon.stderr.filter((line) => line.includes('may soon purge')).length).toBe(1);
      expect(isReady(await ready())).toBe(true); // what is paused does not count

      await source.pauseProcess();
      const { ms } = await waitForReady(isNotReady, 'a frozen source');
      expect(ms).toBeLessThan(noticedWithinMs);
      await source.resumeProcess();
      await waitForReady(isReady, 'the source again');
      daemon.kill('SIGTERM');
      expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
    },
    180_000,
  );
});
