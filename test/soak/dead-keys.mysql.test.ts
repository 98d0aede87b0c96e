import { it } from 'vitest';
import { refuseKillAndRetry } from '../daemon/dead-keys.ts';
import { eachServer } from '../support/servers.ts';

const seed = Number(process.env['KISFLOW_SEED'] ?? Date.now() % 2 ** 31);

eachServer((_flavour, server) => {
  it('L1 L5: whatever is refused, and whenever the daemon is killed, retried rows leave source and store equal: five times', async () => {
    for (let i = 0; i < 5; i += 1) await refuseKillAndRetry(server, { kills: 10, seed: seed + i });
  }, 900_000);
});
