import { expect, it, vi } from 'vitest';
import { LeaseKeeper } from '../../src/store/lease.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import type { StoreSession } from '../../src/store/session.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

eachServer((_flavour, server) => {
  it('L6 more flows than the store has pooled connections are taken over at once, each from a holder that still lives', async () => {
    const { url } = await createDatabase(server, 'lease');
    const store = await openStore({ url, connectionsMax: 2 });
    onEnd(() => store.close());
    await migrate({ store });
    const flows = ['a', 'b', 'c', 'd', 'e'];
    const [first, second] = ['first', 'second'].map((holder) => new LeaseKeeper({ store, holder, ttlMs: 0 }));
    const acquireAll = (keeper: LeaseKeeper | undefined) =>
      Promise.all(
        flows.map(async (flow) => {
          const session = await store.openSession();
          return { session, lease: await keeper?.acquire(flow, session.threadId) };
        }),
      );
    const before = await acquireAll(first);
    expect((await acquireAll(second)).map(({ lease }) => lease)).toEqual(flows.map((flow) => ({ flow, epoch: 2 })));
    for (const { session } of before) await expect(session.query('SELECT 1')).rejects.toMatchObject({ class: 'retry' });
  });

  it('L6 only the connection of the holder before is ended: not the one that has its number since the store was started again', async () => {
    const [{ url }, other] = [await createDatabase(server, 'lease'), await createDatabase(server, 'other')];
    const store = await openStore({ url });
    const elsewhere = await openStore({ url: other.url });
    onEnd(() => store.close());
    onEnd(() => elsewhere.close());
    await migrate({ store });
    const [first, second] = ['first', 'second'].map((holder) => new LeaseKeeper({ store, holder, ttlMs: 0 }));
    const old = await store.openSession();
    const stranger = await elsewhere.openSession();
    const own = await store.openSession();
    const lease = await first?.acquire('f', old.threadId);
    const isAlive = (session: StoreSession) =>
      session.query('SELECT 1').then(
        () => true,
        () => false,
      );

    // noted before the server was started
    await store.query("UPDATE kis_lease SET acquired_at = '2020-01-01'");
    expect(await second?.acquire('f', own.threadId)).toEqual({ flow: 'f', epoch: 2 });
    expect(await isAlive(old)).toBe(true);

    // another application's
    await store.query("UPDATE kis_lease SET holder = 'first', connection_id = ?", [stranger.threadId]);
    expect(await second?.acquire('f', own.threadId)).toEqual({ flow: 'f', epoch: 3 });
    expect(await isAlive(stranger)).toBe(true);

    // its own, made anew since
    await store.query("UPDATE kis_lease SET holder = 'first', epoch = 1, acquired_at = '2020-01-01'");
    if (lease !== undefined) await first?.reconnect(lease, old.threadId);
    expect(await second?.acquire('f', own.threadId)).toEqual({ flow: 'f', epoch: 2 });
    expect(await isAlive(old)).toBe(false);
  });

  it('L6 L12 a clock that is set forward takes no flow from a daemon whose lock was free for a moment', async () => {
    const { url } = await createDatabase(server, 'lease');
    const store = await openStore({ url });
    onEnd(() => store.close());
    await migrate({ store });
    const [silent, other] = ['silent', 'other'].map((holder) => new LeaseKeeper({ store, holder, ttlMs: 60_000 }));
    const session = await store.openSession();
    await silent?.acquire('a', session.threadId);
    expect(await other?.isHeldByOther('a')).toBe(true);
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
    onEnd(async () => clock.mockRestore());
    expect(await other?.isHeldByOther('a')).toBe(true);
    expect(await other?.acquire('a', session.threadId)).toBeUndefined();
  });
});
