import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import type { BatchScope, Connector } from '../../src/connector/contract.ts';
import { createRedisConnector } from '../../src/connector/redis.ts';
import { createFlow } from '../../src/flow/driven-flow.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { onEnd } from '../support/cleanup.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { withRedis } from '../support/servers.ts';
import { randomFrom } from '../support/shop-project.ts';

const scopeOf = (over: Partial<BatchScope> = {}): BatchScope => ({
  id: 'batch-1',
  flow: 'f',
  store: null,
  signal: new AbortController().signal,
  logger: silentLogger,
  step: 0,
  ...over,
});

withRedis((server) => {
  interface Fixture {
    /** A flow name and key prefix of the test's own. */
    readonly name: string;
    readonly client: Redis;
    readonly connector: Connector;
  }

  async function setUp(params: Readonly<Record<string, string>> = {}, addrs = server.url): Promise<Fixture> {
    const name = `b_${randomBytes(6).toString('hex')}`;
    const connector = createRedisConnector({ name: 'c', type: 'redis', addrs, key: `${name}:`, params });
    const client = new Redis(server.url);
    onEnd(async () => {
      await connector.close();
      client.disconnect();
    });
    return { name, client, connector };
  }

  test('an increment is done once when its batch is tried again, and answers as it did', async () => {
    const { name, client, connector } = await setUp();
    const increment = (scope: Partial<BatchScope>): Promise<unknown> =>
      connector.session(scopeOf({ flow: name, ...scope })).query('HINCRBY', [name, 'n', 5]);
    expect(await increment({})).toEqual([{ value: 5 }]);
    expect(await increment({ id: 'batch-2' })).toEqual([{ value: 10 }]);
    expect(await increment({})).toEqual([{ value: 5 }]);
    expect(await increment({ id: 'batch-2' })).toEqual([{ value: 10 }]);
    expect(await client.hget(name, 'n')).toBe('10');
  });

  test('the same words twice in a batch, in another step, or in another flow are other calls', async () => {
    const { name, client, connector } = await setUp();
    const tryBatch = async (): Promise<void> => {
      const first = connector.session(scopeOf({ flow: name, step: 0 }));
      await Promise.all([first.query('INCR', [name]), first.query('INCR', [name])]);
      await connector.session(scopeOf({ flow: name, step: 1 })).query('INCR', [name]);
      await connector.session(scopeOf({ flow: `${name}-other`, step: 0 })).query('INCR', [name]);
    };
    await tryBatch();
    expect(await client.get(name)).toBe('4');
    await tryBatch();
    expect(await client.get(name)).toBe('4');
  });

  test('a batch that is tried again may make its calls in another order', async () => {
    const { name, client, connector } = await setUp();
    const fields = ['a', 'b', 'c', 'a'];
    const call = async (order: readonly string[]): Promise<void> => {
      const session = connector.session(scopeOf({ flow: name }));
      for (const field of order) await session.query('HINCRBY', [name, field, 1]);
    };
    await call(fields.slice(0, 3));
    await call(fields.toReversed());
    expect(await client.hgetall(name)).toEqual({ a: '2', b: '1', c: '1' });
  });

  test('only the last batches are remembered', async () => {
    const { name, client, connector } = await setUp();
    for (let batch = 0; batch < 40; batch += 1) {
      await connector.session(scopeOf({ flow: name, id: `batch-${batch}` })).query('INCR', [name]);
    }
    const keys = await client.keys(`kis:batch:${name}:*`);
    expect(keys).toHaveLength(16);
    expect(keys.sort()).toContain(`kis:batch:${name}:c:batch-39`);
    expect(await client.llen(`kis:batches:${name}:c`)).toBe(16);
    expect(await client.ttl(keys[0] ?? '')).toBeGreaterThan(0);
  });

  test.each(['hash', 'string'])('in mode insert a batch that is tried again does not meet its own rows: %s', async (kind) => {
    const { name, connector } = await setUp({ kind, mode: 'insert' });
    const save = (id: string): Promise<void> => connector.session(scopeOf({ flow: name, id })).save([{ id: 1 }, { id: 2 }]);
    await save('batch-1');
    await save('batch-1');
    await expect(save('batch-2')).rejects.toMatchObject({ code: 'STORE_CONSTRAINT', class: 'row' });
  });

  test('a function that fails behind its increments and is tried again increments once; so does a run with the same batch id', async () => {
    const { name, client, connector } = await setUp();
    let tries = 0;
    const flow = createFlow({
      name,
      steps: [
        { fname: 'Add', connector: 'c', retryTimes: 3, retryDelayMs: 1 },
        { fname: 'AddAgain', connector: 'c' },
      ],
      connectors: [connector],
      functions: [
        {
          name: 'Add',
          async run(context) {
            for (const amount of [1, 10, 1]) await context.getConnector().query('INCRBY', [name, amount]);
            tries += 1;
            if (tries < 3) throw new Error('not yet');
            context.commitRow({});
          },
        },
        {
          name: 'AddAgain',
          async run(context) {
            await context.getConnector().query('INCRBY', [name, 1]);
          },
        },
      ],
    });
    for (const batchId of ['one', 'one', 'two']) {
      flow.commitRow({});
      await flow.run({ batchId });
    }
    expect(tries).toBe(5);
    expect(await client.get(name)).toBe(String(13 * 2));
  });

  test(
    'increments stay exact while connections are cut at any moment, when each batch is tried until it is done',
    { timeout: 60_000 },
    async () => {
      const seed = Number(process.env.FAST_CHECK_SEED ?? Date.now() % 2 ** 31);
      console.info(`seed ${seed}`);
      const random = randomFrom(seed);
      const proxy = await startHalfOpenProxy(server);
      const { name, client, connector } = await setUp({}, `redis://:${server.password}@${proxy.host}:${proxy.port}`);
      let failures = 0;
      const tryBatch = async (id: string): Promise<boolean> => {
        try {
          const session = connector.session(scopeOf({ flow: name, id }));
          await Promise.all(Array.from({ length: 20 }, (_, index) => session.query('HINCRBY', [name, `f${index % 10}`, 1])));
          return true;
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONNECTOR_FAILED', class: 'retry' });
          failures += 1;
          return false;
        }
      };
      const cutter = setInterval(() => random() < 0.5 && proxy.cut(), 15);
      onEnd(async () => clearInterval(cutter));
      for (let batch = 0; batch < 300; batch += 1) {
        while (!(await tryBatch(`batch-${batch}`))) expect(failures).toBeLessThan(20_000);
      }
      clearInterval(cutter);
      expect(await client.hgetall(name)).toEqual(
        Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`f${index}`, '600'])),
      );
      expect(failures).toBeGreaterThan(5);
    },
  );

  test('a call that failed and is made again by the same function is the same call', async () => {
    const proxy = await startHalfOpenProxy(server);
    const { name, client, connector } = await setUp({ timeout: '300' }, `redis://:${server.password}@${proxy.host}:${proxy.port}`);
    const session = connector.session(scopeOf({ flow: name }));
    await session.query('INCR', [name]);
    proxy.setMode('half-open');
    const failure = await session.query('INCR', [name]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CodedError);
    proxy.setMode('forward');
    await session.query('INCR', [name]);
    expect(await client.get(name)).toBe('2');
  });
});
