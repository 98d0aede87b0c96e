import { expect, it } from 'vitest';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

eachServer((flavour) => {
  it('L2: an XA transaction that was prepared on a server which is no more is read from the replica that commits it', async () => {
    const first = await startPrivateServer(flavour, { server_id: '101' });
    const second = await startPrivateServer(flavour, {
      server_id: '102',
      ...(flavour === 'mysql' ? {} : { log_slave_updates: 'ON' }),
    });
    const [a, b] = [await connectTo(first), await connectTo(second)];
    const login = (word: string) =>
      `${word}_HOST = '${first.host}', ${word}_PORT = ${first.port}, ${word}_USER = '${first.user}', ${word}_PASSWORD = '${first.password}'`;
    await b.query(
      flavour === 'mysql'
        ? `CHANGE REPLICATION SOURCE TO ${login('SOURCE')}, SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1`
        : `CHANGE MASTER TO ${login('MASTER')}, MASTER_USE_GTID = slave_pos`,
    );
    await b.query(flavour === 'mysql' ? 'START REPLICA' : 'START SLAVE');
    const source = openSource(first.url);
    for (const sql of ['CREATE DATABASE s', 'USE s', 'CREATE TABLE t (id INT PRIMARY KEY)']) await a.query(sql);
    const from = await source.resolve({ kind: 'latest' }, never);
    await a.query('INSERT INTO t VALUES (1)');
    const prepared = await connectTo(first, 's');
    for (const sql of ["XA START 'x'", 'INSERT INTO t VALUES (2)', "XA END 'x'", "XA PREPARE 'x'"]) await prepared.query(sql);
    await a.query('INSERT INTO t VALUES (3)');
    const reading = new Reading(source, { from, wants: inSchema('s') });
    await reading.untilIds(3);
    await reading.stop();
    expect(reading.ids()).toEqual([1, 3]);
    await waitFor(async () => {
      const [rows] = await b.query('SELECT id FROM s.t WHERE id = 3');
      return Array.isArray(rows) && rows.length === 1;
    });
    await first.kill();
    await b.query(flavour === 'mysql' ? 'STOP REPLICA' : 'STOP SLAVE');
    await b.query('FLUSH BINARY LOGS');
    await b.query("XA COMMIT 'x'");
    await b.query('INSERT INTO s.t VALUES (4)');
    const position = reading.positions.at(-1);
    if (position === undefined) throw new Error('nothing was read');
    const after = new Reading(openSource(second.url), { from: position, wants: inSchema('s') });
    await after.untilIds(4);
    expect(after.ids()).toEqual([2, 4]);
  }, 60_000);
});
