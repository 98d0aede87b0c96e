import { it } from 'vitest';
import { killAllAndCompare } from '../daemon/kill-all.ts';
import { eachServer } from '../support/servers.ts';

const kills = Number(process.env.KISFLOW_KILLS ?? 500);

eachServer((flavour) => {
  it(`L1 daemon, source and store killed with -9 at ${kills} random moments: nothing is lost or doubled`, async () => {
    const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
    console.log(`${flavour}: seed ${seed}`);
    await killAllAndCompare(flavour, { kills, seed, compareEach: 25, pauseMs: 20, onProgress: (text) => console.log(text) });
  });
});
