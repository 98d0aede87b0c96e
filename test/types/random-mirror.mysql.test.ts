import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { mirrorAtRandom } from './random-mirror.ts';

eachServer((flavour) => {
  it('L1, L5, L8: random tables under random binlog settings are mirrored as they are', async () => {
    await mirrorAtRandom(flavour, { seed: Number(process.env['KISFLOW_SEED'] ?? Date.now() % 1_000_000), transactions: 60 });
  }, 120_000);
});
