import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { fightAndCompare } from '../daemon/fight.ts';

const minutes = Number(process.env.KISFLOW_FIGHT_MINUTES ?? 10);

eachServer((flavour, server) => {
  it(`L6 two daemons that fight for ${minutes} minutes for the same flows write each effect once`, async () => {
    const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
    console.log(`${flavour}: seed ${seed}`);
    await fightAndCompare(server, { forMs: minutes * 60_000, seed });
  });
});
