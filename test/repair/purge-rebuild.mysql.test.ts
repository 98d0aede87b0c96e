import { expect, it } from 'vitest';
import { CodedError } from '../../src/lib/error.ts';
import { beginPurgeRebuild, readLastRebuild, type PurgeRebuild } from '../../src/repair/purge-rebuild.ts';
import { setRunState } from '../../src/repair/run-record.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

const purged = new CodedError('SOURCE_PURGED', 'it is gone');

eachServer((_flavour, server) => {
  it('L6 one rebuild is begun for a place that is lost, by the holder of the lease, and none while the flow is to be paused', async () => {
    const { url } = await createDatabase(server, 'purge');
    const store = await openStore({ url });
    onEnd(() => store.close());
    await migrate({ store });
    await store.query(
      "INSERT INTO kis_checkpoint (flow, position, epoch, sequence, updated_at) VALUES ('f', 'b.000001:4', 7, 40, NOW())",
    );
    await store.query("INSERT INTO kis_flow (flow, wanted, state, updated_at) VALUES ('f', 'pause', 'running', NOW())");
    const begin = (epoch = 7): Promise<PurgeRebuild> =>
      store.transaction((transaction) => beginPurgeRebuild(transaction, { flow: 'f', epoch }, purged));
    const kindOf = async (): Promise<string> => (await begin()).kind;

    expect(await kindOf()).toBe('paused');
    expect(await readLastRebuild(store, 'f')).toBeUndefined();
    await store.query("UPDATE kis_flow SET wanted = 'run'");
    await expect(begin(6)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect((await Promise.all([kindOf(), kindOf()])).toSorted()).toEqual(['begun', 'under way']);
    const first = await readLastRebuild(store, 'f');
    expect(first?.options.cause).toEqual({ code: 'SOURCE_PURGED', message: 'it is gone', position: 'b.000001:4' });

    // one that an operator asked for since changes nothing of that
    await setRunState(store, first?.id ?? '', 'failed', purged);
    expect(await begin()).toMatchObject({ kind: 'in vain', run: { id: first?.id } });
    await store.query(
      "INSERT INTO kis_run (flow, kind, state, options, created_at, updated_at) VALUES ('f', 'rebuild', 'cancelled', '{}', NOW(), NOW())",
    );
    expect(await kindOf()).toBe('in vain');
    await store.query("UPDATE kis_checkpoint SET position = 'b.000009:4'");
    expect(await kindOf()).toBe('begun');
  });
});
