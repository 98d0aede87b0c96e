import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { openMetrics, serveMetrics } from '../../src/daemon/metrics.ts';
import { FlowMetrics } from '../../src/flow/flow-metrics.ts';
import { onEnd } from '../support/cleanup.ts';
import { portOf } from '../support/half-open-proxy.ts';

async function serve(address: string): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const server = await serveMetrics(new FlowMetrics(), { serve: address });
  onEnd(() => server.close());
  return server;
}

describe('the metrics server', () => {
  test('serves the figures at /metrics and nothing else', async () => {
    const { url } = await serve('127.0.0.1:0');
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await response.text()).toContain('kisflow_data_total 0');
    expect((await fetch(url.replace('/metrics', '/'))).status).toBe(404);
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
  });

  test('an address without a host is this machine’s own', async () => {
    expect((await serve(':0')).url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  });

  test('a port in use is LISTEN_FAILED and names the address', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onEnd(async () => void other.close());
    const address = `127.0.0.1:${portOf(other)}`;
    await expect(serve(address)).rejects.toMatchObject({ code: 'LISTEN_FAILED', message: expect.stringContaining(address) });
  });

  test.each(['20004', 'localhost', 'h:x', '127.0.0.1:70000'])('an address that is none is CONFIG_INVALID: %s', async (address) => {
    await expect(serve(address)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('closed, it lets go of the port, open connections too', async () => {
    const server = await serve('127.0.0.1:0');
    await (await fetch(server.url)).text();
    // One that has not asked anything yet.
    const silent = connect(Number(new URL(server.url).port), '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'connect');
    await server.close();
    silent.destroy();
    await expect(fetch(server.url)).rejects.toThrow();
    await expect(serve(new URL(server.url).host)).resolves.toBeDefined();
  });

  test('nothing is counted unless it is enabled, and nothing is served unless it is asked for', async () => {
    const off = await openMetrics({ isEnabled: false, isServed: true, serve: 'no address' });
    expect(off.metrics).toBeUndefined();
    await off.close();
    const counting = await openMetrics({ isEnabled: true, isServed: false, serve: 'no address' });
    expect(counting.metrics).toBeInstanceOf(FlowMetrics);
    await counting.close();
  });
});
