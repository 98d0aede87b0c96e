import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { loadProject } from '../../src/index.ts';
import { onEnd } from '../support/cleanup.ts';
import { createFolder } from '../support/daemon-process.ts';
import { startPrivateRedis, withRedis } from '../support/servers.ts';

const conf = `kistype: global
redis: {url: "\${REDIS_URL}"}
---
kistype: flow
flow_name: keep
flows: [{fname: SaveScore}]
---
kistype: func
fname: SaveScore
fmode: Save
option: {cname: scores}
---
kistype: conn
cname: scores
type: redis
key: score:{stu_id}
`;

withRedis(() => {
  test('a connector without an address uses the Redis of the global document', async () => {
    const server = await startPrivateRedis();
    const dir = await createFolder({ 'conf.yml': conf });
    const project = await loadProject({ conf: dir, functions: [], env: { REDIS_URL: server.url } });
    onEnd(() => project.close());
    const flow = project.getFlow('keep');
    flow.commitRow({ stu_id: 101, avg_score: 90 });
    await flow.run();
    const client = new Redis(server.url);
    onEnd(async () => client.disconnect());
    expect(await client.hgetall('score:101')).toEqual({ stu_id: '101', avg_score: '90' });
  });

  test('without both it is CONFIG_INVALID', async () => {
    const dir = await createFolder({ 'conf.yml': conf });
    await expect(loadProject({ conf: dir, functions: [], env: { REDIS_URL: '' } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});
