import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { killAndAggregate } from './aggregate-kill.ts';

eachServer((_flavour, server) => {
  it('L1 aggregates of a daemon killed with -9 at random moments are those of GROUP BY', async () => {
    await killAndAggregate(server, { kills: 4, seed: Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000) });
  }, 180_000);
});
