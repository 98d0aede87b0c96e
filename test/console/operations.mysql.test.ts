import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { allOperations } from '../../src/console/api/operations.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { createRun } from '../../src/repair/run-record.ts';
import { openStore } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { codeBlocks, readPage } from '../support/documents.ts';
import { eachServer } from '../support/servers.ts';
import { createShopProject, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { spawnWatched } from '../support/watched-daemon.ts';
import { ApiClient, readAnswer } from './api-client.ts';
import { startsRuns } from './starting-runs.ts';

const run = promisify(execFile);

const token = 'token-of-the-operations-test';

interface Served {
  readonly project: ShopProject;
  readonly url: string;
  readonly api: ApiClient;
}

/** A daemon whose copy of the orders takes no negative amounts, with the dead rows 1 to 3 of the orders -1, -2 and -3. */
async function serve(server: SqlAddress): Promise<Served> {
  const project = await createShopProject({
    source: server,
    store: server,
    start: 'earliest',
    global: `http: {listen: "127.0.0.1:0", token: "${token}", hosts: [kisflow.test]}`,
    mirror: 'lineage: true',
    files: {
      'migrations/001-tables.sql':
        'CREATE TABLE orders_copy (id INT PRIMARY KEY, customer INT NOT NULL, cents INT UNSIGNED NOT NULL, note VARCHAR(200));\n' +
        'CREATE TABLE totals (customer INT PRIMARY KEY, n BIGINT NOT NULL, cents BIGINT NOT NULL);\n',
    },
  });
  await project.source.connection.query(
    "INSERT INTO orders VALUES (1, 1, 100, 'a'), (2, 1, -1, 'b'), (3, 1, -1, NULL), (4, 2, -1, NULL), (5, 2, 7, NULL)",
  );
  const { url } = await spawnWatched(project);
  const { body: document } = await readAnswer(
    await fetch(`${url}/api/v1/openapi.json`, { headers: { authorization: `Bearer ${token}` } }),
  );
  const api = new ApiClient({ url, token, document });
  await waitFor(
    async () => {
      const { body } = await api.call('listDeadRows', { query: { state: 'dead' } });
      return listOf(body['deadRows']).length === 3;
    },
    { deadlineMs: 60_000, pollMs: 200, what: 'three dead rows' },
  );
  return { project, url, api };
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(value)) throw new Error(`no list: ${JSON.stringify(value)}`);
  return value;
}

eachServer((_flavour, server) => {
  test('the document is valid, and every operation in it answers on a daemon as it says', async () => {
    const { project, url, api } = await serve(server);
    expect(await new Validator().validate(JSON.parse(JSON.stringify(api.document)))).toEqual({ valid: true });

    await readsFlows(api);
    await pausesAndResumes(api);
    await readsTables(api);
    await pagesDeadRows(api);
    await actsOnDeadRows(api, project);
    await readsAndEndsRuns(api, project);
    await startsRuns(api, project);
    await api.call('getDocument');
    expect(api.uncalled).toEqual([]);
    await refusesWhatItDoesNotTake(url);
    await doesWhatThePageSays(url, project);
  }, 120_000);
});

/** Every curl line of docs/api.md, pasted into a shell. */
async function doesWhatThePageSays(url: string, { source }: ShopProject): Promise<void> {
  const lines = codeBlocks(readPage('docs/api.md'))
    .filter(({ language }) => language === 'sh')
    .flatMap(({ code }) => code.trim().split('\n'));
  expect(lines.length).toBeGreaterThan(5);
  const env = { ...process.env, KISFLOW_HTTP_TOKEN: token };
  for (const line of lines) {
    const { stdout } = await run(
      'sh',
      ['-c', line.replace('http://127.0.0.1:8060', url).replace('shop.orders', `${source.name}.orders`)],
      { env },
    );
    expect(JSON.parse(stdout), line).not.toHaveProperty('error.code');
  }
}

