import { it } from 'vitest';
import { sufferStoreFaults } from '../daemon/store-faults.ts';
import { eachServer } from '../support/servers.ts';

eachServer((flavour, server) => {
  it('L1 L12 a store that does all that a store can do is waited for under the fault’s code', async () => {
    await sufferStoreFaults(flavour, server, { isShort: false });
  });
});
