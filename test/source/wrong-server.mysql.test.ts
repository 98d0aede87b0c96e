import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import type { SqlServer } from '../../src/embedded/server.ts';
import type { Position } from '../../src/row/position.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { inSchema, never, openSource, purgeTo, Reading } from './reading.ts';
import { itLong } from '../support/long.ts';

eachServer((flavour) => {
  const settings = [
    { label: 'with GTIDs', values: {} },
    ...(flavour === 'mysql' ? [{ label: 'without GTIDs', values: { gtid_mode: 'OFF', enforce_gtid_consistency: 'OFF' } }] : []),
  ];

  describe.each(settings)('$label', ({ values }) => {
    async function start(): Promise<{ readonly own: SqlServer; readonly connection: Connection }> {
      const own = await startPrivateServer(flavour, values);
      const connection = await connectTo(own);
      await connection.query('CREATE DATABASE s');
      await connection.query('CREATE TABLE s.t (id INT PRIMARY KEY)');
      return { own, connection };
    }

    async function write(connection: Connection, first: number, count: number): Promise<void> {
      for (let id = first; id < first + count; id += 1) await connection.query(`INSERT INTO s.t VALUES (${id})`);
    }

    const resetSql = flavour === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER';

    async function codeOf(url: string, from: Position): Promise<string> {
      const reading = new Reading(openSource(url), { from, wants: inSchema('s') });
      const { code } = await reading.failure();
      expect(reading.ids()).toEqual([]);
      return code;
    }

    it('L3: another server behind the same address is refused, with a shorter history and with a longer one', async () => {
      const a = await start();
      await write(a.connection, 1, 10);
      const from = await openSource(a.own.url).head(never);
      const b = await start();
      await write(b.connection, 1, 5);
      expect(await codeOf(b.own.url, from)).toBe('SOURCE_WRONG_SERVER');
      await write(b.connection, 100, 20);
      expect(await codeOf(b.own.url, from)).toBe('SOURCE_WRONG_SERVER');
    });

    it('L3: another server that has written more, and has purged it, is refused as another one', async () => {
      const a = await start();
      await write(a.connection, 1, 10);
      const from = await openSource(a.own.url).head(never);
      const b = await start();
      await b.connection.query(flavour === 'mysql' ? 'DO 0' : 'SET GLOBAL server_id = 4712');
      const connection = await connectTo(b.own);
      await write(connection, 1, 40);
      await connection.query('FLUSH BINARY LOGS');
      await purgeTo(connection, openSource(b.own.url), (await openSource(b.own.url).head(never)).file);
      expect(await codeOf(b.own.url, from)).toBe('SOURCE_WRONG_SERVER');
    });

    it('L3: a server whose binlog was reset is refused', async () => {
      const { own, connection } = await start();
      await write(connection, 1, 10);
      const from = await openSource(own.url).head(never);
      await connection.query(resetSql);
      expect(await codeOf(own.url, from)).toBe('SOURCE_WRONG_SERVER');
    });

    it('L3: a server whose binlog was reset and has grown as long again is refused', async () => {
      const { own, connection } = await start();
      await write(connection, 1, 3);
      const from = await openSource(own.url).head(never);
      await connection.query(resetSql);
      await connection.query('FLUSH BINARY LOGS');
      await connection.query('INSERT INTO s.t VALUES (100), (101), (102), (103), (104)');
      await write(connection, 200, 10);
      expect(await codeOf(own.url, from)).toBe('SOURCE_WRONG_SERVER');
    });

    it('L3: a position whose binlog is purged is refused, also while a reader is away', async () => {
      const { own, connection } = await start();
      const from = await openSource(own.url).head(never);
      await write(connection, 1, 3);
      await connection.query('FLUSH BINARY LOGS');
      const later = await openSource(own.url).head(never);
      await write(connection, 4, 1);
      await purgeTo(connection, openSource(own.url), later.file);
      expect(await codeOf(own.url, from)).toBe('SOURCE_PURGED');
      const reading = new Reading(openSource(own.url), { from: later, wants: inSchema('s') });
      await reading.untilIds(4);
      expect(reading.ids()).toEqual([4]);
    });

    it('L3: a server that has got another identity goes on by its GTIDs, and is refused without', async () => {
      const { own, connection } = await start();
      await write(connection, 1, 3);
      const from = await openSource(own.url).head(never);
      if (flavour === 'mysql') {
        await rm(join(own.dataDir ?? '', 'auto.cnf'));
        await own.restart();
      } else await connection.query('SET GLOBAL server_id = 4711');
      const now = await connectTo(own);
      await write(now, 4, 2);
      if (values.gtid_mode === 'OFF') return expect(await codeOf(own.url, from)).toBe('SOURCE_WRONG_SERVER');
      const reading = new Reading(openSource(own.url), { from, wants: inSchema('s') });
      await reading.untilIds(4, 5);
      expect((await openSource(own.url).head(never)).server).not.toBe(from.server);
    });

    itLong('a server that was restarted, or killed and recovered, is the same server: reading goes on', async () => {
      const { own, connection } = await start();
      const reading = new Reading(openSource(own.url), { from: await openSource(own.url).head(never), wants: inSchema('s') });
      await write(connection, 1, 2);
      await reading.untilIds(2);
      await own.restart();
      await write(await connectTo(own), 3, 2);
      await reading.untilIds(4);
      await own.kill();
      await own.restart();
      await write(await connectTo(own), 5, 2);
      await reading.untilIds(6);
      expect(reading.ids()).toEqual([1, 2, 3, 4, 5, 6]);
    });
  });
});
