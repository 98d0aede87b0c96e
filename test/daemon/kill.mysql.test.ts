import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { killAndCompare } from './kill.ts';

eachServer((_flavour, server) => {
  it('L1 a daemon killed with -9 at random moments loses nothing and doubles nothing', async () => {
    await killAndCompare(server, { kills: 4, pauseMs: 10, seed: Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000) });
  }, 180_000);
});
