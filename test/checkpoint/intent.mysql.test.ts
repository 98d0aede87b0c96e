import { expect, it } from 'vitest';
import { claimIntents, keepIntents, type IntendedBatch, type Intents } from '../../src/checkpoint/intent.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

const end = { server: 's', file: 'b.000001', offset: 4, gtid: '', rows: 12 };
const mark = {
  kind: 'dead',
  index: 3,
  fname: 'F',
  code: 'ROW_INVALID',
  message: "it's bad \\ 😀",
  stack: undefined,
  waitMs: 0,
} as const;
const batch: IntendedBatch = { origin: 'o', size: 20, end, dead: [mark, { ...mark, index: 4, stack: 'at x' }], deadRounds: 2 };
const intents: Intents = { sequence: 5, tablesHash: 't', fingerprint: 'v', batches: [batch] };

async function openOwn(server: Parameters<typeof createDatabase>[0]): Promise<Store> {
  const { url } = await createDatabase(server, 'intent');
  const store = await openStore({ url });
  onEnd(() => store.close());
  await migrate({ store });
  return store;
}

eachServer((_flavour, server) => {
  it('L6 what was kept is read by the next holder, behind whose back the one before keeps nothing more', async () => {
    const store = await openOwn(server);
    const [first, second] = [
      { flow: 'f', epoch: 1 },
      { flow: 'f', epoch: 2 },
    ];
    expect((await claimIntents(store, first)).batches).toEqual([]);
    await keepIntents(store, first, intents, store.maxPacketBytes);
    // kept again in the same words
    await keepIntents(store, first, intents, store.maxPacketBytes);
    expect(await claimIntents(store, second)).toEqual(intents);
    await expect(keepIntents(store, first, { ...intents, sequence: 9 }, 1e6)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(claimIntents(store, first)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await claimIntents(store, second)).toEqual(intents);
  });

  it('dead rows that would not fit a statement are left out: the flow finds them again', async () => {
    const store = await openOwn(server);
    const owner = { flow: 'f', epoch: 1 };
    await claimIntents(store, owner);
    const dead = Array.from({ length: 1000 }, (_, index) => ({ ...mark, index }));
    await keepIntents(store, owner, { ...intents, batches: [{ ...batch, dead }] }, 100_000);
    expect((await claimIntents(store, owner)).batches).toEqual([{ ...batch, dead: [] }]);
  });
});
