import { expect, it } from 'vitest';
import { killDumps } from '../support/fault/source-server.ts';
import { promoteReplica, startReplicated, untilReplicated } from '../support/fault/replication.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

eachServer((flavour) => {
  it('L3: connections lost to a replica that has written nothing since it was promoted do not make it a wrong server', async () => {
    const servers = await startReplicated(flavour);
    const { primary, replica } = servers;
    const a = await connectTo(primary);
    for (const sql of ['CREATE DATABASE s', 'CREATE TABLE s.t (id INT PRIMARY KEY)']) await a.query(sql);
    const proxy = await startHalfOpenProxy(primary);
    const url = primary.url.replace(`:${primary.port}`, `:${proxy.port}`);
    const from = await openSource(primary.url).resolve({ kind: 'latest' }, never);
    const reading = new Reading(openSource(url), { from, wants: inSchema('s') });
    // files of other names and sizes than the replica's
    for (let id = 1; id <= 3; id += 1) {
      await a.query(`INSERT INTO s.t VALUES (${id})`);
      await a.query('FLUSH BINARY LOGS');
    }
    await reading.untilIds(1, 2, 3);
    await untilReplicated(servers);
    await promoteReplica(servers);
    proxy.setTarget(replica);
    proxy.cut();
    const b = await connectTo(replica);
    for (let lost = 1; lost <= 2; lost += 1) {
      await reading.until('a connection', ({ states }) => states.at(-1)?.isConnected === true);
      const before = reading.states.filter((state) => !state.isConnected).length;
      await reading.until('a loss', () => {
        void killDumps(b);
        return reading.states.filter((state) => !state.isConnected).length > before;
      });
    }
    await b.query('INSERT INTO s.t VALUES (4)');
    await reading.untilIds(4);
    expect(reading.ids()).toEqual([1, 2, 3, 4]);
    await reading.stop();
  }, 60_000);
});
