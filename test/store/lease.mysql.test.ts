import { expect, it } from 'vitest';
import { LeaseKeeper } from '../../src/store/lease.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
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
});
