import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { fightAndCompare } from '../daemon/fight.ts';

eachServer((_flavour, server) => {
  it('L6 two daemons that fight for a minute for the same flows write each effect once', async () => {
    await fightAndCompare(server, { forMs: 60_000, seed: Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000) });
  });
});
