import { beforeAll, expect, it } from 'vitest';
import { FlowRecords } from '../../src/daemon/flow-record.ts';
import { createRun, readRun, readRuns, setRunState } from '../../src/repair/run-record.ts';
import type { RunState } from '../../src/repair/run.ts';
import {
  beginDueVerify,
  endVerifySchedule,
  forgetOldVerifies,
  readVerifyStatus,
  setVerifySchedule,
  type VerifyStatus,
} from '../../src/repair/verify-schedule.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

const hourMs = 3_600_000;

eachServer((_flavour, server) => {
  let store: Store;
  let records: FlowRecords;
  let flows = 0;
  /** A flow that no other test of this file has, and that runs. */
  const newFlow = async (): Promise<string> => {
    const flow = `flow${(flows += 1)}`;
    await records.setState(flow, 'running');
    return flow;
  };
  const every = (flow: string, everyMs = hourMs): Promise<void> => setVerifySchedule(store, { flow, everyMs, options: {} });
  const statusOf = async (flow: string): Promise<VerifyStatus | undefined> => (await readVerifyStatus(store)).get(flow);
  const dueIn = async (flow: string): Promise<number | null | undefined> => (await statusOf(flow))?.schedule?.dueInMs;
  /** Ends a run so long ago. */
  const end = async (id: string, agoMs: number, state: RunState = 'done'): Promise<void> => {
    await setRunState(store, id, state);
    await store.query('UPDATE kis_run SET ended_at = UTC_TIMESTAMP(3) - INTERVAL ? MICROSECOND WHERE id = ?', [1000 * agoMs, id]);
  };
  const begin = async (flow: string): Promise<string> => {
    const id = await beginDueVerify(store, flow);
    if (id === undefined) throw new Error('nothing is due');
    return id;
  };
  const found = (id: string, flow: string, different: number, unmended: number | null): Promise<unknown> =>
    store.query(
      `INSERT INTO kis_verify (run, flow, position, held_ms, row_count, missing, extra, different, excused, mended, unmended, compared_at)
       VALUES (?, ?, '', 1, 9, 1, 2, ?, 40, IF(? IS NULL, NULL, 1), ?, UTC_TIMESTAMP(3))`,
      [id, flow, different, unmended, unmended],
    );

  beforeAll(async () => {
    const { url } = await createDatabase(server, 'schedules');
    store = await openStore({ url, connectionsMax: 8 });
    onEnd(() => store.close());
    await migrate({ store });
    records = new FlowRecords(store);
  });

  it('a run is due at once, and then a period after the end of the last one, whatever came of it; what was missed is not made up for', async () => {
    const flow = await newFlow();
    expect(await beginDueVerify(store, flow)).toBeUndefined();
    await setVerifySchedule(store, { flow, everyMs: hourMs, options: { repair: true, rowsPerSecond: 10 } });
    expect((await statusOf(flow))?.schedule).toMatchObject({ everyMs: hourMs, repair: true, rowsPerSecond: 10 });
    const first = await begin(flow);
    const options = { repair: true, rowsPerSecond: 10 };
    expect(await readRun(store, first)).toMatchObject({ kind: 'verify', state: 'waiting', isScheduled: true, options });
    expect((await statusOf(flow))?.schedule).toMatchObject({ dueAt: null, dueInMs: null });
    expect(await beginDueVerify(store, flow)).toBeUndefined();
    await end(first, hourMs - 60_000, 'failed');
    expect(await beginDueVerify(store, flow)).toBeUndefined();
    expect(await dueIn(flow)).toBeGreaterThan(50_000);
    expect(await dueIn(flow)).toBeLessThanOrEqual(60_000);
    await end(first, 0); // it has ended: nothing changes it
    await store.query('UPDATE kis_run SET ended_at = UTC_TIMESTAMP(3) - INTERVAL 10 HOUR WHERE id = ?', [first]);
    expect(await dueIn(flow)).toBeLessThan(-8 * hourMs);
    const second = await begin(flow);
    await end(second, 0, 'cancelled');
    expect(await beginDueVerify(store, flow)).toBeUndefined();
    expect(await readRuns(store, { flow, limit: 9 })).toHaveLength(2);
  });

  it('a clock that was set back keeps no flow from being verified', async () => {
    const flow = await newFlow();
    await every(flow);
    await store.query('UPDATE kis_verify_schedule SET since = UTC_TIMESTAMP(3) + INTERVAL 100 DAY WHERE flow = ?', [flow]);
    const first = await begin(flow);
    await found(first, flow, 0, null);
    await end(first, -100 * 24 * hourMs);
    expect(await statusOf(flow)).toMatchObject({ last: { run: first, ageMs: 0 } });
    expect(await dueIn(flow)).toBeLessThanOrEqual(0);
    await end(await begin(flow), 0);
    await store.query('UPDATE kis_run SET ended_at = UTC_TIMESTAMP(3) WHERE flow = ?', [flow]);
    expect(await dueIn(flow)).toBeGreaterThan(hourMs - 60_000);
    expect(await beginDueVerify(store, flow)).toBeUndefined();
  });

  it('of many that believe to hold the flow one makes the run that is due', async () => {
    const flow = await newFlow();
    await every(flow);
    const made = await Promise.all(Array.from({ length: 6 }, () => beginDueVerify(store, flow)));
    expect(made.filter((id) => id !== undefined)).toHaveLength(1);
    expect(await readRuns(store, { flow, limit: 9 })).toHaveLength(1);
  });

  it('what is due waits while the flow is to be paused, and while any run of repair of it is open', async () => {
    const flow = await newFlow();
    await every(flow);
    await records.setWish(flow, 'pause');
    expect(await beginDueVerify(store, flow)).toBeUndefined();
    await records.setWish(flow, 'run');
    for (const kind of ['snapshot', 'replay', 'rebuild', 'verify'] as const) {
      const id = await createRun(store, { flow, kind, options: {}, isStart: false });
      if (kind === 'rebuild') await setRunState(store, id, 'paused');
      expect(await beginDueVerify(store, flow), kind).toBeUndefined();
      await setRunState(store, id, 'done');
    }
    expect(await dueIn(flow)).toBeLessThanOrEqual(0);
    expect(await beginDueVerify(store, flow)).toBeDefined();
  });

  it('another period counts from the end of the last run, the same one again changes nothing, and an end ends it', async () => {
    const flow = await newFlow();
    await every(flow);
    await end(await begin(flow), 10 * 60_000);
    await store.query("UPDATE kis_verify_schedule SET since = '2020-01-01' WHERE flow = ?", [flow]);
    await every(flow);
    expect((await statusOf(flow))?.schedule?.since).toBe('2020-01-01T00:00:00.000Z');
    await every(flow, 5 * 60_000);
    expect((await statusOf(flow))?.schedule?.since).not.toContain('2020');
    expect(await dueIn(flow)).toBeLessThan(-4 * 60_000);
    await every(flow, 24 * hourMs);
    expect(await dueIn(flow)).toBeGreaterThan(23 * hourMs);
    expect([await endVerifySchedule(store, flow), await endVerifySchedule(store, flow)]).toEqual([true, false]);
    expect(await statusOf(flow)).toBeUndefined();
    expect(await beginDueVerify(store, flow)).toBeUndefined();
  });

  it('the last verify that was done tells how many rows are wrong: without those that it mended, and those that differ lawfully', async () => {
    const flow = await newFlow();
    const make = async (different: number, unmended: number | null, state: RunState): Promise<string> => {
      const id = await createRun(store, { flow, kind: 'verify', options: {}, isStart: false });
      await found(id, flow, different, unmended);
      await end(id, 60_000, state);
      return id;
    };
    const first = await make(3, null, 'done');
    expect(await statusOf(flow)).toMatchObject({ schedule: null, last: { run: first, differences: 6 } });
    expect((await statusOf(flow))?.last?.ageMs).toBeGreaterThanOrEqual(60_000);
    await make(30, null, 'failed');
    expect(await statusOf(flow)).toMatchObject({ last: { run: first } });
    const second = await make(3, 2, 'done');
    expect(await statusOf(flow)).toMatchObject({ last: { run: second, differences: 2 } });
  });

  it('scheduled runs that have ended are kept for a while, and the last one that was done; those that were asked for are kept', async () => {
    const flow = await newFlow();
    const asked = await createRun(store, { flow, kind: 'verify', options: {}, isStart: false });
    await end(asked, 0, 'failed');
    await store.query(
      `INSERT INTO kis_run (flow, kind, state, options, is_scheduled, created_at, updated_at) VALUES ${Array.from(
        { length: 105 },
        () => "(?, 'verify', 'failed', '{}', 1, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))",
      ).join(', ')}`,
      Array.from({ length: 105 }, () => flow),
    );
    const made = (await readRuns(store, { flow, limit: 200 })).map(({ id }) => id).toReversed();
    const [, first = '', second = ''] = made;
    await store.query("UPDATE kis_run SET state = 'done', ended_at = UTC_TIMESTAMP(3) WHERE id = ?", [second]);
    for (const id of [first, second]) {
      await found(id, flow, 0, null);
      await store.query(
        "INSERT INTO kis_verify_difference (run, number, store_table, row_key, kind, is_excused, fields) VALUES (?, 1, 't', '[1]', 'extra', 0, '[]')",
        [id],
      );
    }
    await forgetOldVerifies(store, flow);
    expect((await readRuns(store, { flow, limit: 200 })).map(({ id }) => id).toReversed()).toEqual([
      asked,
      second,
      ...made.slice(-100),
    ]);
    for (const table of ['kis_verify', 'kis_verify_difference']) {
      const { rows } = await store.query(`SELECT run FROM ${table} WHERE run IN (?)`, [[first, second]]);
      expect(rows.map(({ run }) => String(run))).toEqual([second]);
    }
    await forgetOldVerifies(store, flow);
    expect(await readRuns(store, { flow, limit: 200 })).toHaveLength(102);
  });
});
