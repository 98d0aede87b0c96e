import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { killAllAndCompare } from './kill-all.ts';

eachServer((flavour) => {
  it('L1 daemon, source and store killed with -9 at random moments, also at once: nothing is lost or doubled', async () => {
    await killAllAndCompare(flavour, {
      kills: 4,
      compareEach: 5,
      seed: Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000),
    });
  }, 240_000);
});
