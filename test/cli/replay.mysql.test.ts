import { beforeAll, expect, it } from 'vitest';
import type { CommandContext } from '../../src/cli/command.ts';
import { replay } from '../../src/cli/replay.ts';
import { formatPosition, parsePosition, type Position } from '../../src/row/position.ts';
import { readOpenRuns, setRunState } from '../../src/repair/run-record.ts';
import type { Run } from '../../src/repair/run.ts';
import { never, openSource, purgeTo } from '../source/reading.ts';
import { createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';
import { runCommand } from './run-command.ts';
import { createStoredFlows, type StoredFlows } from './stored-flows.ts';

const counting = `kistype: flow
flow_name: counting
source: {name: main, tables: [shop.orders], rows: change, start: latest}
flows: [{fname: sum}]
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
`;

eachServer((flavour) => {
  let flows: StoredFlows;
  let files: Record<string, string>;
  /** Ends of transactions, the first ones in a file that is purged; the flow stands at the last but one. */
  let places: { readonly purged: Position; readonly first: Position; readonly stands: Position; readonly last: Position };

  beforeAll(async () => {
    const server = await startPrivateServer(flavour);
    const { connection } = await createDatabase(server, 'source');
    const source = openSource(server.url);
    const write = async (): Promise<Position> => {
      await connection.query('INSERT INTO t VALUES ()');
      return source.head(never);
    };
    await connection.query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY)');
    const purged = await write();
    await connection.query('FLUSH BINARY LOGS');
    await purgeTo(connection, source, (await write()).file);
    const first = await write();
    const stands = await write();
    places = { purged, first, stands, last: await write() };
    flows = await createStoredFlows(server);
    for (const flow of ['mirror', 'counting']) await flows.hold(flow, { ttlMs: 3_600_000 });
    await flows.store.query('UPDATE kis_checkpoint SET position = ?', [formatPosition(stands)]);
    files = {
      'conf/global.yml': globalYaml(flows.url),
      'conf/source.yml': sourceYaml(server.url),
      'conf/mirror.yml': mirrorYaml({ flow: 'mirror', tables: ['shop.*'], key: 'mirror' }),
      'conf/fresh.yml': mirrorYaml({ flow: 'fresh', tables: ['shop.*'], key: 'fresh' }),
      'conf/counting.yml': counting,
    };
  }, 60_000);

  const take = (flow: string, options: CommandContext['options']) =>
    runCommand(replay, { files, positionals: [flow], options: { detach: true, ...options } });
  const openRun = async (): Promise<Run | undefined> => (await readOpenRuns(flows.store))[0];
  const shortOf = ({ file, offset }: Position): string => `${file}:${offset}`;

  it('makes a run of the stretch that was asked for, up to where the flow stands; a second one is refused', async () => {
    const { first, stands, last } = places;
    const whole = { from: formatPosition(first), to: formatPosition(stands) };
    const asked: readonly CommandContext['options'][] = [
      { from: shortOf(first) },
      { from: formatPosition(first) },
      { from: formatPosition({ ...first, rows: 7 }) },
      { from: shortOf(first), to: shortOf(stands) },
    ];
    for (const options of asked) {
      const { code, out } = await take('mirror', options);
      const run = await openRun();
      expect(code).toBe(0);
      expect(run).toMatchObject({ kind: 'replay', flow: 'mirror', isStart: false, options: whole });
      expect(out).toContain(`Replay ${run?.id} of flow mirror goes on by itself.`);
      await expect(take('mirror', options)).rejects.toMatchObject({
        code: 'RUN_EXISTS',
        message: expect.stringContaining(`run ${run?.id}`),
      });
      await setRunState(flows.store, run?.id ?? '', 'done');
    }
    await take('mirror', { from: 'earliest', to: shortOf(last) });
    expect((await openRun())?.options).toMatchObject({ to: formatPosition(last) });
    await setRunState(flows.store, (await openRun())?.id ?? '', 'done');
    if (first.gtid === '') return;
    await take('mirror', { from: first.gtid, to: `gone.000001:4 gtid=${stands.gtid} server=another` });
    const { from = '', to = '' } = (await openRun())?.options ?? {};
    expect(parsePosition(from)).toMatchObject({ gtid: first.gtid });
    expect(parsePosition(to)).toMatchObject({ gtid: stands.gtid, server: '' });
    await setRunState(flows.store, (await openRun())?.id ?? '', 'done');
  });

  const notExecuted = flavour === 'mysql' ? '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5' : '77-1-5';

  it.each<[string, string, () => CommandContext['options'], Readonly<Record<string, unknown>>]>([
    ['a flow that there is not', 'miror', () => ({ from: 'earliest' }), { code: 'NAME_UNKNOWN' }],
    ['a flow that has never run', 'fresh', () => ({ from: 'earliest' }), { code: 'NAME_UNKNOWN', message: expect.stringContaining('has never run') }], // prettier-ignore
    ['a flow that counts', 'counting', () => ({ from: 'earliest' }), { code: 'FLOW_INCREMENTS', message: expect.stringContaining('sum is the operator aggregate') }], // prettier-ignore
    ['no beginning', 'mirror', () => ({}), { name: 'UsageError' }],
    ['a word that is no position', 'mirror', () => ({ from: 'yesterday' }), { code: 'SOURCE_POSITION_INVALID' }],
    ['the end of the binlog', 'mirror', () => ({ from: 'latest' }), { code: 'SOURCE_POSITION_INVALID' }],
    ['a file that there is not', 'mirror', () => ({ from: 'no.000999:4' }), { code: 'SOURCE_POSITION_INVALID' }],
    ['a place inside a transaction', 'mirror', () => ({ from: `${places.first.file}:${places.first.offset + 1}` }), { code: 'SOURCE_POSITION_INVALID' }], // prettier-ignore
    ['an end inside a transaction', 'mirror', () => ({ from: 'earliest', to: `${places.first.file}:${places.first.offset + 1}` }), { code: 'SOURCE_POSITION_INVALID' }], // prettier-ignore
    ['a place that is purged', 'mirror', () => ({ from: formatPosition(places.purged) }), { code: 'SOURCE_PURGED' }],
    ['a time before the oldest binlog', 'mirror', () => ({ from: '2001-01-01' }), { code: 'SOURCE_PURGED' }],
    ['GTIDs that were not executed', 'mirror', () => ({ from: notExecuted }), { code: 'SOURCE_POSITION_INVALID' }],
    ['a place on another server', 'mirror', () => ({ from: 'binlog.000001:4 server=another' }), { code: 'SOURCE_WRONG_SERVER' }],
    ['a place behind the flow', 'mirror', () => ({ from: shortOf(places.last) }), { code: 'REPLAY_RANGE', message: expect.stringContaining("flow mirror stands at") }], // prettier-ignore
    ['an end before the beginning', 'mirror', () => ({ from: shortOf(places.stands), to: shortOf(places.first) }), { code: 'REPLAY_RANGE', message: expect.stringContaining('its end is') }], // prettier-ignore
  ])('refuses %s, and makes no run', async (_what, flow, options, error) => {
    await expect(take(flow, options())).rejects.toMatchObject(error);
    expect(await openRun()).toBeUndefined();
  });
});
