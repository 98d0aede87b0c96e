import { it } from 'vitest';
import { killAndCount } from '../daemon/redis-kill.ts';
import { eachServer } from '../support/servers.ts';

eachServer((_flavour, server) => {
  it('a daemon killed with -9 at 60 random moments cuts its batches as before, so increments in Redis are done once', async () => {
    await killAndCount(server, { kills: 60, seed: Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000) });
  });
});
