import { expect, it } from 'vitest';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

eachServer((flavour) => {
  const modes: readonly Readonly<Record<string, string>>[] =
    flavour === 'mysql' ? [{}, { gtid_mode: 'OFF', enforce_gtid_consistency: 'OFF' }] : [{}];

  it.each(modes)(
    'L3, L12: a reader that is connected when the binlog is reset ends with a code (settings %j)',
    async (settings) => {
      const server = await startPrivateServer(flavour, settings);
      const connection = await connectTo(server);
      await connection.query('CREATE DATABASE d');
      await connection.query('CREATE TABLE d.t (id INT PRIMARY KEY)');
      const source = openSource(server.url, { silenceMs: 500 });
      const from = await source.resolve({ kind: 'latest' }, never);
      await connection.query('INSERT INTO d.t VALUES (1)');
      const reading = new Reading(source, { from, wants: inSchema('d') });
      await reading.untilIds(1);
      await connection.query(flavour === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
      for (let id = 2; id < 20; id += 1) await connection.query('INSERT INTO d.t VALUES (?)', [id]);
      expect((await reading.failure()).code).toBe('SOURCE_WRONG_SERVER');
      expect(reading.ids()).toEqual([1]);
    },
  );
});
