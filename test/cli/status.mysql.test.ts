import { expect, test } from 'vitest';
import { readCheckpoint, stepCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { status } from '../../src/cli/status.ts';
import { CodedError } from '../../src/lib/error.ts';
import { keepDeadRows } from '../../src/repair/dead-row.ts';
import { lockNameOf } from '../../src/store/presence.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';
import { documentOf, runCommand } from './run-command.ts';
import { createStoredFlows } from './stored-flows.ts';

function project(storeUrl: string, flows: readonly string[]): Record<string, string> {
  return {
    'conf/global.yml': globalYaml(storeUrl),
    'conf/source.yml': sourceYaml('mysql://nobody@127.0.0.1:1'),
    ...Object.fromEntries(flows.map((flow) => [`conf/${flow}.yml`, mirrorYaml({ flow, tables: ['shop.*'], key: flow })])),
  };
}

eachServer((_flavour, server) => {
  test('a flow that a daemon holds is shown with freshness, lag, time until purge, rate, rows, position and daemon', async () => {
    const { url, hold } = await createStoredFlows(server);
    await hold('mirror');
    const { code, out } = await runCommand(status, { files: project(url, ['mirror']) });
    expect(code).toBe(0);
    expect(out).toMatch(
      /^mirror +running +\d\.\d s +40 ms +2\.0 kB +(36 h 0|35 h 59) min +1,200 +1,500 +0 +0 +binlog\.000007:1234$/m,
    );
    expect(out).toMatch(/^daemon: host-a:4711$/m);
  });

  test('a flow with dead rows says how many, and how to look at them; a store that an older version has made has none', async () => {
    const { url, hold, store } = await createStoredFlows(server);
    await hold('mirror');
    const place = {
      flow: 'mirror',
      fname: 'Save',
      code: 'STORE_CONSTRAINT',
      message: 'refused',
      stack: undefined,
      position: 'b.1:4',
    };
    const state = { state: 'dead', waitMs: 0, keys: [], absent: [] } as const;
    const dead = {
      ...place,
      ...state,
      table: 'shop.orders',
      key: { id: 1 },
      op: 'insert',
      before: null,
      after: { id: 1 },
      time: 0,
    } as const;
    await store.transaction((transaction) => keepDeadRows(transaction, [dead, dead, dead]));
    const files = project(url, ['mirror']);
    const { out } = await runCommand(status, { files });
    expect(out).toMatch(/^mirror +running .* +1,500 +3 +/m);
    expect(out).toContain('kisflow dead-rows list --flow mirror');
    expect(documentOf(await runCommand(status, { files, json: true }))).toMatchObject({ flows: [{ flow: 'mirror', deadRows: 3 }] });
    await store.query('DROP TABLE kis_dead_row');
    expect((await runCommand(status, { files })).out).toMatch(/^mirror +running .* +1,500 +0 +/m);
  });

  test('a flow whose daemon died is stopped once its lease has expired: its lag is not known, its age and the time until purge go on', async () => {
    const { url, hold } = await createStoredFlows(server);
    await hold('mirror', { ttlMs: 50 });
    const out = await waitFor(async () => {
      const outcome = await runCommand(status, { files: project(url, ['mirror']) });
      return outcome.out.includes('stopped') && outcome.out;
    });
    expect(out).toMatch(
      /^mirror +stopped +\d+\.\d s +- +- +3[56] h \d+ min +- +1,500 +0 +0 +binlog\.000007:1234 +host-a:4711 \(gone\)$/m,
    );
  });

  test('a daemon that is connected and cannot renew its lease is not called gone: the store is read-only, or it hangs', async () => {
    const { url, hold, store } = await createStoredFlows(server);
    await hold('mirror', { ttlMs: 50 });
    const presence = await store.openSession();
    await presence.query(`SELECT GET_LOCK(${lockNameOf("'host-a:4711:0a1b2c3d'")}, 0)`);
    const ask = () => runCommand(status, { files: project(url, ['mirror']) });
    const askFor = (word: string): Promise<string> =>
      waitFor(async () => {
        const { out: said } = await ask();
        return said.includes(word) && said;
      });
    const out = await askFor('(silent)');
    expect(out).toMatch(/^mirror +running .* - +- +.* +host-a:4711 \(silent\)$/m);
    expect(out).toContain('mirror: its daemon is connected to the store, but has let its lease run out');
    await presence.close();
    // the server gives the lock up a moment after the farewell
    expect(await askFor('(gone)')).toMatch(/^mirror +stopped .*\(gone\)$/m);
  });

  test('an enabled flow that has failed makes the exit code 1, and its error is shown with what mends it', async () => {
    const { url, hold, records } = await createStoredFlows(server);
    await hold('mirror');
    await records.setState('mirror', 'failed', new CodedError('STORE_TABLE_MISSING', 'The table shop.x does not exist'));
    const { code, out } = await runCommand(status, { files: project(url, ['mirror']) });
    expect(code).toBe(1);
    expect(out).toMatch(/^mirror +failed .* STORE_TABLE_MISSING$/m);
    expect(out).toContain('mirror: STORE_TABLE_MISSING: The table shop.x does not exist');
    expect(out).toContain('kisflow resume mirror');
  });

  test('of a flow whose binlog is gone no time is left, and what mends it is a command for this flow', async () => {
    const { url, hold, records } = await createStoredFlows(server);
    await hold('mirror');
    await records.setState('mirror', 'failed', new CodedError('SOURCE_PURGED', 'x'));
    const { out } = await runCommand(status, { files: project(url, ['mirror']) });
    expect(out).toMatch(/^mirror +failed .* purged .* SOURCE_PURGED$/m);
    expect(out).toContain('`kisflow rebuild mirror`');
  });

  test('a failed flow that is disabled does not make the exit code 1', async () => {
    const { url, hold, records } = await createStoredFlows(server);
    await hold('mirror');
    await records.setState('mirror', 'failed', new CodedError('INTERNAL', 'x'));
    const files = { ...project(url, []), 'conf/m.yml': mirrorYaml({ flow: 'mirror', tables: ['shop.*'], key: 'm', status: 0 }) };
    expect((await runCommand(status, { files })).code).toBe(0);
  });

  test('flows of the configuration without a record are never run; flows that only the store knows are named too', async () => {
    const { url, hold } = await createStoredFlows(server);
    await hold('old');
    const outcome = await runCommand(status, { files: project(url, ['fresh']), json: true });
    expect(documentOf(outcome)).toMatchObject({
      flows: [
        { flow: 'fresh', state: 'never run', position: null, isConfigured: true },
        { flow: 'old', state: 'running', rowsTotal: 1500, lastChange: '2026-01-31T12:00:00.000Z', isConfigured: false },
      ],
    });
  });

  test('the last change is the last that had rows for the flow, whatever passed since; of a store of an older version, whatever passed', async () => {
    const { url, hold, store } = await createStoredFlows(server);
    await hold('old');
    const { epoch = 0, position, sequence = 0 } = (await readCheckpoint(store, 'old')) ?? {};
    if (position === undefined) throw new Error('there is no checkpoint');
    await stepCheckpoint(store, { flow: 'old', position, epoch, sequence, time: Date.UTC(2026, 1, 1), rows: 0 });
    const lastChange = async (): Promise<unknown> => documentOf(await runCommand(status, { files: project(url, []), json: true }));
    expect(await lastChange()).toMatchObject({ flows: [{ lastChange: '2026-01-31T12:00:00.000Z' }] });
    await store.query('ALTER TABLE kis_checkpoint DROP COLUMN changed_time');
    expect(await lastChange()).toMatchObject({ flows: [{ lastChange: '2026-02-01T00:00:00.000Z' }] });
  });

  test('a store in which nothing has run is left as it is, and every flow is never run', async () => {
    const { connection, name, url } = await createDatabase(server);
    await connection.query(`DROP DATABASE \`${name}\``);
    const { code, out } = await runCommand(status, { files: project(url, ['mirror']) });
    expect(code).toBe(0);
    expect(out).toMatch(/^mirror +never run/m);
    const [rows] = await connection.query('SHOW DATABASES LIKE ?', [name]);
    expect(rows).toEqual([]);
  });

  test('a store that does not answer ends with its code', async () => {
    const files = project('mysql://root@127.0.0.1:1/kisflow', ['mirror']);
    await expect(runCommand(status, { files })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  });
});
