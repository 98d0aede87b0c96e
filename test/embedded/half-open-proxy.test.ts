import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { onEnd } from '../support/cleanup.ts';
import { portOf, startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { waitFor } from '../support/wait-for.ts';

/** A server that answers each chunk with the same bytes, behind the proxy, and a client of the proxy. */
async function startEcho() {
  const sockets = new Set<Socket>();
  const echo = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => sockets.delete(socket)); // cut by the proxy
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  onEnd(async () => void echo.close());
  const proxy = await startHalfOpenProxy({ host: '127.0.0.1', port: portOf(echo) });
  const client = connect({ host: proxy.host, port: proxy.port });
  const seen = { text: '', isClosed: false };
  client.setEncoding('utf8');
  client.on('data', (text: string) => (seen.text += text));
  client.on('error', () => undefined); // cut by the proxy: `close` follows
  client.on('close', () => (seen.isClosed = true));
  client.write('a');
  await waitFor(() => seen.text === 'a');
  return { proxy, client, seen };
}

test('half-open swallows what is sent and closes nothing', async () => {
  const { proxy, client, seen } = await startEcho();
  proxy.setMode('half-open');
  const before = { ...proxy.forwarded };
  client.write('lost');
  await expect(waitFor(() => seen.text !== 'a' || seen.isClosed, { deadlineMs: 200 })).rejects.toThrow(/in vain/);
  expect(proxy.forwarded).toEqual(before);
});

test('a stalled link loses nothing', async () => {
  const { proxy, client, seen } = await startEcho();
  proxy.setMode('stall');
  client.write('later');
  await expect(waitFor(() => seen.text !== 'a', { deadlineMs: 200 })).rejects.toThrow(/in vain/);
  proxy.setMode('forward');
  await waitFor(() => seen.text === 'alater');
});

test('a cut closes the connection, and a new one is taken unless the proxy refuses', async () => {
  const { proxy, seen } = await startEcho();
  proxy.cut();
  await waitFor(() => seen.isClosed);
  const again = connect({ host: proxy.host, port: proxy.port });
  await once(again, 'connect');
  await waitFor(() => proxy.connectionCount === 2);
  again.destroy();
  proxy.refuse(true);
  const refused = connect({ host: proxy.host, port: proxy.port });
  await expect(once(refused, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
});
