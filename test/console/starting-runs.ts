import type { RowDataPacket } from 'mysql2/promise';
import { expect } from 'vitest';
import type { ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import type { ApiAnswer, ApiClient } from './api-client.ts';

/** Starts a run of each kind of the copy of the orders, and sees by the API alone what comes of it. */
export async function startsRuns(api: ApiClient, project: ShopProject): Promise<void> {
  const { connection } = project.store;
  const orders = `${project.source.name}.orders`;
  await connection.query('DELETE FROM orders_copy');
  await endOf(api, 'startSnapshot', { tables: [orders], where: 'id > 3' });
  expect(await idsOf(project)).toBe('4,5');
  const isPlace = expect.stringMatching(/^binlog\.\d+:4 .*server=/);
  await endOf(api, 'startReplay', { from: 'earliest' }, { from: isPlace });
  expect(await idsOf(project)).toBe('1,2,3,4,5');

  await connection.query(
    'DELETE FROM orders_copy WHERE id = 4; UPDATE orders_copy SET cents = 8 WHERE id = 5; INSERT INTO orders_copy VALUES (9, 1, 1, NULL)',
  );
  const { body: recomputed } = await api.call('recomputeTableRow', { path: { table: 'orders_copy' }, body: { key: '5' } });
  const cents = { field: 'cents', stored: 8, recomputed: 7, isSame: false };
  expect(recomputed).toMatchObject({ row: { id: 5, cents: 8 }, isSame: false });
  expect(recomputed).toMatchObject({ recomputed: [{ flow: 'mirror', fields: expect.arrayContaining([cents]) }] });
  await api.call('recomputeTableRow', { path: { table: 'orders_copy' }, body: { key: '77' }, status: 404 });

  const verify = await endOf(api, 'startVerify', {});
  expect(verify).toMatchObject({ verification: { missing: 1, extra: 1, different: 1, excused: 0, mended: null } });
  await readsDifferences(api, String(verify['id']));
  const repair = await endOf(api, 'startVerify', { repair: true, rowsPerSecond: 5000 });
  expect(repair).toMatchObject({ options: { repair: true, rowsPerSecond: 5000 }, verification: { mended: 3, unmended: 0 } });
  const { body: mended } = await api.call('recomputeTableRow', { path: { table: 'orders_copy' }, body: { key: '5' } });
  expect(mended).toMatchObject({ isSame: true });

  const path = { flow: 'mirror' };
  const { body: set } = await api.call('scheduleVerify', { path, body: { every: '6h', rowsPerSecond: 500 } });
  expect(set).toMatchObject({ flow: 'mirror', schedule: { everyMs: 21_600_000, repair: false, rowsPerSecond: 500 } });
  expect((await api.call('getFlow', { path })).body).toMatchObject({ verify: { schedule: { everyMs: 21_600_000 } } });
  const { body: ended } = await api.call('scheduleVerify', { path, body: { every: 'off' } });
  expect(ended).toEqual({ flow: 'mirror', schedule: null });
  const { body: refused } = await api.call('scheduleVerify', { path, body: { every: '6 h' }, status: 400 });
  expect(refused).toMatchObject({ error: { message: expect.stringContaining('every: takes a time from 1m to 366d') } });
  // the first one is due at once
  await waitFor(
    async () => {
      const { body: list } = await api.call('listRuns', { query: { flow: 'mirror' } });
      return !/"state":"(?:waiting|running)"/.test(JSON.stringify(list['runs']));
    },
    { deadlineMs: 60_000, pollMs: 200, what: 'no run under way' },
  );

  expect(await endOf(api, 'startRebuild', {})).toMatchObject({ verification: null });
  expect(await idsOf(project)).toBe('1,2,3,4,5');
}

/** What has become of a run that is begun; its document says so from the first answer on. */
async function endOf(api: ApiClient, operation: string, body: object, kept: object = body): Promise<ApiAnswer['body']> {
  const begun = await api.call(operation, { path: { flow: 'mirror' }, body });
  const id = String(begun.body['id']);
  expect(begun.headers.get('location')).toBe(`/api/v1/runs/${id}`);
  expect(begun.body).toMatchObject({ flow: 'mirror', state: 'waiting', standing: null, options: kept });
  const ended = await waitFor(
    async () => {
      const { body: run } = await api.call('getRun', { path: { id } });
      return run['endedAt'] === null ? undefined : run;
    },
    { deadlineMs: 60_000, pollMs: 200, what: `the end of ${operation}` },
  );
  expect(ended).toMatchObject({ state: 'done', errorCode: null });
  return ended;
}

async function readsDifferences(api: ApiClient, id: string): Promise<void> {
  const page = async (query: Readonly<Record<string, string>>) => (await api.call('listDifferences', { path: { id }, query })).body;
  const all = await page({});
  expect(all).toMatchObject({
    differences: [
      { number: 1, key: [4], kind: 'missing', isExcused: false, fields: [] },
      { number: 2, key: [5], kind: 'different', fields: [{ name: 'cents', stored: '8', recomputed: '7' }] },
      { number: 3, key: [9], kind: 'extra', fields: [] },
    ],
    next: null,
  });
  expect(await page({ limit: '2' })).toMatchObject({ differences: [{ key: [4] }, { key: [5] }], next: 2 });
  expect(await page({ limit: '2', after: '2' })).toMatchObject({ differences: [{ key: [9] }], next: null });
  await api.call('listDifferences', { path: { id: '999999' }, status: 404 });
}

async function idsOf({ store }: ShopProject): Promise<string> {
  const [rows] = await store.connection.query<RowDataPacket[]>('SELECT id FROM orders_copy ORDER BY id');
  return rows.map(({ id }) => id).join(); // prettier-ignore
}
