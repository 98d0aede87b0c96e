import { readFile, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { wantsTraces } from '../../src/daemon/tracing-wish.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { spawnDaemon } from '../support/daemon-process.ts';
import { startOtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.ts';
import { eachServer } from '../support/servers.ts';
import { createShopProject, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';
import { storeRows } from './run-project.ts';

const otel = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_BSP_SCHEDULE_DELAY: '100' };

async function until(project: ShopProject, ids: number): Promise<void> {
  await waitFor(async () => (await storeRows(project, 'SELECT id FROM orders_copy')).length === ids, { deadlineMs: 30_000 });
  const sum = async (): Promise<number> => Number((await storeRows(project, 'SELECT SUM(n) AS n FROM totals'))[0]?.['n']);
  await waitFor(async () => (await sum()) === ids, { deadlineMs: 30_000 });
}

async function editConf({ folder }: ShopProject, edit: (conf: string) => string): Promise<void> {
  const file = `${folder}/conf/shop.yml`;
  await writeFile(file, edit(await readFile(file, 'utf8')));
}

/** AddTotals that fails once, and is tried again. */
const flaky = `import { defineFunction } from 'kisflow';
let tries = 0;
export default defineFunction({
  name: 'AddTotals',
  async run(flow, rows) {
    tries += 1;
    if (tries === 1) throw new Error('not yet');
    await flow.getConnector().query('INSERT INTO totals VALUES (1, ?, 0) ON DUPLICATE KEY UPDATE n = n + ?', [rows.length, rows.length]);
  },
});
`;

const childrenOf = (spans: readonly ReceivedSpan[], parent: ReceivedSpan): readonly ReceivedSpan[] =>
  spans.filter(({ traceId, parentSpanId }) => traceId === parent.traceId && parentSpanId === parent.spanId);

eachServer((_flavour, server: SqlAddress) => {
  it('a batch is a trace: its functions, its statements and its commit, its tries, and what they failed with', async () => {
    const receiver = await startOtlpReceiver();
    const project = await createShopProject({ source: server, store: server, files: { 'functions/AddTotals.ts': flaky } });
    await editConf(project, (conf) => conf.replace('{cname: totals}', '{cname: totals, retry_times: 2, return_duration: 10}'));
    const env = { ...project.env, ...otel, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_SERVICE_NAME: 'shop' };
    const daemon = await spawnDaemon(['run'], { cwd: project.folder, env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2, { deadlineMs: 30_000 });
    await project.source.connection.query('INSERT INTO orders VALUES (1, 1, 10, NULL), (2, 1, 20, NULL)');
    await until(project, 2);
    const batches = (flow: string): readonly ReceivedSpan[] => receiver.spans.filter(({ name }) => name === `batch ${flow}`);
    const mirror = await waitFor(() => batches('mirror')[0], { deadlineMs: 20_000 });
    const orders = `${project.source.name}.orders`;
    expect(mirror).toMatchObject({
      parentSpanId: '',
      isError: false,
      events: [],
      resource: { 'service.name': 'shop', 'service.version': expect.any(String) },
      attributes: {
        'kisflow.flow': 'mirror',
        'kisflow.batch_id': mirror.traceId,
        'kisflow.changes': 2,
        'kisflow.rows_saved': 2,
        'kisflow.rows_dead': 0,
        'kisflow.tables': [orders],
        'kisflow.outcome': 'committed',
        'kisflow.position.end': expect.stringMatching(/:\d+/),
        'kisflow.bytes': expect.any(Number),
      },
    });
    expect(mirror.endMs).toBeGreaterThanOrEqual(mirror.startMs);
    expect(Math.abs(mirror.endMs - Date.now())).toBeLessThan(60_000);
    const inside = childrenOf(receiver.spans, mirror);
    expect(inside.map(({ name }) => name).toSorted()).toEqual(['function SaveOrders', 'store commit', 'store statements']);
    for (const child of inside) {
      expect(child.startMs).toBeGreaterThanOrEqual(mirror.startMs);
      expect(child.endMs).toBeLessThanOrEqual(mirror.endMs);
    }
    const [save] = inside.filter(({ name }) => name === 'function SaveOrders');
    expect(save?.attributes).toMatchObject({ 'kisflow.rows_in': 2, 'kisflow.mode': 'Save' });
    const statements = inside.find(({ name }) => name === 'store statements')?.attributes['kisflow.statements'];
    expect(statements).toBeGreaterThanOrEqual(2);

    const totals = await waitFor(() => batches('totals')[0], { deadlineMs: 20_000 });
    const [add] = childrenOf(receiver.spans, totals).filter(({ name }) => name === 'function AddTotals');
    expect(add?.events).toEqual([{ name: 'retry', attributes: { 'error.type': 'FUNCTION_FAILED' } }]);

    const [lease] = await storeRows(project, "SELECT connection_id AS id FROM kis_lease WHERE flow = 'mirror'");
    await project.store.connection.query(`KILL ${Number(lease?.['id'])}`);
    await project.source.connection.query('INSERT INTO orders VALUES (3, 1, 30, NULL)');
    await until(project, 3);
    daemon.kill();
    expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
    const [failed, ...others] = batches('mirror').slice(1);
    expect(failed).toMatchObject({
      isError: true,
      attributes: { 'kisflow.outcome': 'failed', 'error.type': 'STORE_UNREACHABLE', 'kisflow.changes': 1 },
    });
    expect(failed?.events.map(({ name }) => name)).toContain('exception');
    const done = others.at(-1);
    expect(done).toMatchObject({ isError: false, traceId: failed?.traceId, attributes: { 'kisflow.outcome': 'committed' } });
    expect(done?.events.filter(({ name }) => name === 'retry').length).toBe(others.length);
  });

  it('a collector that is gone, or takes no part in anything, holds nothing up: the flow goes on, the loss is said once, the end is soon', async () => {
    const hanging = await startOtlpReceiver();
    hanging.answer('never');
    const project = await createShopProject({ source: server, store: server });
    const env = {
      ...project.env,
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${hanging.url}/v1/traces`,
      OTEL_BSP_MAX_QUEUE_SIZE: '12',
    };
    const daemon = await spawnDaemon(['run'], { cwd: project.folder, env });
    await waitFor(() => daemon.stderr.filter((line) => line.includes('flow runs')).length === 2, { deadlineMs: 30_000 });
    for (let id = 1; id <= 20; id += 1) {
      await project.source.connection.query('INSERT INTO orders VALUES (?, 1, 1, NULL)', [id]);
      await until(project, id);
    }
    expect(hanging.requests[0]).toMatchObject({ type: 'application/x-protobuf', path: '/v1/traces' }); // OpenTelemetry's default
    expect(hanging.requests[0]?.bytes).toBeGreaterThan(100);
    const said = daemon.stderr.filter((line) => line.includes('traces are not sent'));
    expect(said, daemon.stderr.join('\n')).toHaveLength(1);
    expect(said[0]).toContain('their queue is full');
    const stoppedAt = Date.now();
    daemon.kill();
    expect(await daemon.waitForExit()).toEqual({ code: 0, signal: null });
    expect(Date.now() - stoppedAt).toBeLessThan(9_000);
    expect(daemon.stderr.some((line) => line.includes('traces were lost'))).toBe(true);
  });
});

it('traces are wished for by an endpoint, and by nothing else', () => {
  const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:4318';
  expect(wantsTraces({})).toBe(false);
  expect(wantsTraces({ OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBe(false);
  expect(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT })).toBe(true);
  expect(wantsTraces({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: OTEL_EXPORTER_OTLP_ENDPOINT })).toBe(true);
  expect(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SDK_DISABLED: 'true' })).toBe(false);
  expect(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER: 'none' })).toBe(false);
});
