import { afterEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { loadConfiguration } from '../../src/config/load.ts';
import { apiHandler } from '../../src/console/api/api-handler.ts';
import { defineOperation, sourceDeadlineMs } from '../../src/console/api/operation.ts';
import { nothingKnown } from '../../src/daemon/operators.ts';
import { deferred, type Deferred } from '../../src/lib/abort.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { waitFor } from '../support/wait-for.ts';

afterEach(() => void vi.restoreAllMocks());

const answer = z.object({});

/** An API of three operations: one that answers, and two that do when they are let. The clock of each request is in the test's hands. */
async function serve() {
  const configuration = await loadConfiguration({ documents: [{ kistype: 'global' }], env: {} });
  const held: Deferred<void>[] = [];
  const hold = async () => {
    const work = deferred<void>();
    held.push(work);
    await work.promise;
    return {};
  };
  const common = { method: 'GET', summary: '', answerName: 'Answer', answer } as const;
  const deadlines: { readonly ms: number; readonly pass: () => void }[] = [];
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    const deadline = new AbortController();
    deadlines.push({ ms, pass: () => deadline.abort() });
    return deadline.signal;
  });
  const handler = apiHandler({
    operations: [
      defineOperation({ ...common, id: 'quick', path: '/api/quick', run: async () => ({}) }),
      defineOperation({ ...common, id: 'held', path: '/api/held', run: hold }),
      defineOperation({ ...common, id: 'asking', path: '/api/asking', deadlineMs: sourceDeadlineMs, run: hold }),
    ],
    access: { token: undefined, hosts: [], listenHost: '127.0.0.1' },
    project: () => ({ configuration, functions: [], codeHashes: new Map(), kinds: new Map() }),
    readKnown: async () => nothingKnown,
    openStore: () => Promise.reject(new Error('no store')),
    logger: silentLogger,
  });
  const ask = async (path: string): Promise<string> => {
    const request = { method: 'GET', path: `/api/${path}`, query: '', headers: { host: 'localhost' }, remoteAddress: '127.0.0.1' };
    const { status, body, headers } = await handler.answer({ ...request, readBody: async () => undefined });
    const error: unknown = Reflect.get(Object(JSON.parse(body)), 'error');
    const code = error === undefined ? '' : ` ${String(Reflect.get(Object(error), 'code'))}`;
    return `${status}${code}${headers?.['retry-after'] === undefined ? '' : ' later'}`;
  };
  return { ask, held, deadlines };
}

test('a request is told after 10 s that it takes too long, one that asks the source after 25 s', async () => {
  const { ask, held, deadlines } = await serve();
  const answers = [ask('held'), ask('asking')];
  await waitFor(() => held.length === 2);
  expect(deadlines.map(({ ms }) => ms)).toEqual([10_000, 25_000]);
  for (const { pass } of deadlines) pass();
  expect(await Promise.all(answers)).toEqual(['503 STORE_TIMEOUT later', '503 STORE_TIMEOUT later']);
});

test('16 requests are under way at most, those too that were told it takes too long; others go on when one has ended', async () => {
  const { ask, held, deadlines } = await serve();
  const first = Array.from({ length: 15 }, () => ask('held'));
  await waitFor(() => held.length === 15);
  expect(await ask('quick')).toBe('200');
  const last = ask('held');
  await waitFor(() => held.length === 16);
  expect(await ask('quick')).toBe('503 API_BUSY later');
  for (const { pass } of deadlines) pass();
  expect(new Set(await Promise.all([...first, last]))).toEqual(new Set(['503 STORE_TIMEOUT later']));
  expect(await ask('quick')).toBe('503 API_BUSY later');
  held[0]?.resolve();
  await waitFor(async () => (await ask('quick')) === '200');
  expect(await ask('held/more')).toBe('404 REQUEST_PATH_UNKNOWN');
});
