import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createServer } from 'node:tls';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import type { BatchScope, Connector, ConnectorSession } from '../../src/connector/contract.ts';
import { createRedisConnector } from '../../src/connector/redis.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { Row } from '../../src/row/change.ts';
import { onEnd } from '../support/cleanup.ts';
import { portOf, startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { startPrivateRedis, withRedis } from '../support/servers.ts';

const scope: BatchScope = {
  id: 'batch-1',
  flow: 'f',
  store: null,
  signal: new AbortController().signal,
  logger: silentLogger,
};

interface Fixture {
  readonly prefix: string;
  readonly client: Redis;
  readonly connector: Connector;
  readonly session: ConnectorSession;
}

withRedis((server) => {
  /** A connector with a prefix of the test's own, and a plain client to look and meddle with. */
  function setUp(options: { params?: Record<string, string>; addrs?: string; db?: number } = {}): Fixture {
    const prefix = `r_${randomBytes(6).toString('hex')}:`;
    const addrs = options.addrs ?? server.url;
    const connector = createRedisConnector({ name: 'c', type: 'redis', addrs, key: prefix, params: options.params ?? {} });
    const client = new Redis(server.url, { db: options.db ?? 0 });
    onEnd(async () => {
      await connector.close();
      client.disconnect();
    });
    return { prefix, client, connector, session: connector.session({ ...scope, flow: prefix }) };
  }

  const failureOf = async (work: Promise<unknown>): Promise<CodedError> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof CodedError) return error;
    throw new Error(`expected a CodedError, not ${String(error)}`);
  };

  describe('rows', () => {
    test('a hash holds the fields as texts; a null removes its field', async () => {
      const { prefix, client, session } = setUp();
      await session.save([{ id: 1, name: 'a', avg: 76.5, gone: 'x' }]);
      await session.save([{ id: 1, gone: null, paid: true }]);
      expect(await client.hgetall(`${prefix}1`)).toEqual({ id: '1', name: 'a', avg: '76.5', paid: '1' });
    });

    test('a string holds the row as JSON', async () => {
      const { prefix, client, session } = setUp({ params: { kind: 'string' } });
      await session.save([{ id: 1, name: 'a', avg: 76.666_666_666_666_67, none: null }]);
      expect(await client.get(`${prefix}1`)).toBe('{"id":1,"name":"a","avg":76.66666666666667,"none":null}');
    });

    test('a row that another program wrote without its key is loaded with it, as it was asked for', async () => {
      const { prefix, client, session } = setUp({ params: { primary_key: 'stu_id' } });
      await client.hset(`${prefix}101`, 'avg_score', '95');
      expect(await session.load([{ stu_id: 101 }, { stu_id: 102 }, { stu_id: null }])).toEqual([{ stu_id: 101, avg_score: '95' }]);
    });

    test('columns beside the key must be equal; without the key nothing can be found', async () => {
      const { session } = setUp();
      await session.save([{ id: 1, name: 'a' }]);
      expect(await session.load([{ id: 1, name: 'b' }])).toEqual([]);
      expect(await session.load([{ id: '1', name: 'a' }])).toEqual([{ id: '1', name: 'a' }]);
      const error = await failureOf(session.load([{ name: 'a' }]));
      expect(error).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'stop' });
      expect(error.message).toContain('parameter key');
    });

    test('two connectors that write fields of one JSON row at once lose none of them', async () => {
      const one = setUp({ params: { kind: 'string' } });
      const other = createRedisConnector({
        name: 'o',
        type: 'redis',
        addrs: server.url,
        key: one.prefix,
        params: { kind: 'string' },
      });
      onEnd(() => other.close());
      const write = async (session: ConnectorSession, name: string): Promise<void> => {
        for (let count = 0; count < 100; count += 1) await session.save([{ id: 1, [`${name}${count}`]: count }]);
      };
      await Promise.all([write(one.session, 'a'), write(other.session(scope), 'b')]);
      const [row] = await one.session.load([{ id: 1 }]);
      expect(Object.keys(row ?? {})).toHaveLength(201);
    });

    test('with ttl a row lives that long after it was last written', async () => {
      for (const kind of ['hash', 'string']) {
        const { prefix, client, session } = setUp({ params: { kind, ttl: '500' } });
        await session.save([{ id: 1 }]);
        expect(await client.ttl(`${prefix}1`)).toBeGreaterThan(490);
      }
    });

    test.each(['hash', 'string'])(
      'a key that holds something else is CONNECTOR_FAILED, and what it holds stays: %s',
      async (kind) => {
        const { prefix, client, session } = setUp({ params: { kind } });
        await client.rpush(`${prefix}1`, 'item');
        const error = await failureOf(session.save([{ id: 1, name: 'a' }]));
        expect(error).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'stop' });
        expect(error.message).toContain('WRONGTYPE');
        expect(await client.lrange(`${prefix}1`, 0, -1)).toEqual(['item']);
      },
    );

    test('a text that is no JSON object is not written over', async () => {
      const { prefix, client, session } = setUp({ params: { kind: 'string' } });
      await client.set(`${prefix}1`, 'plain');
      expect((await failureOf(session.save([{ id: 1 }]))).message).toContain(`${prefix}1`);
      expect(await client.get(`${prefix}1`)).toBe('plain');
    });

    test('a save goes in pieces of a bounded count and size', async () => {
      const own = await startPrivateRedis();
      const { session } = setUp({ addrs: own.url });
      const client = new Redis(own.url);
      onEnd(async () => client.disconnect());
      const scripts = async (): Promise<number> =>
        [...(await client.info('commandstats')).matchAll(/cmdstat_eval(?:sha)?:calls=(\d+),.*?failed_calls=(\d+)/g)].reduce(
          (sum, [, calls, failed]) => sum + Number(calls) - Number(failed),
          0,
        );
      await session.save(Array.from({ length: 1200 }, (_, id): Row => ({ id, name: 'x' })));
      expect(await scripts()).toBe(3);
      const text = 'x'.repeat(600_000);
      await session.save([1, 2, 3].map((id): Row => ({ id, text })));
      expect(await scripts()).toBe(6);
    });

    test('a stopped batch writes no further piece', async () => {
      const { prefix, client, connector } = setUp();
      const stop = new AbortController();
      const session = connector.session({ ...scope, signal: stop.signal });
      const saved = session.save(Array.from({ length: 5000 }, (_, id): Row => ({ id })));
      stop.abort();
      expect((await failureOf(saved)).code).toBe('STOP_DEADLINE');
      expect((await client.keys(`${prefix}*`)).length).toBeLessThan(1000);
    });
  });

  describe('commands of one’s own', () => {
    test('replies are rows: a scalar, a list, a hash, nothing', async () => {
      const { prefix, session } = setUp();
      expect(await session.query('SET', [`${prefix}a`, 'ä'])).toEqual([{ value: 'OK' }]);
      expect(await session.query(`get ${prefix}a`)).toEqual([{ value: 'ä' }]);
      expect(await session.query('GET', [`${prefix}none`])).toEqual([]);
      expect(await session.query('RPUSH', [`${prefix}l`, 'x', 7, 1.5])).toEqual([{ value: 3 }]);
      expect(await session.query('LRANGE', [`${prefix}l`, 0, -1])).toEqual([{ value: 'x' }, { value: '7' }, { value: '1.5' }]);
      await session.query('HSET', [`${prefix}h`, 'f', 'v', 'b', Buffer.from([255])]);
      expect(await session.query('HGETALL', [`${prefix}h`])).toEqual([{ f: 'v', b: Buffer.from([255]) }]);
      expect(await session.query('HGETALL', [`${prefix}none`])).toEqual([]);
      expect(await session.query('EVAL', ['return {1, {2, "a"}}', 0])).toEqual([{ value: 1 }, { value: [2, 'a'] }]);
    });

    test('whole numbers beyond 2^53 keep every digit', async () => {
      const { prefix, session } = setUp();
      await session.query('SET', [prefix, '9007199254740992']);
      await session.query('INCR', [prefix]);
      expect(await session.query('GET', [prefix])).toEqual([{ value: '9007199254740993' }]);
      expect(await session.query('EVAL', ['return redis.call("GET", ARGV[1])', 0, prefix])).toEqual([
        { value: '9007199254740993' },
      ]);
    });

    test.each(['BLPOP l 0', 'SELECT 1', 'SUBSCRIBE x', 'MULTI', 'auth x', 'MONITOR'])('is refused: %s', async (statement) => {
      const error = await failureOf(setUp().session.query(statement));
      expect(error).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'stop' });
      expect(error.message).toContain('is refused');
    });

    test('a command that there is not, a wrong number of arguments and a null are errors that say so', async () => {
      const { session } = setUp();
      expect((await failureOf(session.query('NOSUCH x'))).message).toContain('NOSUCH');
      expect((await failureOf(session.query('HSET', ['k']))).message).toMatch(/wrong number/i);
      expect((await failureOf(session.query('SET', ['k', null]))).message).toContain('parameter 2');
    });
  });

  describe('the connection', () => {
    test('user, password and database of the address are used', async () => {
      const { client } = setUp();
      const user = `u${randomBytes(4).toString('hex')}`;
      await client.call('ACL', ['SETUSER', user, 'on', '>p@ss/word', '~*', '+@all']);
      onEnd(async () => void (await new Redis(server.url).call('ACL', ['DELUSER', user])));
      const addrs = `redis://${user}:${encodeURIComponent('p@ss/word')}@${server.host}:${server.port}/3`;
      const there = setUp({ addrs, db: 3 });
      await there.session.save([{ id: 1 }]);
      expect(await there.client.hgetall(`${there.prefix}1`)).toEqual({ id: '1' });
      expect(await client.exists(`${there.prefix}1`)).toBe(0);
    });

    test('a wrong password and a database that there is not stop, and nothing is written to another one', async () => {
      const wrong = setUp({ addrs: `redis://:nonsense@${server.host}:${server.port}` });
      const error = await failureOf(wrong.connector.open());
      expect(error).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'stop' });
      expect(error.message).toMatch(/WRONGPASS/);
      expect(error.message).not.toContain('nonsense');
      const lost = setUp({ addrs: `${server.url}/4711` });
      expect(await failureOf(lost.session.save([{ id: 1 }]))).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'stop' });
      expect(await lost.client.exists(`${lost.prefix}1`)).toBe(0);
    });

    test('a server that is not there is CONNECTOR_FAILED of class retry, and is found once it is', async () => {
      const own = await startPrivateRedis();
      const { connector, session } = setUp({ addrs: own.url });
      await own.kill();
      expect(await failureOf(connector.open())).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
      expect(await failureOf(session.save([{ id: 1 }]))).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
      await own.restart();
      await session.save([{ id: 1 }]);
      expect(await session.load([{ id: 1 }])).toEqual([{ id: 1 }]);
    });

    test('a broken connection is CONNECTOR_FAILED of class retry, and the next call has a new one', async () => {
      const proxy = await startHalfOpenProxy(server);
      const { session } = setUp({ addrs: `redis://:${server.password}@${proxy.host}:${proxy.port}` });
      await session.save([{ id: 1 }]);
      proxy.setMode('stall');
      const pending = failureOf(session.load([{ id: 1 }]));
      proxy.cut();
      expect(await pending).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
      proxy.setMode('forward');
      expect(await session.load([{ id: 1 }])).toEqual([{ id: 1 }]);
      expect(proxy.connectionCount).toBe(2);
    });

    test('nothing waits for ever: a server that is silent, connected or not, is given up after the timeout', async () => {
      const proxy = await startHalfOpenProxy(server);
      const { session, connector } = setUp({
        addrs: `redis://:${server.password}@${proxy.host}:${proxy.port}`,
        params: { timeout: '400' },
      });
      await session.save([{ id: 1 }]);
      proxy.setMode('half-open');
      for (const work of [() => session.load([{ id: 1 }]), () => session.save([{ id: 2 }]), () => connector.open()]) {
        const began = performance.now();
        expect(await failureOf(work())).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
        expect(performance.now() - began).toBeLessThan(3000);
      }
      proxy.setMode('forward');
      expect(await session.load([{ id: 1 }])).toEqual([{ id: 1 }]);
    });

    test('a paused server is given up after the timeout', async () => {
      const own = await startPrivateRedis();
      const { session } = setUp({ addrs: own.url, params: { timeout: '400' } });
      await own.pauseProcess();
      onEnd(() => own.resumeProcess());
      expect(await failureOf(session.save([{ id: 1 }]))).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
    });

    test('rediss:// wants a valid certificate, ssl=encrypt takes any', async () => {
      // A certificate for this test, of no use elsewhere, valid for a hundred years.
      const read = (file: string): Buffer => readFileSync(new URL(`fixture/${file}`, import.meta.url));
      const tls = createServer({ key: read('localhost.key'), cert: read('localhost.crt') }, (socket) => {
        const upstream = connect({ host: server.host, port: server.port });
        socket.pipe(upstream).pipe(socket);
        socket.on('error', () => upstream.destroy());
        upstream.on('error', () => socket.destroy());
      });
      tls.listen(0, '127.0.0.1');
      await once(tls, 'listening');
      onEnd(async () => void tls.close());
      const addrs = `rediss://:${server.password}@127.0.0.1:${portOf(tls)}`;
      const { session } = setUp({ addrs: `${addrs}?ssl=encrypt` });
      await session.save([{ id: 1 }]);
      expect(await session.load([{ id: 1 }])).toEqual([{ id: 1 }]);
      const error = await failureOf(setUp({ addrs }).connector.open());
      expect(error).toMatchObject({ code: 'CONNECTOR_FAILED' });
      expect(error.message).toMatch(/self-signed certificate/);
    });
  });

  test.each([
    [{ kind: 'list' }, /params\.kind is list; write hash or string/],
    [{ mode: 'replace' }, /params\.mode is replace/],
    [{ ttl: 'soon' }, /params\.ttl is soon/],
    [{ timeout: '0' }, /params\.timeout is 0/],
  ])('parameters that are none are CONFIG_INVALID: %j', (params, message) => {
    const make = (): unknown => createRedisConnector({ name: 'c', type: 'redis', addrs: 'h:1', key: '', params });
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(make).toThrow(message);
  });
});
