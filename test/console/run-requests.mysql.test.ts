import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { apiHandler } from '../../src/console/api/api-handler.ts';
import { allOperations } from '../../src/console/api/operations.ts';
import { nothingKnown } from '../../src/daemon/operators.ts';
import { requestVerify } from '../../src/daemon/operate/request-verify.ts';
import type { HttpHandler } from '../../src/lib/http-server.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { readRuns } from '../../src/repair/run-record.ts';
import { formatPosition, type Position } from '../../src/row/position.ts';
import { globalYaml, mirrorYaml, sourceYaml } from '../cli/project-yaml.ts';
import { createStoredFlows, type StoredFlows } from '../cli/stored-flows.ts';
import { never, openSource } from '../source/reading.ts';
import { createFolder } from '../support/daemon-process.ts';
import { createDatabase, eachServer } from '../support/servers.ts';

const token = 'token-of-the-requests-test';
const counting =
  'kistype: flow\nflow_name: counting\nsource: {name: main, tables: [shop.orders], rows: change, start: latest}\nflows: [{fname: sum}]\n---\n' +
  'kistype: func\nfname: sum\nfmode: Save\noperator: aggregate\nwith: {key: [customer], fields: {spent: sum(price)}}\noption: {cname: spent}\n---\n' +
  'kistype: conn\ncname: spent\ntype: mysql\naddrs: store\nkey: spent\n';
const fed = 'kistype: flow\nflow_name: fed\nflows: [{fname: pass}]\n---\nkistype: func\nfname: pass\nfmode: Calculate\n';
const lost = mirrorYaml({ flow: 'lost', tables: ['shop.*'], key: 'lost' }).replace('name: main', 'name: gone');
const gone = sourceYaml('mysql://nobody@127.0.0.1:1').replace('name: main', 'name: gone');

interface Asked {
  readonly path: string;
  readonly body?: unknown;
  readonly hasToken?: boolean;
}

/** As the daemon answers what comes by HTTP. */
function askerOf(handler: HttpHandler) {
  return async ({ path, body = {}, hasToken = true }: Asked) => {
    const authorization = hasToken ? { authorization: `Bearer ${token}` } : {};
    const { status, body: text } = await handler.answer({
      method: 'POST',
      path: `/api/v1/flows/${path}`,
      query: '',
      headers: { host: 'localhost', 'content-type': 'application/json', ...authorization },
      remoteAddress: '127.0.0.1',
      readBody: async () => Buffer.from(JSON.stringify(body)),
    });
    const answer: unknown = JSON.parse(text);
    const error: unknown = Reflect.get(Object(answer), 'error');
    return { outcome: `${status} ${String(Reflect.get(Object(error), 'code'))}`, answer };
  };
}

