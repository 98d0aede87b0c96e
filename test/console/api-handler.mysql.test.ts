import { once } from 'node:events';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { apiHandler } from '../../src/console/api/api-handler.ts';
import { ApiStore } from '../../src/console/api/api-store.ts';
import { allOperations } from '../../src/console/api/operations.ts';
import { nothingKnown } from '../../src/daemon/operators.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { jsonAnswer, serveHttp } from '../../src/lib/http-server.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { countDeadRowsUpTo, readDeadRowPage } from '../../src/repair/dead-row-page.ts';
import type { StoreTransaction } from '../../src/store/contract.ts';
import { createStoredFlows } from '../cli/stored-flows.ts';
import { onEnd } from '../support/cleanup.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { readAnswer } from './api-client.ts';

/** The API without a token, beside a route of its own, on a store behind a proxy. */
async function serve(server: SqlAddress) {
  const flows = await createStoredFlows(server);
  await flows.hold('mirror');
  const proxy = await startHalfOpenProxy(server);
  const url = new URL(flows.url);
  url.host = `${proxy.host}:${proxy.port}`;
  const store = new ApiStore({ url: url.href, logger: silentLogger });
  const configuration = await loadConfiguration({ documents: [{ kistype: 'global' }], env: {} });
  const handler = apiHandler({
    operations: allOperations('0'),
    access: { token: undefined, hosts: [], listenHost: '127.0.0.1' },
    project: () => ({ configuration, functions: [], codeHashes: new Map(), kinds: new Map() }),
    readKnown: async () => nothingKnown,
    openStore: () => store.open(),
    logger: silentLogger,
    deadlineMs: 1000,
  });
  const routes = [{ path: '/healthz', answer: () => jsonAnswer(200, {}) }];
  const http = await serveHttp({ listen: ':0', key: 'http.listen', routes, handler });
  onEnd(async () => {
    await http.close();
    await store.close();
  });
  const ask = async (path: string, init: RequestInit = {}): Promise<string> => {
    const { status, body } = await readAnswer(await fetch(`${http.url}${path}`, init));
    return `${status} ${String(Reflect.get(Object(body['error']), 'code') ?? '')}`.trim();
  };
  return { flows, proxy, http, ask };
}

/** As a browser does after the name has come to mean this machine. */
async function askAs(url: string, host: string): Promise<number> {
  const asked = request(`${url}/api/v1/flows`, { headers: { host } });
  asked.end();
  const [response] = await once(asked, 'response');
  response.resume();
  return response.statusCode;
}

eachServer((_flavour, server) => {
  test('a store that does not answer holds no request and no health, and it goes on by itself', async () => {
    const { proxy, ask } = await serve(server);
    expect(await ask('/api/v1/flows/mirror')).toBe('200');
    proxy.setMode('half-open');
    const asked = Array.from({ length: 20 }, () => ask('/api/v1/flows'));
    const startedAt = performance.now();
    expect(await ask('/healthz')).toBe('200');
    expect(await ask('/api/v1/openapi.json')).toBe('503 API_BUSY');
    const answers = await Promise.all(asked);
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(answers.toSorted()).toEqual([...Array(4).fill('503 API_BUSY'), ...Array(16).fill('503 STORE_TIMEOUT')]);
    proxy.setMode('forward');
    await waitFor(async () => (await ask('/api/v1/flows/mirror')) === '200', { deadlineMs: 30_000 });
  }, 60_000);

  test('without a token this machine reads, nobody writes, and no other name is answered', async () => {
    const { flows, http, ask } = await serve(server);
    expect(await ask('/api/v1/flows')).toBe('200');
    const headers = { 'content-type': 'application/json' };
    expect(await ask('/api/v1/flows/mirror/pause', { method: 'POST', headers, body: '{}' })).toBe('403 REQUEST_FORBIDDEN');
    expect((await flows.records.wishes()).get('mirror')?.isPaused).toBe(false);
    expect(await ask('/api/v1/flows', { headers: { origin: 'http://evil.example' } })).toBe('403 REQUEST_FORBIDDEN');
    expect(await askAs(http.url, 'evil.example')).toBe(403);
    expect(await askAs(http.url, 'localhost')).toBe(200);
  });

  test('a page of dead rows and their counts cost the same however many there are', async () => {
    const { flows } = await serve(server);
    await flows.store.transaction(async (transaction) => {
      await transaction.query(
        `INSERT INTO kis_dead_row (flow, fname, code, message, source_table, row_key, op, position, parts, row_change, created_at, state)
         VALUES ${['dead', 'parked', 'skipped'].map((state) => `('mirror', 'f', 'ROW_INVALID', 'm', 's.t', '{}', 'insert', 'p', 0, '{}', UTC_TIMESTAMP(3), '${state}')`).join(', ')}`,
      );
      await doubleTo(transaction, 3000);
      const before = await costOf(transaction);
      await doubleTo(transaction, 48_000);
      expect(await costOf(transaction)).toBeLessThan(before + 1000);
    });
  }, 60_000);
});

async function doubleTo(transaction: StoreTransaction, rows: number): Promise<void> {
  const names = 'flow, fname, code, message, source_table, row_key, op, position, parts, row_change, created_at, state';
  for (let count = 3; count < rows; count *= 2)
    await transaction.query(`INSERT INTO kis_dead_row (${names}) SELECT ${names} FROM kis_dead_row LIMIT ${count}`);
  await transaction.query('ANALYZE TABLE kis_dead_row');
}

/** Rows and entries that the server read for all kinds of pages, and for the counts. */
async function costOf(transaction: StoreTransaction): Promise<number> {
  const before = await readsOf(transaction);
  for (const filter of [{}, { flow: 'mirror' }, { code: 'ROW_INVALID' }, { state: 'parked' }, { flow: 'mirror', state: 'dead' }]) {
    const { rows, next } = await readDeadRowPage(transaction, { ...filter, limit: 20 });
    expect(rows).toHaveLength(20);
    const behind = await readDeadRowPage(transaction, { ...filter, limit: 20, before: next ?? '' });
    expect(behind.rows.every(({ id }) => BigInt(id) < BigInt(next ?? 0))).toBe(true);
  }
  expect((await countDeadRowsUpTo(transaction, 100)).get('mirror')).toMatchObject({ dead: 100, parked: 100, waiting: 0 });
  return (await readsOf(transaction)) - before;
}

async function readsOf(transaction: StoreTransaction): Promise<number> {
  const { rows } = await transaction.query("SHOW SESSION STATUS LIKE 'Handler_read%'");
  return rows.reduce((sum, row) => sum + Number(row['Value']), 0);
}
