import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createServer } from 'node:tls';
import { expect, it } from 'vitest';
import { createRedisConnector } from '../../src/connector/redis.ts';
import type { ServerAddress } from '../../src/embedded/server.ts';
import { CodedError } from '../../src/lib/error.ts';
import { onEnd } from '../support/cleanup.ts';
import { portOf } from '../support/half-open-proxy.ts';
import { withRedis } from '../support/servers.ts';
import { tlsFile } from '../support/tls-files.ts';

/** What stands before a Redis and speaks TLS, with a certificate for `localhost`, to clients of our own CA only; gives its port. */
async function startFront(redis: ServerAddress): Promise<number> {
  const read = (file: string): Buffer => readFileSync(tlsFile(file));
  const front = createServer(
    { key: read('server.key'), cert: read('server.crt'), ca: read('ca.crt'), requestCert: true, rejectUnauthorized: true },
    (socket) => {
      const upstream = connect({ host: redis.host, port: redis.port });
      socket.pipe(upstream).pipe(socket);
      socket.on('error', () => upstream.destroy());
      upstream.on('error', () => socket.destroy());
    },
  );
  front.on('tlsClientError', () => {}); // the client is told
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  onEnd(async () => void front.close());
  return portOf(front);
}

withRedis((server) => {
  const failureOf = async (addrs: string): Promise<string> => {
    try {
      const connector = createRedisConnector({ name: 'c', type: 'redis', addrs, key: 'tls_test', params: { timeout: '5000' } });
      try {
        await connector.open();
      } finally {
        await connector.close();
      }
      return 'none';
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return `${error.code} (${error.class}): ${error.message}`;
    }
  };

  it('a Redis is asked for the same TLS by the same parameters, and what is wrong is said and not tried again', async () => {
    const port = await startFront(server);
    const at = (host: string): string => `rediss://:${server.password}@${host}:${port}`;
    const ca = `ssl_ca=${tlsFile('ca.crt')}`;
    const client = `ssl_cert=${tlsFile('client.crt')}&ssl_key=${tlsFile('client.key')}`;
    expect(await failureOf(`${at('localhost')}?${ca}&${client}`)).toBe('none');
    expect(await failureOf(`${at('127.0.0.1')}?ssl=encrypt&${client}`)).toBe('none');
    const stop = 'CONNECTOR_FAILED \\(stop\\): Connector c: Redis at .*TLS \\(ssl=verify\\): ';
    expect(await failureOf(`${at('127.0.0.1')}?${ca}&${client}`)).toMatch(
      new RegExp(`${stop}.*write the host that the certificate names`),
    );
    expect(await failureOf(`${at('localhost')}?${client}`)).toMatch(new RegExp(`${stop}.*ssl_ca=`));
    expect(await failureOf(`${at('localhost')}?${ca}`)).toMatch(new RegExp(`${stop}.*give it a client certificate`));
    expect(await failureOf(`${at('localhost')}?ssl_ca=/no/such.pem`)).toMatch(new RegExp(`${stop}ssl_ca cannot be read: ENOENT`));
    const plain = `rediss://:${server.password}@${server.host}:${server.port}?${ca}`;
    expect(await failureOf(plain)).not.toMatch(/^none/);
  });

  it.each([
    ['rediss://h?ssl=off', /rediss:\/\/ and for none by ssl=off/],
    ['redis://h?tls=1', /unknown parameter tls; it takes ssl, ssl_ca, ssl_cert, ssl_key/],
    ['redis://:p%zz@h', /a % that encodes nothing/],
  ])('%s is refused', (addrs, message) => {
    const make = (): unknown => createRedisConnector({ name: 'c', type: 'redis', addrs, key: '', params: {} });
    expect(make).toThrow(message);
  });
});
