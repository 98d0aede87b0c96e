import { expect, it } from 'vitest';
import { cancelLeftRuns } from '../../src/daemon/left-runs.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { setPhase, type RebuildPhase } from '../../src/repair/rebuild-record.ts';
import { createRun, setRunState, setRunWish } from '../../src/repair/run-record.ts';
import type { RunKind } from '../../src/repair/run.ts';
import { shadowDatabaseOf, verifyDatabaseOf } from '../../src/row/shadow-database.ts';
import { LeaseKeeper } from '../../src/store/lease.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';

eachServer((_flavour, server) => {
  it('a run that is cancelled ends without a trace also where no daemon runs its flow any more, and never where one does', async () => {
    const { url, name, connection } = await createDatabase(server, 'left');
    const store = await openStore({ url });
    onEnd(() => store.close());
    await migrate({ store });
    const keeperOf = (holder: string): LeaseKeeper => {
      const keeper = new LeaseKeeper({ store, holder, ttlMs: 60_000 });
      onEnd(() => keeper.close());
      return keeper;
    };
    const made: string[] = [];
    const begin = async (flow: string, kind: RunKind, phase: RebuildPhase | null = null): Promise<void> => {
      const id = await createRun(store, { flow, kind, options: {}, isStart: false });
      await setRunState(store, id, 'running');
      const database = kind === 'verify' ? verifyDatabaseOf(name, flow) : shadowDatabaseOf(name, flow);
      if (kind === 'verify' || kind === 'rebuild') {
        await connection.query(`CREATE DATABASE \`${database}\``);
        onEnd(async () => void (await connection.query(`DROP DATABASE IF EXISTS \`${database}\``)));
        made.push(database);
      }
      if (phase !== null)
        await setPhase(store, id, { phase, details: { database, tables: [], definitions: '', fingerprint: '', gate: 'g' } });
      await setRunWish(store, id, 'cancel');
    };
    await begin('gone', 'verify');
    await begin('gone', 'rebuild', 'catching-up');
    await begin('gone', 'replay');
    await begin('swapping', 'rebuild', 'swapping');
    await begin('own', 'verify');
    await begin('paused', 'verify');
    await begin('held', 'verify');
    const other = keeperOf('other');
    await other.presence.show();
    const session = await store.openSession();
    onEnd(() => session.close());
    expect(await other.acquire('held', session.threadId)).toBeDefined();
    // flows are looked at in the order of their names
    await begin('the last', 'replay');

    const services = () => [
      { name: 'own', isHolder: true, report: { state: 'paused' as const } },
      { name: 'paused', isHolder: false, report: { state: 'paused' as const } },
    ];
    const stop = new AbortController();
    const leases = keeperOf('daemon');
    const looking = cancelLeftRuns({ store, leases, services, logger: silentLogger }, stop.signal);
    const openOf = async (): Promise<readonly string[]> => {
      const { rows } = await store.query('SELECT flow, kind FROM kis_run WHERE open_kind IS NOT NULL ORDER BY flow');
      return rows.map(({ flow, kind }) => `${String(flow)} ${String(kind)}`);
    };
    await waitFor(async () => !(await openOf()).some((run) => /^(?:gone|paused|the last)/.test(run)), { deadlineMs: 20_000 });
    stop.abort();
    await looking;
    expect(await openOf()).toEqual(['held verify', 'own verify', 'swapping rebuild']);
    const { rows } = await store.query('SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name IN (?)', [
      made,
    ]);
    expect(rows.map((row) => String(row['name'])).toSorted()).toEqual(
      [shadowDatabaseOf(name, 'swapping'), verifyDatabaseOf(name, 'own'), verifyDatabaseOf(name, 'held')].toSorted(),
    );
    const ended = await store.query("SELECT DISTINCT state FROM kis_run WHERE flow IN ('gone', 'paused', 'the last')");
    expect(ended.rows).toEqual([{ state: 'cancelled' }]);
    expect(await leases.isHeldByOther('gone')).toBe(false);
  });
});
