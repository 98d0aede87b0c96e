import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { createCheckpoint, stepCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { newFailure } from '../../src/daemon/failure.ts';
import { FlowSession } from '../../src/daemon/flow-session.ts';
import type { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { LeaseKeeper } from '../../src/store/lease.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';

const position = { server: 's', file: 'f.000001', offset: 4, gtid: '', rows: 0 };
const nothing = { gate: Promise.resolve(), onSent: () => {}, clock: undefined };

eachServer((_flavour, server) => {
  /** A flow with a lease, on a link that can be spoiled. */
  async function open() {
    const database = await createDatabase(server, 'session');
    const proxy = await startHalfOpenProxy(server);
    const store = await openStore({
      url: `${server.url.replace(`:${server.port}`, `:${proxy.port}`)}/${database.name}`,
      statementTimeoutMs: 2000,
    });
    onEnd(() => store.close());
    await migrate({ store });
    const leases = new LeaseKeeper({ store, holder: 'h', ttlMs: 60_000 });
    const session = await store.openSession();
    const lease = await leases.acquire('f', session.threadId);
    if (lease === undefined) throw new Error('nobody else has it');
    await createCheckpoint(store, { flow: 'f', position, epoch: lease.epoch });
    const errors: CodedError[] = [];
    const flow = new FlowSession({
      store,
      session,
      leases,
      lease,
      logger: silentLogger,
      retryLimitMs: Number.POSITIVE_INFINITY,
      signal: new AbortController().signal,
      onRetry: (error) => void errors.push(error),
    });
    onEnd(() => flow.close());
    const step = { flow: 'f', epoch: lease.epoch, sequence: 0, position, time: 0, rows: 0 };
    return { database, proxy, store, session, flow, step, errors };
  }

  it('L1 what becomes of a commit that is still under way is waited for: what is run next must not be taken for it', async () => {
    const { store, session, flow, step } = await open();
    const other = await store.openSession(); // stands for the lost connection, whose commit has yet to be done
    await stepCheckpoint(other, step);
    session.destroy();
    let given: number | undefined;
    const restored = flow.restore(newFailure(undefined)).then((sequence) => (given = sequence));
    await waitFor(async () => {
      const { rows } = await store.query(
        "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE '%kis_checkpoint%FOR UPDATE'",
      );
      return rows.length > 0 || given !== undefined;
    });
    await other.commit();
    expect(await restored).toBe(1);
  });

  it('L12 a link that died without a word, of which the server does not know, holds the flow no longer than its statement may take', async () => {
    const { proxy, flow, step, errors } = await open();
    const batch = { sequence: 0, ...nothing, step };
    const lost = flow.begin(batch);
    await lost.query('SELECT 1');
    proxy.setMode('half-open');
    await expect(lost.query('SELECT 2')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
    await waitFor(() => flow.current.isBroken);
    // its farewell is lost too: it has reached the proxy before what comes now
    const after = connect(proxy.port, proxy.host);
    onEnd(async () => void after.destroy());
    const { connectionCount } = proxy;
    await waitFor(() => proxy.connectionCount > connectionCount);
    proxy.setMode('forward');
    expect(await flow.restore(newFailure(undefined))).toBe(0);
    await flow.begin(batch).commit();
    expect(errors).toEqual([]);
  });
});
