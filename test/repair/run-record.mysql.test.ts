import { beforeAll, describe, expect, it } from 'vitest';
import { FlowRecords } from '../../src/daemon/flow-record.ts';
import { CodedError } from '../../src/lib/error.ts';
import {
  cancelOpenRuns,
  createRun,
  readOpenRuns,
  readRun,
  readRuns,
  saveRunTable,
  setRunRate,
  setRunState,
  setRunTables,
  setRunWish,
} from '../../src/repair/run-record.ts';
import type { RunState, RunWish } from '../../src/repair/run.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

const table = { sourceTable: 'shop.orders', keyColumns: ['id', 'at'], rowsTotal: 40 };

eachServer((_flavour, server) => {
  let store: Store;
  let flows = 0;
  /** A flow that no other test of this file has. */
  const newFlow = (): string => `flow${(flows += 1)}`;
  const make = (flow: string, isStart = false): Promise<string> =>
    createRun(store, { flow, kind: 'snapshot', options: {}, isStart, tables: [table] });

  beforeAll(async () => {
    const { url } = await createDatabase(server, 'runs');
    store = await openStore({ url, connectionsMax: 8 });
    onEnd(() => store.close());
    await migrate({ store });
  });

  it('a run is read as it was made', async () => {
    const flow = newFlow();
    const options = { tables: ['shop.orders'], where: "name = 'é'" };
    const id = await createRun(store, { flow, kind: 'snapshot', options, isStart: true, tables: [table] });
    const [run] = await readOpenRuns(store, flow);
    expect(run).toMatchObject({ id, flow, kind: 'snapshot', state: 'waiting', wish: null, options, isStart: true, rate: null });
    expect(run).toMatchObject({ errorCode: null, startedAt: null, endedAt: null });
    expect(run?.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const nothing = { cursorKey: null, doneKeys: [], rowsDone: 0, chunks: 0, startedAt: null, endedAt: null };
    expect(run?.tables).toMatchObject([{ ...table, state: 'waiting', ...nothing }]);
    expect(run).toEqual(await readRun(store, id));
  });

  it('of many that make a run of one kind on one flow at once exactly one does, and the others are told which', async () => {
    const flow = newFlow();
    const made = await Promise.allSettled(Array.from({ length: 8 }, () => make(flow)));
    const winners = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(winners).toHaveLength(1);
    for (const one of made) {
      if (one.status === 'rejected')
        expect(one.reason).toMatchObject({ code: 'RUN_EXISTS', message: expect.stringContaining(`run ${winners[0]}`) });
    }
    expect((await readOpenRuns(store, flow)).map(({ id }) => id)).toEqual(winners);
    await createRun(store, { flow, kind: 'verify', options: {}, isStart: false });
    await setRunState(store, winners[0] ?? '', 'done');
    const next = await make(flow);
    expect((await readRuns(store, { flow, limit: 2 })).map(({ id, kind }) => [id === next, kind])).toEqual([
      [true, 'snapshot'],
      [false, 'verify'],
    ]);
  });

  it('L1 progress of a table is there with the batch that made it, and not without', async () => {
    const flow = newFlow();
    const id = await make(flow);
    const session = await store.openSession();
    const save = (step: Partial<Parameters<typeof saveRunTable>[1]>) =>
      saveRunTable(session, {
        run: id,
        sourceTable: table.sourceTable,
        cursorKey: null,
        doneKeys: [],
        rowsAdded: 1,
        isDone: false,
        ...step,
      });
    const read = async () => (await readRun(store, id)).tables[0];
    const key = [12n, Buffer.from([0, 255])];
    await save({ cursorKey: key, rowsAdded: 10 });
    await session.rollback();
    expect(await read()).toMatchObject({ state: 'waiting', rowsDone: 0, cursorKey: null });
    await save({ doneKeys: [key, ['-0', null]], rowsAdded: 2 });
    await session.commit();
    expect(await read()).toMatchObject({
      state: 'reading',
      cursorKey: null,
      doneKeys: [key, ['-0', null]],
      rowsDone: 2,
      chunks: 0,
    });
    await save({ cursorKey: key, rowsAdded: 8 });
    await session.commit();
    expect(await read()).toMatchObject({ state: 'reading', cursorKey: key, doneKeys: [], rowsDone: 10, chunks: 1, endedAt: null });
    await setRunTables(store, id, [
      { ...table, rowsTotal: null },
      { ...table, sourceTable: 'shop.customers' },
    ]);
    expect(await read()).toMatchObject({ sourceTable: 'shop.customers', state: 'waiting' });
    await save({ cursorKey: key, rowsAdded: 0, isDone: true });
    await session.commit();
    const done = (await readRun(store, id)).tables[1];
    expect(done).toMatchObject({
      state: 'done',
      cursorKey: key,
      rowsDone: 10,
      chunks: 1,
      rowsTotal: null,
      endedAt: expect.any(String),
    });
    await expect(save({ sourceTable: 'shop.other' })).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
    await session.close();
  });

  it('a flow that begins anew ends its runs, and those that may have made a database once that is dropped', async () => {
    const made: string[] = [];
    for (const kind of ['snapshot', 'replay', 'rebuild', 'verify'] as const) {
      made.push(await createRun(store, { flow: 'anew', kind, options: {}, isStart: kind === 'snapshot' }));
      await setRunState(store, made.at(-1) ?? '', kind === 'verify' ? 'paused' : 'running');
    }
    made.push(await createRun(store, { flow: 'anew too', kind: 'verify', options: {}, isStart: false }));
    for (const flow of ['anew', 'anew too']) await cancelOpenRuns(store, flow);
    const runs = await Promise.all(made.map((id) => readRun(store, id)));
    expect(runs.map(({ kind, state, wish }) => [kind, state, wish])).toEqual([
      ['snapshot', 'cancelled', null],
      ['replay', 'cancelled', null],
      ['rebuild', 'running', 'cancel'],
      ['verify', 'paused', 'cancel'],
      ['verify', 'cancelled', null],
    ]);
  });

  describe('what an operator wants of a run', () => {
    /** A run in this state, with this wish: what the next one makes of it. */
    const outcomes: readonly (readonly [RunState, RunWish | null, RunWish, RunState | 'RUN_ENDED', RunWish | null])[] = [
      ['waiting', null, 'pause', 'waiting', 'pause'],
      ['waiting', null, 'resume', 'waiting', null],
      ['waiting', 'pause', 'resume', 'waiting', 'resume'],
      ['waiting', null, 'cancel', 'cancelled', null],
      ['running', null, 'pause', 'running', 'pause'],
      ['running', 'pause', 'resume', 'running', 'resume'],
      ['running', 'pause', 'cancel', 'running', 'cancel'],
      ['running', 'cancel', 'cancel', 'running', 'cancel'],
      ['running', 'cancel', 'pause', 'RUN_ENDED', null],
      ['paused', null, 'pause', 'paused', null],
      ['paused', 'resume', 'pause', 'paused', null],
      ['paused', null, 'resume', 'paused', 'resume'],
      ['paused', null, 'cancel', 'paused', 'cancel'],
      ['done', null, 'cancel', 'RUN_ENDED', null],
      ['failed', null, 'resume', 'RUN_ENDED', null],
      ['cancelled', null, 'cancel', 'RUN_ENDED', null],
    ];

    it.each(outcomes)(
      'one that is %s (wish: %s) and is to %s is then %s (wish: %s)',
      async (state, before, wish, after, wishAfter) => {
        const id = await make(newFlow());
        await store.query('UPDATE kis_run SET state = ?, wish = ? WHERE id = ?', [state, before, id]);
        if (after === 'RUN_ENDED') await expect(setRunWish(store, id, wish)).rejects.toMatchObject({ code: after });
        else expect(await setRunWish(store, id, wish)).toMatchObject({ state: after, wish: wishAfter });
      },
    );

    it('is refused of a run that is not there', async () => {
      await expect(setRunWish(store, '9999999', 'pause')).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
    });

    it('of a start is anything but its end: the flow stands on it', async () => {
      const id = await make(newFlow(), true);
      await expect(setRunWish(store, id, 'cancel')).rejects.toMatchObject({ code: 'RUN_IS_START' });
      expect(await setRunWish(store, id, 'pause')).toMatchObject({ state: 'waiting', wish: 'pause' });
      await setRunState(store, id, 'done');
      await expect(setRunWish(store, id, 'cancel')).rejects.toMatchObject({ code: 'RUN_ENDED' });
    });

    it('a wish is gone when it is done, and a later one is not', async () => {
      const id = await make(newFlow());
      await setRunState(store, id, 'running');
      await setRunWish(store, id, 'pause');
      await setRunWish(store, id, 'resume');
      await setRunState(store, id, 'paused'); // the daemon had read the first of them
      expect(await readRun(store, id)).toMatchObject({ state: 'paused', wish: 'resume' });
      await setRunState(store, id, 'running');
      expect(await readRun(store, id)).toMatchObject({ state: 'running', wish: null });
      await setRunWish(store, id, 'cancel');
      expect(await setRunState(store, id, 'cancelled')).toBe(true);
      expect(await readRun(store, id)).toMatchObject({ state: 'cancelled', wish: null, endedAt: expect.any(String) });
    });
  });

  it('a run that has ended is never changed again', async () => {
    const flow = newFlow();
    const id = await make(flow);
    await setRunState(store, id, 'running');
    await setRunRate(store, id, 1234.5);
    expect(await readRun(store, id)).toMatchObject({ rate: 1234.5, startedAt: expect.any(String) });
    await setRunState(store, id, 'failed', new CodedError('STORE_FULL', 'No room.'));
    const failed = await readRun(store, id);
    expect(failed).toMatchObject({ state: 'failed', errorCode: 'STORE_FULL', errorText: 'No room.', rate: null });
    expect(await setRunState(store, id, 'running')).toBe(false);
    await setRunRate(store, id, 1);
    expect(await readRun(store, id)).toEqual(failed);
    expect(await readOpenRuns(store, flow)).toEqual([]);
  });

  it('the daemon is told of a run that waits, and of a wish, and of nothing else', async () => {
    const flow = newFlow();
    const records = new FlowRecords(store);
    await records.setState(flow, 'running');
    const isTold = async () => (await records.wishes()).get(flow)?.hasRunWishes;
    expect(await isTold()).toBe(false);
    const id = await make(flow);
    expect(await isTold()).toBe(true);
    await setRunState(store, id, 'running');
    expect(await isTold()).toBe(false);
    await setRunWish(store, id, 'pause');
    expect(await isTold()).toBe(true);
    await setRunState(store, id, 'paused');
    expect(await isTold()).toBe(false);
    await store.query("UPDATE kis_run SET state = 'done', wish = 'pause' WHERE id = ?", [id]);
    expect(await isTold()).toBe(false);
  });
});
