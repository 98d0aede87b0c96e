import { it } from 'vitest';
import { eachServer } from '../support/servers.ts';
import { sufferStoreFaults } from './store-faults.ts';

eachServer((flavour, server) => {
  it('L1 L12 a store that deadlocks, locks, is read-only, full or restarted is waited for under the fault’s code', async () => {
    await sufferStoreFaults(flavour, server, { isShort: true });
  }, 300_000);
});
