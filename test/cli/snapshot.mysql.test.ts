import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CommandContext } from '../../src/cli/command.ts';
import { runs } from '../../src/cli/runs.ts';
import { snapshot } from '../../src/cli/snapshot.ts';
import { status } from '../../src/cli/status.ts';
import { CodedError } from '../../src/lib/error.ts';
import {
  createRun,
  readOpenRuns,
  readRun,
  saveRunTable,
  setRunRate,
  setRunState,
  setRunTables,
} from '../../src/repair/run-record.ts';
import type { Run } from '../../src/repair/run.ts';
import { eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';
import { documentOf, runCommand, type CommandRun } from './run-command.ts';
import { createStoredFlows, type StoredFlows } from './stored-flows.ts';

const counting = `kistype: flow
flow_name: counting
source: {name: main, tables: [shop.orders], rows: change, start: latest}
flows: [{fname: sum}, {fname: tell}]
---
kistype: func
fname: sum
fmode: Save
operator: aggregate
with: {key: [customer], fields: {spent: sum(price)}}
option: {cname: spent}
---
kistype: conn
cname: spent
type: mysql
addrs: store
key: spent
---
kistype: func
fname: tell
fmode: Save
`;
const telling = `kistype: flow
flow_name: telling
source: {name: main, tables: [shop.orders], start: latest}
flows: [{fname: TOLD}]
---
kistype: func
fname: TOLD
fmode: Save
`;
const fed = 'kistype: flow\nflow_name: fed\nflows: [{fname: tell}]\n';
const functionFile = (name: string, more = ''): string => `export default { name: '${name}', ${more} run() {} };`;

eachServer((_flavour, server) => {
  let flows: StoredFlows;
  let files: Record<string, string>;
  const names = ['mirror', 'mute', 'fresh'];

  beforeAll(async () => {
    flows = await createStoredFlows(server);
    for (const flow of ['mirror', 'counting', 'telling']) await flows.hold(flow, { ttlMs: 3_600_000 });
    const leases = await flows.hold('mute');
    await leases.release({ flow: 'mute', epoch: 1 });
    files = {
      'conf/global.yml': globalYaml(flows.url),
      'conf/source.yml': sourceYaml('mysql://nobody@127.0.0.1:1'),
      ...Object.fromEntries(names.map((flow) => [`conf/${flow}.yml`, mirrorYaml({ flow, tables: ['shop.*'], key: flow })])),
      'conf/counting.yml': counting,
      'conf/telling.yml': telling,
      'conf/fed.yml': fed,
      'functions/tell.js': functionFile('tell'),
      'functions/TOLD.js': functionFile('TOLD', 'repeatable: true,'),
    };
  });

  const take = (flow: string, options: CommandContext['options'] = {}, more: Partial<CommandRun> = {}) =>
    runCommand(snapshot, { files, positionals: [flow], options, ...more });
  const runsOf = (positionals: readonly string[], options: CommandContext['options'] = {}, json = false) =>
    runCommand(runs, { files, positionals, options, json });
  const openRun = async (flow: string): Promise<Run | undefined> => (await readOpenRuns(flows.store, flow))[0];

  afterEach(async () => {
    for (const { id } of await readOpenRuns(flows.store)) await setRunState(flows.store, id, 'done');
  });

  it('makes a run of what was asked, and leaves it to the daemon; a second one is refused with the number of the first', async () => {
    const { code, out } = await take('mirror', { table: ['shop.orders'], where: 'id > 5', detach: true });
    const run = await openRun('mirror');
    expect(code).toBe(0);
    expect(run).toMatchObject({ state: 'waiting', isStart: false, options: { tables: ['shop.orders'], where: 'id > 5' } });
    expect(out).toContain(`kisflow runs cancel ${run?.id}`);
    await expect(take('mirror')).rejects.toMatchObject({ code: 'RUN_EXISTS', message: expect.stringContaining(`run ${run?.id}`) });
  });

  it('shows how far it is until it has ended, and then what it has done', async () => {
    const { store } = flows;
    const following = take('mirror');
    const table = { sourceTable: 'shop.orders', keyColumns: ['id'], rowsTotal: 400 };
    const run = await waitFor(() => openRun('mirror'));
    const { id } = run;
    await setRunTables(store, id, [table, { ...table, sourceTable: 'shop.lines', rowsTotal: 600 }]);
    await setRunState(store, id, 'running');
    await setRunRate(store, id, 150);
    await saveRunTable(store, {
      run: id,
      sourceTable: 'shop.orders',
      cursorKey: [400],
      doneKeys: [],
      rowsAdded: 400,
      isDone: true,
    });
    const note = (await runCommand(status, { files })).out;
    expect(note).toContain(`mirror: snapshot ${id} is running: 1 of 2 tables, 400 rows, 40 %, 150 rows/s, 4.0 s left`);
    const json = documentOf(await runCommand(status, { files, json: true }));
    const shown = { id, percent: 40, rowsTotal: 1000, tables: [{ rowsDone: 0 }, { rowsDone: 400, state: 'done' }] };
    // the files are read in the order of their names
    expect(json).toMatchObject({ flows: [{}, {}, {}, { flow: 'mirror', runs: [shown] }, { runs: [] }, { runs: [] }] });
    const listed = (await runsOf([])).out;
    expect(listed).toMatch(new RegExp(`^ *${id} +mirror +snapshot +running +400 +40 +150 +4\\.0 s `, 'm'));
    expect((await runsOf(['show', id])).out).toMatch(/^shop\.orders +done +400 +400 +1 +id /m);
    await setRunState(store, id, 'done');
    const { code, out, progress } = await following;
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^Snapshot ${id} of flow mirror is done: 400 rows of 2 tables in .*, .* rows/s\\.$`));
    expect(progress).toContain(`snapshot ${id}: `);
  });

  it('one that fails ends with exit 1 and the error with what mends it', async () => {
    const following = take('mirror', {}, { json: true });
    const { id } = await waitFor(() => openRun('mirror'));
    await setRunState(flows.store, id, 'failed', new CodedError('STORE_FULL', 'No room.'));
    const outcome = await following;
    expect(outcome.code).toBe(1);
    expect(documentOf(outcome)).toMatchObject({ run: { id, state: 'failed', errorCode: 'STORE_FULL' }, message: expect.stringMatching(/STORE_FULL: No room\.\n {2}\w/) }); // prettier-ignore
  });

  it('says that no daemon runs the flow, and leaves the run when it is told to stop', async () => {
    const stop = new AbortController();
    const onProgress = (text: string): void => {
      if (text.includes('no daemon runs flow mute now')) stop.abort();
    };
    const { code, out } = await take('mute', {}, { stop: stop.signal, onProgress });
    const id = (await openRun('mute'))?.id ?? '';
    expect(code).toBe(1);
    expect(out).toContain(`kisflow runs pause ${id}`);
    expect(await readRun(flows.store, id)).toMatchObject({ state: 'waiting', wish: null });
    const paused = await runsOf(['pause', id]);
    expect(paused.out).toContain('no daemon runs flow mute now');
    expect((await runsOf(['cancel', id])).out).toContain(`Snapshot ${id} of flow mute was cancelled.`);
    await expect(runsOf(['resume', id])).rejects.toMatchObject({ code: 'RUN_ENDED' });
    const detached = await take('mute', { detach: true });
    expect(detached.out).toContain('Now it is waiting: no daemon runs flow mute now');
  });

  it('pause and cancel wait for the daemon that runs the flow', async () => {
    const { store } = flows;
    const id = await createRun(store, { flow: 'mirror', kind: 'snapshot', options: {}, isStart: false });
    await setRunState(store, id, 'running');
    /** What the daemon does once it has read the wish. */
    const obey = (wish: Run['wish'], state: Run['state']): Promise<boolean> =>
      waitFor(async () => (await readRun(store, id)).wish === wish && (await setRunState(store, id, state)));
    const [paused] = await Promise.all([runsOf(['pause', id]), obey('pause', 'paused')]);
    expect(paused.out).toBe(`Snapshot ${id} of flow mirror is paused: 0 rows.`);
    expect((await runsOf(['pause', id])).out).toContain('is paused already');
    const [cancelled] = await Promise.all([runsOf(['cancel', id], {}, true), obey('cancel', 'cancelled')]);
    expect(documentOf(cancelled)).toMatchObject({ run: { id, state: 'cancelled' } });
  });

  describe('refuses, and makes no run of,', () => {
    it.each<[string, string, CommandContext['options'], Readonly<Record<string, unknown>>]>([
      [
        'a flow that there is not',
        'miror',
        {},
        { code: 'NAME_UNKNOWN', message: expect.stringContaining('Did you mean "mirror"') },
      ],
      ['a flow that has never run', 'fresh', {}, { code: 'NAME_UNKNOWN', message: expect.stringContaining('has never run') }],
      ['a flow without a source', 'fed', {}, { code: 'SNAPSHOT_NO_TABLE' }],
      ['a table that the flow does not read', 'mirror', { table: ['school.x'] }, { code: 'SNAPSHOT_NO_TABLE', message: expect.stringContaining('shop.*') }], // prettier-ignore
      ['a table that is no name', 'mirror', { table: ['shop.*'] }, { name: 'UsageError', message: '--table takes schema.table, not "shop.*".' }], // prettier-ignore
      ['a condition without a table', 'mirror', { where: 'id = 1' }, { name: 'UsageError', message: expect.stringMatching(/^--where .*table/) }], // prettier-ignore
      ['a condition that is empty', 'mirror', { table: ['shop.orders'], where: ' ' }, { name: 'UsageError' }],
      ['a condition that ends and goes on', 'mirror', { table: ['shop.orders'], where: '1; DELETE FROM t' }, { code: 'SNAPSHOT_WHERE' }], // prettier-ignore
      ['a flow that counts', 'counting', {}, { code: 'FLOW_INCREMENTS', message: expect.stringMatching(/sum is the operator aggregate.*tell saves in code/) }], // prettier-ignore
    ])('%s', async (_what, flow, options, error) => {
      await expect(take(flow, { ...options, detach: true })).rejects.toMatchObject(error);
      expect(await openRun(flow)).toBeUndefined();
    });

    it('nothing where a function says that it is repeatable', async () => {
      expect((await take('telling', { detach: true })).code).toBe(0);
    });

    it('words that are no command, and numbers of no run', async () => {
      await expect(runsOf(['shw', '1'])).rejects.toMatchObject({ name: 'UsageError', message: expect.stringContaining('show') });
      await expect(runsOf(['show'])).rejects.toMatchObject({ name: 'UsageError' });
      await expect(runsOf(['show', 'x'])).rejects.toMatchObject({ name: 'UsageError' });
      await expect(runsOf(['cancel', '999999'])).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
    });
  });

  it('runs show tells what a verify found that was left to the daemon', async () => {
    const { store } = flows;
    const id = await createRun(store, { flow: 'mirror', kind: 'verify', options: { repair: false }, isStart: false });
    expect((await runsOf(['show', id])).out).toMatch(/^repair +no$/m);
    await store.query(
      `INSERT INTO kis_verify (run, flow, position, held_ms, row_count, missing, extra, different, excused, compared_at)
       VALUES (?, 'mirror', 'binlog.000007:4', 12, 40, 0, 0, 1, 0, UTC_TIMESTAMP(3))`,
      [id],
    );
    await store.query(
      `INSERT INTO kis_verify_difference VALUES (?, 1, 's.mirror', '[5]', 'different', 0, '[{"name":"n","stored":"1","recomputed":"2"}]')`,
      [id],
    );
    const { out } = await runsOf(['show', id]);
    expect(out).toMatch(/^s\.mirror +5 +different +n +1 +2$/m);
    expect(out).toContain('40 rows compared as of binlog.000007:4');
    expect(documentOf(await runsOf(['show', id], {}, true))).toMatchObject({
      run: { id },
      verification: { different: 1 },
      differences: [{ number: 1, key: [5], fields: [{ name: 'n' }] }],
    });
  });

  it('status still works on a store that an older version has made', async () => {
    await flows.store.query('RENAME TABLE kis_run TO kis_run_aside');
    const { out } = await runCommand(status, { files });
    await flows.store.query('RENAME TABLE kis_run_aside TO kis_run');
    expect(out).toMatch(/^mirror +running/m);
  });
});
