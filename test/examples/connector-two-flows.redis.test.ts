import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { codeBlocks, readPage } from '../support/documents.ts';
import { onEnd } from '../support/cleanup.ts';
import { startPrivateRedis, withRedis } from '../support/servers.ts';
import { runExample } from './example.ts';

withRedis(() => {
  test('the two flows of KisFlow’s example join through Redis, with the results that Go gives', async () => {
    const server = await startPrivateRedis();
    const env = { KISFLOW_REDIS_URL: server.url };
    const lines = await runExample('08-connector-two-flows', env);
    const said = codeBlocks(readPage('docs/examples/08-connector-two-flows/README.md')).find(({ language }) => language === '');
    expect([...lines].sort()).toEqual(said?.code.trim().split('\n'));
    expect([...lines].sort()).toEqual([
      'CalStuAvgScore12: stuid: [101], avg score: [95]',
      'CalStuAvgScore12: stuid: [102], avg score: [90]',
      'CalStuAvgScore3: stuid: [101], avg score: [90]',
      'CalStuAvgScore3: stuid: [102], avg score: [83.33333333333333]',
    ]);
    const client = new Redis(server.url);
    onEnd(async () => client.disconnect());
    // Where KisFlow's own functions look for it.
    expect(await client.hget('stu_score12_avg_101', 'avg_score')).toBe('95');
    expect(await client.hget('stu_score12_avg_102', 'avg_score')).toBe('90');
  });
});
