import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { BatchScope } from '../../src/connector/contract.ts';
import type { RedisKind } from '../../src/connector/redis-rows.ts';
import { createRedisConnector } from '../../src/connector/redis.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { Row } from '../../src/row/change.ts';
import { withRedis } from '../support/servers.ts';
import { connectorLaws, type LawTable, type LawTableOptions } from './laws.ts';

const scopeOf = (id: string): BatchScope => ({
  id,
  flow: 'laws',
  store: null,
  signal: new AbortController().signal,
  logger: silentLogger,
});

/** What a plain client finds under the prefix: the rows as they are kept. */
async function readRows(client: Redis, prefix: string, kind: RedisKind): Promise<readonly Row[]> {
  const keys = await client.keys(`${prefix}*`);
  const pipeline = client.pipeline();
  for (const key of keys) {
    if (kind === 'hash') pipeline.hgetallBuffer(key);
    else pipeline.get(key);
  }
  const answers = (await pipeline.exec()) ?? [];
  const rows = answers.map(([error, answer]): Row => {
    if (error !== null) throw error;
    return kind === 'hash' ? Object.fromEntries(Object.entries(Object(answer))) : reviveBytes(JSON.parse(String(answer)));
  });
  return rows.sort((a, b) => Number(String(a.id)) - Number(String(b.id)));
}

function reviveBytes(row: Record<string, Row[string]>): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      const base64: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, '$bytes') : undefined;
      return [name, typeof base64 === 'string' ? Buffer.from(base64, 'base64') : value];
    }),
  );
}

withRedis((server) => {
  const laws = (kind: RedisKind, isTextual: boolean): void =>
    connectorLaws(`redis ${kind}`, {
      hasColumns: false,
      isKeyed: true,
      isTextual,
      async makeTable({ keyColumns, mode }: LawTableOptions): Promise<LawTable> {
        const prefix = `law_${randomBytes(6).toString('hex')}:`;
        const params = { kind, primary_key: keyColumns.join(','), ...(mode === undefined ? {} : { mode }) };
        const connector = createRedisConnector({ name: 'law', type: 'redis', addrs: server.url, key: prefix, params });
        await connector.open();
        const client = new Redis(server.url);
        return {
          inBatch: (work) => work(connector.session(scopeOf(randomBytes(6).toString('hex')))),
          rows: () => readRows(client, prefix, kind),
          async close() {
            const keys = await client.keys(`${prefix}*`);
            if (keys.length > 0) await client.del(...keys);
            await connector.close();
            client.disconnect();
          },
        };
      },
    });
  laws('hash', true);
  laws('string', false);
});