eachServer((_flavour, server) => {
  let flows: StoredFlows;
  let ask: ReturnType<typeof askerOf>;
  let askWithoutToken: ReturnType<typeof askerOf>;
  let places: { readonly stands: Position; readonly behind: Position };
  let configuration: Awaited<ReturnType<typeof loadConfiguration>>;

  beforeAll(async () => {
    flows = await createStoredFlows(server);
    for (const flow of ['mirror', 'counting', 'lost']) await flows.hold(flow, { ttlMs: 3_600_000 });
    await flows.store.query('CREATE TABLE mirror (id INT PRIMARY KEY)');
    const source = openSource(server.url);
    const stands = await source.head(never);
    await (await createDatabase(server)).connection.query('CREATE TABLE t (id INT)');
    places = { stands, behind: await source.head(never) };
    await flows.store.query('UPDATE kis_checkpoint SET position = ?', [formatPosition(stands)]);
    const folder = await createFolder({
      'global.yml': globalYaml(flows.url),
      'source.yml': sourceYaml(server.url),
      'gone.yml': gone,
      'mirror.yml': mirrorYaml({ flow: 'mirror', tables: ['shop.*'], key: 'mirror' }),
      'fresh.yml': mirrorYaml({ flow: 'fresh', tables: ['shop.*'], key: 'fresh' }),
      'lost.yml': lost,
      'counting.yml': counting,
      'fed.yml': fed,
    });
    configuration = await loadConfiguration({ dir: folder, env: {} });
    const [guarded, open] = [token, undefined].map((wanted) =>
      askerOf(
        apiHandler({
          operations: allOperations('0'),
          access: { token: wanted, hosts: [], listenHost: '127.0.0.1' },
          project: () => ({ configuration, functions: [], codeHashes: new Map(), kinds: new Map() }),
          readKnown: async () => nothingKnown,
          openStore: async () => flows.store,
          logger: silentLogger,
        }),
      ),
    );
    if (guarded === undefined || open === undefined) throw new Error('two were made');
    [ask, askWithoutToken] = [guarded, open];
  });

  const runsMade = async (): Promise<number> => (await readRuns(flows.store, { limit: 100 })).length;
  const orders = ['shop.orders'];
  const shortOf = ({ file, offset }: Position): string => `${file}:${offset}`;

  describe('refuses, with the code of the command, and makes no run of', () => {
    it.each<[string, string, object | (() => object), string, RegExp?]>([
      ['a flow that there is not', 'miror/snapshots', {}, '404 NAME_UNKNOWN', /"mirror"/],
      ['a flow that has never run', 'fresh/snapshots', {}, '404 NAME_UNKNOWN', /never run/],
      ['a flow without a source', 'fed/snapshots', {}, '404 SNAPSHOT_NO_TABLE'],
      ['a table that the flow does not read', 'mirror/snapshots', { tables: ['school.x'] }, '404 SNAPSHOT_NO_TABLE', /shop\.\*/],
      ['a table that is no name', 'mirror/snapshots', { tables: ['shop.*'] }, '400 REQUEST_INVALID', /takes schema\.table/],
      ['a condition without a table', 'mirror/snapshots', { where: 'id = 1' }, '400 REQUEST_INVALID', /where: .*table/],
      ['a condition that is empty', 'mirror/snapshots', { tables: orders, where: ' ' }, '400 REQUEST_INVALID'],
      ['a condition that writes', 'mirror/snapshots', { tables: orders, where: "1 INTO OUTFILE 'x'" }, '400 SNAPSHOT_WHERE'],
      ['the option of the command', 'mirror/snapshots', { table: 'shop.orders' }, '400 REQUEST_INVALID', /"tables"/],
      ['a snapshot of a flow that counts', 'counting/snapshots', {}, '409 FLOW_INCREMENTS', /sum is the operator aggregate/],
      ['a replay of a flow that counts', 'counting/replays', { from: 'earliest' }, '409 FLOW_INCREMENTS'],
      ['a replay from nowhere', 'mirror/replays', {}, '400 REQUEST_INVALID', /from: .*earliest/],
      ['a word that is no position', 'mirror/replays', { from: 'yesterday' }, '400 SOURCE_POSITION_INVALID'],
      ['a file that there is not', 'mirror/replays', { from: 'no.000999:4' }, '400 SOURCE_POSITION_INVALID'],
      ['a place on another server', 'mirror/replays', { from: 'b.000001:4 server=another' }, '409 SOURCE_WRONG_SERVER'],
      ['a place behind the flow', 'mirror/replays', () => ({ from: shortOf(places.behind) }), '400 REPLAY_RANGE', /stands at/],
      ['a source that does not answer', 'lost/replays', { from: 'earliest' }, '503 SOURCE_UNREACHABLE'],
      ['a rebuild of a flow that has never run', 'fresh/rebuilds', {}, '409 REBUILD_IMPOSSIBLE', /never run/],
      ['a rebuild of a flow without a source', 'fed/rebuilds', {}, '409 REBUILD_IMPOSSIBLE'],
      ['a rebuild of a table that is not there', 'lost/rebuilds', {}, '409 REBUILD_IMPOSSIBLE', /no table/],
      ['a rebuild of nothing', 'mirror/rebuilds', { from: 'latest' }, '400 REQUEST_INVALID', /from: takes earliest/],
      ['a verify of a flow that there is not', 'miror/verifies', {}, '404 NAME_UNKNOWN'],
      ['a verify of a flow that has never run', 'fresh/verifies', {}, '409 VERIFY_IMPOSSIBLE', /never run/],
      ['a verify of a flow without a source', 'fed/verifies', {}, '409 VERIFY_IMPOSSIBLE'],
      ['a verify that compares nothing', 'mirror/verifies', { rowsPerSecond: 0 }, '400 REQUEST_INVALID', /at least 1, not "0"/],
      ['a verify that may repair', 'mirror/verifies', { repair: 'maybe' }, '400 REQUEST_INVALID', /repair/],
    ])('%s', async (_what, path, body, outcome, says = /./) => {
      const before = await runsMade();
      const refused = await ask({ path, body: typeof body === 'function' ? body() : body });
      expect(refused.outcome, JSON.stringify(refused.answer)).toBe(outcome);
      expect(refused.answer).toMatchObject({ error: { message: expect.stringMatching(says), remedy: expect.any(String) } });
      expect(await runsMade()).toBe(before);
    });

    it('a repair of tables beside which state is kept', async () => {
      await flows.store.query(
        "INSERT INTO kis_aggregate (flow, fname, plan, definition) VALUES ('mirror', 'save_mirror', 'groups', '')",
      );
      expect((await ask({ path: 'mirror/verifies', body: { repair: true } })).outcome).toBe('409 VERIFY_KEEPS_STATE');
      await flows.store.query('DELETE FROM kis_aggregate');
    });
  });

  it('one run of each kind at a time: a second one is refused with the number of the first', async () => {
    const asked = [
      { path: 'mirror/snapshots', body: { tables: orders, where: 'id > 5' } },
      { path: 'mirror/replays', body: { from: shortOf(places.stands) } },
      { path: 'mirror/rebuilds' },
      { path: 'mirror/verifies', body: { rowsPerSecond: 10 } },
    ];
    for (const one of asked) {
      const { answer } = await ask(one);
      const id = String(Reflect.get(Object(answer), 'id'));
      expect(answer).toMatchObject({ flow: 'mirror', state: 'waiting', isStart: false });
      const second = await ask(one);
      expect(second.outcome).toBe('409 RUN_EXISTS');
      expect(second.answer).toMatchObject({ error: { message: expect.stringContaining(`run ${id}`) } });
    }
  });

  it('without a token in the configuration none is begun, from this machine either', async () => {
    const before = await runsMade();
    for (const kind of ['snapshots', 'replays', 'rebuilds', 'verifies']) {
      expect((await askWithoutToken({ path: `counting/${kind}` })).outcome).toBe('403 REQUEST_FORBIDDEN');
      expect((await ask({ path: `counting/${kind}`, hasToken: false })).outcome).toBe('401 REQUEST_UNAUTHORIZED');
    }
    expect(await runsMade()).toBe(before);
  });

  it('whoever has been told that it took too long has begun nothing', async () => {
    const before = await runsMade();
    const place = {
      configuration,
      store: flows.store,
      functions: async () => [],
      logger: silentLogger,
      signal: AbortSignal.abort(),
    };
    await flows.store.query("UPDATE kis_run SET state = 'done' WHERE kind = 'verify'");
    await expect(requestVerify(place, 'mirror', { repair: false })).rejects.toMatchObject({ code: 'STOP_DEADLINE' });
    expect(await runsMade()).toBe(before);
  });
});
