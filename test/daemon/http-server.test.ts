import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { jsonAnswer, serveHttp, type HttpServer } from '../../src/lib/http-server.ts';
import { onEnd } from '../support/cleanup.ts';

async function serve(): Promise<HttpServer> {
  const server = await serveHttp({
    listen: ':0',
    key: 'http.listen',
    routes: [
      { path: '/ok', answer: () => jsonAnswer(200, { ok: true }) },
      { path: '/broken', answer: () => Promise.reject(new Error('broken')) },
    ],
  });
  onEnd(() => server.close());
  return server;
}

/** All that comes back for these bytes, until the server closes. */
async function send(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.on('error', () => {}); // a reset is an answer too
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

test('routes answer GET and HEAD, on this machine only; other paths are 404, other methods 405', async () => {
  const { url } = await serve();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const response = await fetch(`${url}/ok?with=query`);
  expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
  const head = await fetch(`${url}/ok`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '12', '']);
  expect((await fetch(`${url}/nothing`)).status).toBe(404);
  const refused = await fetch(`${url}/ok`, { method: 'DELETE' });
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('a route that fails ends its request and nothing else', async () => {
  const { url } = await serve();
  await expect(fetch(`${url}/broken`)).rejects.toThrow();
  expect((await fetch(`${url}/ok`)).status).toBe(200);
});

test('headers and bodies are bounded, and who says nothing is not waited for', async () => {
  const { url } = await serve();
  expect(await send(url, `GET /ok HTTP/1.1\r\nhost: x\r\nlong: ${'x'.repeat(20_000)}\r\n\r\n`)).toContain('431');
  const body = 'x'.repeat(1_000_000);
  await send(url, `POST /ok HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length * 10}\r\n\r\n${body}`);
  expect((await fetch(`${url}/ok`)).status).toBe(200);
  expect(await send(url, 'GET /ok HTTP/1.1\r\nhost:')).toContain('408');
}, 60_000);
