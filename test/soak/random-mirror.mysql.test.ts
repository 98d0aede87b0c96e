import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { mirrorAtRandom } from '../types/random-mirror.ts';

eachServer((flavour) => {
  it('L1, L5, L8: many random tables under random binlog settings are mirrored as they are', async () => {
    const first = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 1_000_000);
    for (let seed = first; seed < first + 25; seed += 1) await mirrorAtRandom(flavour, { seed, transactions: 300 });
  });
});
