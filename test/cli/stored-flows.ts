import { onEnd } from '../support/cleanup.ts';
import { createDatabase } from '../support/servers.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { createCheckpoint, stepCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { writeFigures } from '../../src/daemon/figure-record.ts';
import type { FlowFigures } from '../../src/daemon/flow-figures.ts';
import { FlowRecords } from '../../src/daemon/flow-record.ts';
import { LeaseKeeper } from '../../src/store/lease.ts';

/** A store of the test's own with kisflow's tables, and what a daemon writes into them. */
export interface StoredFlows {
  readonly store: Store;
  readonly url: string;
  readonly records: FlowRecords;
  /** Does what a daemon does when it takes the flow: lease, checkpoint, record. */
  readonly hold: (flow: string, options?: { readonly ttlMs?: number }) => Promise<LeaseKeeper>;
}

const figures: FlowFigures = {
  freshMs: 1500,
  lagMs: 40,
  lagBytes: 2048,
  headroom: { kind: 'within', ms: 36 * 3_600_000, expireMs: 7 * 86_400_000 },
  queueBytes: 512,
  rate: 1200,
  reader: { isConnected: true, lastEventAt: 0, lastError: undefined, lostMs: undefined },
  batchMs: undefined,
};

export async function createStoredFlows(server: SqlAddress): Promise<StoredFlows> {
  const { url } = await createDatabase(server);
  const store = await openStore({ url });
  onEnd(() => store.close());
  await migrate({ store });
  const records = new FlowRecords(store);
  return {
    store,
    url,
    records,
    async hold(flow, { ttlMs = 60_000 } = {}) {
      const leases = new LeaseKeeper({ store, holder: 'host-a:4711:0a1b2c3d', ttlMs });
      const lease = await leases.acquire(flow, 0);
      if (lease === undefined) throw new Error(`${flow} is held by another`);
      const position = { server: 'somewhere', file: 'binlog.000007', offset: 1234, gtid: '', rows: 0 };
      await createCheckpoint(store, { flow, position, epoch: lease.epoch });
      await stepCheckpoint(store, { flow, position, epoch: lease.epoch, sequence: 0, time: Date.UTC(2026, 0, 31, 12), rows: 1500 });
      await records.setTables(flow, 'hash');
      await records.setState(flow, 'running');
      await writeFigures(store, new Map([[flow, figures]]));
      return leases;
    },
  };
}
