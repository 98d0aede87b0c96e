import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { killAndCount } from './redis-kill.ts';

eachServer((_flavour, server) => {
  it('a daemon killed with -9 at random moments cuts its batches as before, so increments in Redis are done once', async () => {
    await killAndCount(server, { kills: 2, seed: Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000) });
  }, 180_000);
});