test('the page names every operation', () => {
  const named = [...readPage('docs/api.md').matchAll(/^\| `((?:GET|POST) [^`]+)`/gm)].map((match) => match[1]);
  expect(named).toEqual(allOperations('0').map(({ method, path }) => `${method} ${path}`));
});

async function readsFlows(api: ApiClient): Promise<void> {
  const { body } = await api.call('listFlows');
  expect(listOf(body['flows'])).toMatchObject([
    { flow: 'mirror', state: 'running', isHeld: true, deadRows: 3, error: null },
    { flow: 'totals', state: 'running', isHeld: true, deadRows: 0 },
  ]);
  expect(listOf(body['daemons'])).toHaveLength(1);
  expect((await api.call('getFlow', { path: { flow: 'mirror' } })).body).toMatchObject({ flow: 'mirror', rowsTotal: 5 });
  const { body: refusal } = await api.call('getFlow', { path: { flow: 'miror' }, status: 404 });
  expect(refusal).toMatchObject({
    error: {
      code: 'NAME_UNKNOWN',
      message: expect.stringContaining('"mirror"'),
      remedy: expect.stringContaining('kisflow status'),
    },
  });
  await api.call('getFlow', { path: { flow: "a/b'`;<script>" }, status: 404 });
}

async function pausesAndResumes(api: ApiClient): Promise<void> {
  const { body: paused } = await api.call('pauseFlow', { path: { flow: 'totals' } });
  expect(paused).toMatchObject({ flow: 'totals', before: 'running', state: 'paused', wanted: 'pause', isHeld: true });
  expect((await api.call('getFlow', { path: { flow: 'mirror' } })).body).toMatchObject({ state: 'running' });
  const { body: resumed } = await api.call('resumeFlow', { path: { flow: 'totals' } });
  expect(resumed).toMatchObject({ before: 'paused', state: 'running', message: expect.stringContaining('runs from') });
  await api.call('pauseFlow', { path: { flow: 'nobody' }, status: 404 });
  await api.call('pauseFlow', { path: { flow: 'totals' }, body: { force: true }, status: 400 });
}

async function readsTables(api: ApiClient): Promise<void> {
  const { body } = await api.call('listTables');
  expect(listOf(body['tables']).map(({ table }) => String(table).split('.')[1])).toEqual(['orders_copy', 'totals']);
  const { body: table } = await api.call('getTable', { path: { table: 'orders_copy' } });
  expect(table).toMatchObject({ rows: 2, isExact: true, owners: [{ flow: 'mirror' }] });
  expect(listOf(table['columns'])[0]).toMatchObject({ name: 'id', keyPart: 1, owner: 'mirror' });
  const { body: row } = await api.call('getTableRow', { path: { table: 'orders_copy' }, query: { key: '5' } });
  expect(row).toMatchObject({ row: { id: 5, customer: 2, cents: 7, note: null }, owners: [{ flow: 'mirror' }] });
  const trace = { flow: 'mirror', function: 'SaveOrders', known: 'change', read: null };
  expect(row).toMatchObject({ lineage: { fields: [{ field: 'id', trace }, {}, {}, {}], notes: [] } });
  const { body: total } = await api.call('getTableRow', { path: { table: 'totals' }, query: { key: '2' } });
  expect(total).not.toHaveProperty('lineage');
  await api.call('getTableRow', { path: { table: 'orders_copy' }, query: { key: '5 OR 1=1' }, status: 404 });
  await api.call('getTableRow', { path: { table: 'orders_copy' }, status: 400 });
  await api.call('getTable', { path: { table: 'mysql.user' }, status: 404 });
}

async function pagesDeadRows(api: ApiClient): Promise<void> {
  const ids = async (query: Readonly<Record<string, string>>): Promise<string> => {
    const { body } = await api.call('listDeadRows', { query });
    return `${listOf(body['deadRows']).map(({ id }) => id).join()} ${JSON.stringify(body['next'])}`; // prettier-ignore
  };
  expect(await ids({})).toBe('3,2,1 null');
  expect(await ids({ limit: '2' })).toBe('3,2 "2"');
  expect(await ids({ limit: '2', after: '2' })).toBe('1 null');
  for (const query of [{ flow: 'mirror' }, { code: 'STORE_CONSTRAINT' }, { flow: 'mirror', code: 'STORE_CONSTRAINT' }]) {
    expect(await ids({ ...query, limit: '2' })).toBe('3,2 "2"');
    expect(await ids({ ...query, limit: '2', after: '2' })).toBe('1 null');
  }
  for (const query of [{ flow: 'totals' }, { code: 'ROW_INVALID' }, { state: 'discarded' }, { flow: "x' OR '1" }])
    expect(await ids(query)).toBe(' null');
  for (const query of [{ limit: '0' }, { limit: '201' }, { limit: '1e3' }, { limit: '' }, { state: 'alive' }, { after: '-1' }])
    await api.call('listDeadRows', { query, status: 400 });
  const { body } = await api.call('listDeadRows', { query: { flows: 'mirror' }, status: 400 });
  expect(body).toMatchObject({ error: { code: 'REQUEST_INVALID', message: '"flows" is no parameter; did you mean "flow"?' } });
  const { body: row } = await api.call('getDeadRow', { path: { id: '1' } });
  expect(row).toMatchObject({ key: '{"id":2}', code: 'STORE_CONSTRAINT', change: { before: null, after: { id: 2, note: 'b' } } });
  for (const id of ['99', '1x', '1 OR 1', '']) {
    if (id !== '') await api.call('getDeadRow', { path: { id }, status: 404 });
  }
}

async function actsOnDeadRows(api: ApiClient, { store }: ShopProject): Promise<void> {
  const { body: discarded } = await api.call('discardDeadRows', { body: { ids: ['1'] } });
  expect(discarded).toMatchObject({ wish: 'discard', chosen: 1, rows: [{ id: '1', flow: 'mirror' }], hasMore: false });
  await waitFor(async () => (await api.call('getDeadRow', { path: { id: '1' } })).body['state'] === 'discarded');
  const { body: refusal } = await api.call('retryDeadRows', { body: { ids: ['1', '2'] }, status: 409 });
  expect(refusal).toMatchObject({ error: { code: 'ROW_NOT_DEAD' } });
  expect((await api.call('getDeadRow', { path: { id: '2' } })).body['wish']).toBe(null);
  await store.connection.query('ALTER TABLE orders_copy MODIFY cents INT NOT NULL');
  const { body: retried } = await api.call('retryDeadRows', { body: { flow: 'mirror', code: 'STORE_CONSTRAINT' } });
  expect(retried).toMatchObject({ wish: 'retry', chosen: 2, overtakenCount: 0 });
  await waitFor(
    async () => {
      const [rows] = await store.connection.query<RowDataPacket[]>('SELECT id FROM orders_copy WHERE cents < 0 ORDER BY id');
      return rows.map(({ id }) => id).join() === '3,4'; // prettier-ignore
    },
    { deadlineMs: 30_000, what: 'the two rows' },
  );
  await api.call('getDeadRow', { path: { id: '2' }, status: 404 });
  expect((await api.call('retryDeadRows', { body: { all: true } })).body).toMatchObject({ chosen: 0, rows: [] });
  for (const body of [
    {},
    { all: true, flow: 'mirror' },
    { ids: [] },
    { ids: [1] },
    { ids: ['x'] },
    { all: false },
    [],
    'x',
    { idss: ['1'] },
  ])
    await api.call('retryDeadRows', { body, status: 400 });
  await api.call('discardDeadRows', { body: { ids: ['1'], outOfOrder: true }, status: 400 });
  await api.call('retryDeadRows', { body: { flow: 'nobody' }, status: 404 });
}

/** A run of a flow that no daemon has, so that what is wished stands. */
async function readsAndEndsRuns(api: ApiClient, { env }: ShopProject): Promise<void> {
  const store = await openStore({ url: env['STORE_URL'] ?? '' });
  onEnd(() => store.close());
  const tables = [{ sourceTable: 'shop.orders', keyColumns: ['id'], rowsTotal: 40 }];
  const id = await createRun(store, { flow: 'nobody', kind: 'snapshot', options: {}, isStart: false, tables });
  expect(listOf((await api.call('listRuns', { query: { flow: 'nobody' } })).body['runs'])).toHaveLength(1);
  expect((await api.call('getRun', { path: { id } })).body).toMatchObject({
    state: 'waiting',
    rowsTotal: 40,
    standing: 'flow nobody is not run',
  });
  expect((await api.call('pauseRun', { path: { id } })).body).toMatchObject({ wish: 'pause' });
  await api.call('resumeRun', { path: { id } });
  expect((await api.call('cancelRun', { path: { id } })).body).toMatchObject({ state: 'cancelled', wish: null });
  await api.call('pauseRun', { path: { id }, status: 409 });
  for (const other of ['99', 'x', '1 OR 1']) await api.call('getRun', { path: { id: other }, status: 404 });
}

async function refusesWhatItDoesNotTake(url: string): Promise<void> {
  const authorization = `Bearer ${token}`;
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await readAnswer(await fetch(`${url}${path}`, init));
    return `${answer.status} ${String(Reflect.get(Object(answer.body['error']), 'code'))}`;
  };
  const json = { authorization, 'content-type': 'application/json' };
  expect(await ask('/api/v1/flows')).toBe('401 REQUEST_UNAUTHORIZED');
  expect(await ask('/api/v1/nothing')).toBe('401 REQUEST_UNAUTHORIZED');
  expect(await ask('/api')).toBe('401 REQUEST_UNAUTHORIZED');
  expect(await ask('/api/v1/nothing', { headers: { authorization } })).toBe('404 REQUEST_PATH_UNKNOWN');
  expect(await ask('/api/v1/flows/', { headers: { authorization } })).toBe('404 REQUEST_PATH_UNKNOWN');
  expect(await ask('/api/v1/flows/%zz', { headers: { authorization } })).toBe('400 REQUEST_INVALID');
  expect(await ask('/api/v1/flows?flow=x', { headers: { authorization } })).toBe('400 REQUEST_INVALID');
  expect(await ask('/api/v1/dead-rows?flow=x&flow=y', { headers: { authorization } })).toBe('400 REQUEST_INVALID');
  expect(await ask('/api/v1/flows/mirror/pause', { method: 'POST', headers: { authorization } })).toBe('415 REQUEST_MEDIA_TYPE');
  expect(await ask('/api/v1/dead-rows/retry', { method: 'POST', headers: json, body: '{' })).toBe('400 REQUEST_INVALID');
  expect(await ask('/api/v1/dead-rows/retry', { method: 'POST', headers: json, body: ' '.repeat(70_000) })).toBe(
    '413 REQUEST_TOO_LARGE',
  );
  const deleted = await fetch(`${url}/api/v1/flows`, { method: 'DELETE', headers: json });
  expect([deleted.status, deleted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  const got = await fetch(`${url}/api/v1/flows/mirror/pause`, { headers: { authorization } });
  expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
  const head = await fetch(`${url}/api/v1/flows`, { method: 'HEAD', headers: { authorization } });
  expect([head.status, await head.text()]).toEqual([200, '']);
  expect(Object.fromEntries(head.headers)).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  expect([...head.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
}
