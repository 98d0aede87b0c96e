import { beforeAll, expect, test } from 'vitest';
import { runs } from '../../src/cli/runs.ts';
import { status } from '../../src/cli/status.ts';
import { verify } from '../../src/cli/verify.ts';
import { UsageError, type CommandContext } from '../../src/cli/command.ts';
import { readRuns, setRunState } from '../../src/repair/run-record.ts';
import { beginDueVerify, readVerifyStatus } from '../../src/repair/verify-schedule.ts';
import { eachServer } from '../support/servers.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';
import { documentOf, runCommand, type CommandOutcome } from './run-command.ts';
import { createStoredFlows, type StoredFlows } from './stored-flows.ts';

eachServer((_flavour, server) => {
  let flows: StoredFlows;
  let files: Record<string, string>;
  const names = ['mirror', 'stateful', 'other'];

  beforeAll(async () => {
    flows = await createStoredFlows(server);
    for (const flow of names) await flows.hold(flow, { ttlMs: 3_600_000 });
    await flows.store.query(
      "INSERT INTO kis_aggregate (flow, fname, definition, plan) VALUES ('stateful', 'Sum', '{}', 'counts'), ('gone', 'Sum', '{}', 'counts')",
    );
    files = {
      'conf/global.yml': globalYaml(flows.url),
      'conf/source.yml': sourceYaml('mysql://nobody@127.0.0.1:1'),
      ...Object.fromEntries(names.map((flow) => [`conf/${flow}.yml`, mirrorYaml({ flow, tables: ['shop.*'], key: flow })])),
    };
  });

  const ask = (flow: string, options: CommandContext['options'], json = false): Promise<CommandOutcome> =>
    runCommand(verify, { files, positionals: [flow], options, json });
  const scheduleOf = async (flow: string): Promise<unknown> => (await readVerifyStatus(flows.store)).get(flow)?.schedule ?? null;
  const statusOf = async (): Promise<string> => (await runCommand(status, { files })).out;

  test('--every stores how often and begins nothing; it says when a run is due, and so does status, with what the last one found', async () => {
    const { code, out } = await ask('mirror', { every: '6h', repair: true, 'rows-per-second': '500' });
    expect(code).toBe(0);
    expect(out).toMatch(/^Flow mirror is verified every 6 h 0 min, and what differs is mended\. The next run is due now: /);
    expect(await scheduleOf('mirror')).toMatchObject({ everyMs: 6 * 3_600_000, repair: true, rowsPerSecond: 500 });
    expect(await readRuns(flows.store, { flow: 'mirror', limit: 9 })).toEqual([]);
    expect(await statusOf()).toContain('\nmirror: verify: every 6 h 0 min with repair; never done yet; the next is due now.');

    const id = (await beginDueVerify(flows.store, 'mirror')) ?? '';
    expect((await ask('mirror', { every: '2h' })).out).toBe(
      'Flow mirror is verified every 2 h 0 min. A run is under way; the next one is due as long after its end.',
    );
    expect(await statusOf()).toContain('never done yet; one is under way.');
    await flows.store.query(
      `INSERT INTO kis_verify (run, flow, position, held_ms, row_count, missing, extra, different, excused, compared_at)
       VALUES (?, 'mirror', 'b.1:4', 1, 9, 0, 2, 1, 0, UTC_TIMESTAMP(3))`,
      [id],
    );
    await setRunState(flows.store, id, 'done');
    const again = await ask('mirror', { every: '3h' });
    expect(again.out).toMatch(/The next run is due in (3 h 0|2 h 59) min, at \d{4}-\d\d-\d\dT[\d:.]+Z: /);
    expect(await statusOf()).toMatch(
      /\nmirror: verify: every 3 h 0 min; last done [\d.]+ m?s ago: 3 rows were wrong; the next is due in (3 h 0|2 h 59) min\.\n {2}`kisflow runs show \d+`/,
    );
    expect(documentOf(await runCommand(status, { files, json: true }))).toMatchObject({
      flows: [
        {
          flow: 'mirror',
          verify: {
            schedule: { everyMs: 10_800_000, dueAt: expect.stringMatching(/\.\d{3}Z$/) },
            last: { run: id, differences: 3 },
          },
        },
        { flow: 'other', verify: { schedule: null, last: null } },
        {},
      ],
    });
    const shown = await runCommand(runs, { files, positionals: ['show', id] });
    expect(shown.out).toContain('a verify, by the schedule of the flow');
    expect(shown.out).toContain('0 missing, 2 extra, 1 different.');
    expect(documentOf(await runCommand(runs, { files, positionals: ['show', id], json: true }))).toMatchObject({
      run: { id, isScheduled: true },
      verification: { extra: 2 },
    });

    expect((await ask('mirror', { every: 'off' })).out).toBe('Flow mirror is not verified by itself any more.');
    expect(documentOf(await ask('mirror', { every: 'off' }, true))).toEqual({
      flow: 'mirror',
      schedule: null,
      message: 'Flow mirror was not verified by itself.',
    });
    expect(await statusOf()).toMatch(/\nmirror: verify: last done [\d.]+ m?s ago: 3 rows were wrong\.$/m);
  });

  test('what cannot be is refused, and nothing is stored; a flow that is not configured any more can be let go of', async () => {
    for (const every of ['', '0m', '59s', '59999ms', '367d', '6', 'h', '-1h', '6 hours', 'OFF']) {
      await expect(ask('other', { every }), every).rejects.toThrow(UsageError);
    }
    await expect(ask('other', { every: '6h', detach: true })).rejects.toThrow(UsageError);
    await expect(ask('other', { every: '6h', 'rows-per-second': '0' })).rejects.toThrow(UsageError);
    for (const more of [{ repair: true }, { 'rows-per-second': '5' }])
      await expect(ask('other', { every: 'off', ...more })).rejects.toThrow(UsageError);
    await expect(ask('othr', { every: '6h' })).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
    await expect(ask('othr', { every: 'off' })).rejects.toMatchObject({ code: 'NAME_UNKNOWN' });
    await expect(ask('stateful', { every: '6h', repair: true })).rejects.toMatchObject({ code: 'VERIFY_KEEPS_STATE' });
    expect((await flows.store.query('SELECT flow FROM kis_verify_schedule')).rows).toEqual([]);
    expect((await ask('stateful', { every: '1m' })).code).toBe(0);
    await flows.store.query("UPDATE kis_verify_schedule SET flow = 'gone'");
    expect((await ask('gone', { every: 'off' })).out).toBe('Flow gone is not verified by itself any more.');
  });

  test('a store that an older version has made is shown as one in which nothing is verified', async () => {
    await flows.store.query('DROP TABLE kis_verify_schedule');
    await flows.store.query('ALTER TABLE kis_run DROP COLUMN is_scheduled');
    expect(await statusOf()).not.toContain('verify');
    expect((await runCommand(runs, { files })).code).toBe(0);
  });
});
