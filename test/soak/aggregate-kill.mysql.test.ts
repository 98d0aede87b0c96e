import { it } from 'vitest';
import { killAndAggregate } from '../daemon/aggregate-kill.ts';
import { eachServer } from '../support/servers.ts';

eachServer((_flavour, server) => {
  it('L1 aggregates of a daemon killed with -9 at 60 random moments are those of GROUP BY', async () => {
    await killAndAggregate(server, { kills: 60, seed: Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000) });
  });
});
