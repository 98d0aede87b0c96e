import { createHash } from 'node:crypto';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SqlServer } from '../../src/embedded/server.ts';
import type { Value } from '../../src/row/change.ts';
import type { Position } from '../../src/row/position.ts';
import type { Source, TableFilter } from '../../src/source/contract.ts';
import { killDumps } from '../support/fault/source-server.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { inSchema, never, openSource, purgeTo, Reading } from './reading.ts';

/** Ids of XA transactions are the server's, not the database's. */
const xidOf = (name: string, index: number | string): string =>
  `'${name}','\\0\\'${index}',${typeof index === 'number' ? index + 1 : 7}`;

async function prepare(session: Connection, xid: string, ...statements: readonly string[]): Promise<void> {
  await session.query(`XA START ${xid}`);
  for (const statement of statements) await session.query(statement);
  await session.query(`XA END ${xid}`);
  await session.query(`XA PREPARE ${xid}`);
}

const sumOf = (value: Value): string => (value instanceof Uint8Array ? createHash('sha256').update(value).digest('hex') : '');

const gtidOnly = ({ gtid, server }: Position): Position => ({ server, file: '', offset: 0, gtid, rows: 0 });

eachServer((flavour) => {
  let server: SqlServer;
  let databases = 0;
  // What a failing test leaves prepared holds locks: no other test's server.
  beforeAll(async () => {
    server = await startPrivateServer(flavour);
  }, 60_000);

  async function database(on = server) {
    const name = `xa${(databases += 1)}`;
    const connection = await connectTo(on);
    for (const sql of [
      `CREATE DATABASE ${name}`,
      `USE ${name}`,
      'CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)',
      'CREATE TABLE u (id INT PRIMARY KEY)',
      'CREATE TABLE w (id INT PRIMARY KEY)',
    ])
      await connection.query(sql);
    const source = openSource(on.url);
    const head = () => source.resolve({ kind: 'latest' }, never);
    const session = () => connectTo(on, name);
    return { name, connection, source, head, session, from: await head(), xid: (index: number | string) => xidOf(name, index) };
  }

  /** The ids that a read from there hands on until the last one, each once. */
  async function idsFrom(source: Source, from: Position, wants: TableFilter, last: number): Promise<unknown[]> {
    const reading = new Reading(source, { from, wants });
    await reading.untilIds(last);
    await reading.stop();
    return reading.ids();
  }

  describe('an XA transaction in two phases', () => {
    it('takes effect where it is committed, among others, and not at all where it is rolled back', async () => {
      const { name, connection, source, head, session, from, xid } = await database();
      const sessions = await Promise.all([session(), session(), session()]);
      const [a, b, c] = sessions;
      if (a === undefined || b === undefined || c === undefined) throw new Error('three sessions');
      const reading = new Reading(source, { from, wants: inSchema(name) });
      await prepare(
        a,
        xid(1),
        'INSERT INTO t VALUES (1, NULL)',
        'SAVEPOINT s',
        'INSERT INTO w VALUES (100)',
        'ROLLBACK TO s',
        'INSERT INTO u VALUES (2)',
      );
      await connection.query('INSERT INTO t VALUES (3, NULL)');
      await prepare(b, xid(2), 'INSERT INTO t VALUES (4, NULL)');
      await prepare(c, xid(3), 'INSERT INTO t VALUES (101, NULL)');
      await connection.query('INSERT INTO t VALUES (5, NULL)');
      const between = await head();
      await b.query(`XA COMMIT ${xid(2)}`);
      await c.query(`XA ROLLBACK ${xid(3)}`);
      await a.query(`XA COMMIT ${xid(1)}`);
      // One that has gone is committed by another, and its id is used again.
      await prepare(c, xid(2), 'INSERT INTO t VALUES (6, NULL)');
      c.destroy();
      await prepare(b, xid('x'), 'INSERT INTO w VALUES (7)');
      await b.query(`XA COMMIT ${xid('x')}`);
      await b.query(`XA START ${xid(9)}`);
      await b.query('INSERT INTO t VALUES (8, NULL)');
      await b.query(`XA END ${xid(9)}`);
      await b.query(`XA COMMIT ${xid(9)} ONE PHASE`);
      await commitOther(connection, xid(2));
      await connection.query('INSERT INTO t VALUES (9, NULL)');
      await reading.untilIds(9);
      const all = [3, 5, 4, 1, 2, 7, 8, 6, 9];
      expect(reading.ids()).toEqual(all);
      const committed = reading.parts.find((part) => part.groups.some(({ table }) => table.name === 'u'));
      expect(committed).toMatchObject({ isFinal: true, groups: [{ table: { name: 't' } }, { table: { name: 'u' } }] });
      expect(committed?.gtid === '').toBe(from.gtid === '');

      expect(await idsFrom(source, between, inSchema(name), 9)).toEqual(all.slice(2));
      if (from.gtid !== '') expect(await idsFrom(source, gtidOnly(between), inSchema(name), 9)).toEqual(all.slice(2));
      expect(await idsFrom(source, { ...between, gtid: '' }, inSchema(name), 9)).toEqual(all.slice(2));
    });

    it('L2: from every position between its two ends nothing is lost and nothing doubled', async () => {
      const { name, connection, source, session, from, xid } = await database();
      const [a, b] = await Promise.all([session(), session()]);
      let id = 0;
      for (let round = 0; round < 4; round += 1) {
        await prepare(a, xid(1), `INSERT INTO t VALUES (${(id += 1)}, NULL)`);
        await prepare(b, xid(2), `INSERT INTO t VALUES (${(id += 1)}, NULL)`, `INSERT INTO u VALUES (${(id += 1)})`);
        await connection.query(`INSERT INTO t VALUES (${(id += 1)}, NULL)`);
        await (round % 2 === 0 ? a : b).query(`XA COMMIT ${xid(round % 2 === 0 ? 1 : 2)}`);
        if (round === 1) await connection.query('FLUSH BINARY LOGS');
        await (round % 2 === 0 ? b : a).query(`XA ${round === 2 ? 'ROLLBACK' : 'COMMIT'} ${xid(round % 2 === 0 ? 2 : 1)}`);
      }
      await connection.query(`INSERT INTO t VALUES (${(id += 1)}, NULL)`);
      const whole = new Reading(source, { from, wants: inSchema(name) });
      await whole.untilIds(id);
      await whole.stop();
      expect(new Set(whole.ids()).size).toBe(id - 2);
      expect(whole.ids()).toHaveLength(id - 2);
      const parts = whole.parts.filter((part) => part.isFinal);
      for (const [index, position] of whole.positions.entries()) {
        const rest = parts.slice(index + 1).flatMap((part) => part.groups);
        if (rest.length === 0) break;
        const again = new Reading(source, { from: position, wants: inSchema(name) });
        await again.untilIds(id);
        await again.stop();
        expect(again.changes).toEqual(whole.changes.slice(-again.changes.length));
        expect(again.parts.flatMap((part) => part.groups).length).toBe(rest.length);
      }
    });
  });

  describe('an XA transaction whose changes are not held any more', () => {
    it('L7: is read again where it is too large, in parts, with the same changes after a connection was lost in the middle', async () => {
      const own = await startPrivateServer(flavour);
      for (const compression of flavour === 'mysql' ? ['OFF', 'ON'] : ['OFF']) {
        const { name, connection, source, session, from, xid } = await database(own);
        const a = await session();
        if (flavour === 'mysql') await a.query(`SET SESSION binlog_transaction_compression = ${compression}`);
        // 12 MB: beyond what is held of one.
        const inserts = Array.from(
          { length: 120 },
          (_, i) =>
            `INSERT INTO t VALUES ${Array.from({ length: 10 }, (_row, k) => `(${i * 10 + k}, REPEAT(RANDOM_BYTES(100), 100))`).join()}`,
        );
        await connection.query('ALTER TABLE t MODIFY v LONGBLOB');
        for (const end of ['COMMIT', 'COMMIT ONE PHASE'] as const) {
          await connection.query('TRUNCATE t');
          const begin = await source.resolve({ kind: 'latest' }, never);
          if (end === 'COMMIT') await prepare(a, xid(1), ...inserts);
          else await a.query(`XA START ${xid(1)}`);
          const last = end === 'COMMIT' ? [] : [...inserts, `XA END ${xid(1)}`];
          for (const statement of last) await a.query(statement);
          await connection.query('INSERT INTO u VALUES (5000)');
          await a.query('SET timestamp = 1700000000');
          await a.query(`XA COMMIT ${xid(1)}${end === 'COMMIT' ? '' : ' ONE PHASE'}`);
          await a.query('SET timestamp = DEFAULT');
          await connection.query('INSERT INTO w VALUES (9999)');
          let kills = 0;
          const reading = new Reading(source, {
            from: begin,
            wants: inSchema(name),
            onPart: (part) => {
              if (part.isFinal || kills >= 2 || part.groups.length === 0) return undefined;
              kills += 1;
              return killDumps(connection).then(() => undefined);
            },
          });
          await reading.untilIds(9999);
          await reading.stop();
          expect(kills).toBe(2);
          const ids = reading.ids().filter((id) => Number(id) < 5000);
          expect(ids).toEqual(Array.from({ length: 1200 }, (_, i) => i));
          const [rows] = await connection.query<RowDataPacket[]>('SELECT id, SHA2(v, 256) AS sum FROM t ORDER BY id');
          const sums = reading.changes.flatMap(({ table, after }) =>
            table === 't' ? [{ id: after?.['id'], sum: sumOf(after?.['v']) }] : [],
          );
          expect(sums).toEqual(rows);
          const cut = reading.parts.filter((part) => !part.isFinal);
          expect(cut.length).toBeGreaterThan(10);
          // The time of the commit, not of the changes; MariaDB logs one phase as a plain transaction.
          if (end === 'COMMIT' || flavour === 'mysql')
            expect(new Set(cut.map(({ time }) => time))).toEqual(new Set([1_700_000_000_000]));
          expect(Math.max(...reading.parts.map(({ bytes }) => bytes))).toBeLessThan(2 * 1024 * 1024);
          await connection.query('DELETE FROM w');
          await connection.query('DELETE FROM u');
        }
        expect(from.file).not.toBe('');
      }
    }, 120_000);

    it('is read again where a table is wanted that was not when it was prepared', async () => {
      const { name, connection, source, session, from, xid } = await database();
      const a = await session();
      const wanted = new Set(['t']);
      const wants: TableFilter = (schema, table) => schema === name && wanted.has(table);
      const reading = new Reading(source, { from, wants });
      await prepare(a, xid(1), 'INSERT INTO t VALUES (1, NULL)', 'INSERT INTO u VALUES (2)', 'INSERT INTO w VALUES (3)');
      await connection.query('INSERT INTO t VALUES (4, NULL)');
      await reading.untilIds(4);
      wanted.add('w');
      wanted.delete('t');
      await a.query(`XA COMMIT ${xid(1)}`);
      await connection.query('INSERT INTO w VALUES (5)');
      await reading.untilIds(5);
      expect(reading.ids()).toEqual([4, 3, 5]);
    });

    it('is found over a crash of the server, in the file before', async () => {
      const own = await startPrivateServer(flavour);
      const { name, source, session, from, xid } = await database(own);
      const reading = new Reading(source, { from, wants: inSchema(name) });
      await prepare(await session(), xid(1), 'INSERT INTO t VALUES (1, NULL)');
      await prepare(await session(), xid(2), 'INSERT INTO t VALUES (2, NULL)');
      const before = await connectTo(own, name);
      await before.query('INSERT INTO u VALUES (3)');
      await reading.untilIds(3);
      await own.kill();
      await own.restart();
      const connection = await connectTo(own, name);
      const [recovered] = await connection.query<RowDataPacket[]>('XA RECOVER');
      expect(recovered).toHaveLength(2);
      await connection.query('INSERT INTO u VALUES (4)');
      await connection.query(`XA COMMIT ${xid(1)}`);
      await connection.query(`XA ROLLBACK ${xid(2)}`);
      await connection.query('INSERT INTO u VALUES (5)');
      await reading.untilIds(5);
      expect(reading.ids()).toEqual([3, 4, 1, 5]);
      expect(await idsFrom(source, from, inSchema(name), 5)).toEqual([3, 4, 1, 5]);
    }, 60_000);

    it('L3: stops when the file that has them is purged, and says what to do; one that was held goes on', async () => {
      const own = await startPrivateServer(flavour);
      const { name, connection, source, head, session, from, xid } = await database(own);
      const seen = new Reading(source, { from, wants: inSchema(name) });
      const a = await session();
      await prepare(a, xid(1), 'INSERT INTO t VALUES (1, NULL)');
      await connection.query('FLUSH BINARY LOGS');
      await connection.query('INSERT INTO u VALUES (2)');
      await seen.untilIds(2);
      const behind = await head();
      await purgeTo(connection, source, behind.file);
      await a.query(`XA COMMIT ${xid(1)}`);
      await connection.query('INSERT INTO u VALUES (3)');
      await seen.untilIds(3);
      expect(seen.ids()).toEqual([2, 1, 3]);
      const late = new Reading(source, { from: behind, wants: inSchema(name) });
      const error = await late.failure();
      expect(error).toMatchObject({ code: 'SOURCE_PURGED', class: 'stop', message: expect.stringContaining('new start') });
      expect(error.message).toContain(Buffer.from(name).toString('hex'));
      expect(late.ids()).toEqual([]);
    }, 60_000);
  });

  describe('an XA transaction is read', () => {
    const settings: readonly Readonly<Record<string, string>>[] =
      flavour === 'mysql'
        ? [
            { gtid_mode: 'OFF', enforce_gtid_consistency: 'OFF' },
            { binlog_transaction_compression: 'ON', binlog_checksum: 'NONE' },
            { binlog_row_metadata: 'MINIMAL' },
          ]
        : [
            { log_bin_compress: 'ON', log_bin_compress_min_len: '10' },
            { binlog_row_metadata: 'NO_LOG', binlog_checksum: 'NONE' },
          ];
    for (const setting of settings)
      it(`under ${JSON.stringify(setting)}, as it is prepared and from between`, async () => {
        const own = await startPrivateServer(flavour, setting);
        const { name, connection, source, head, session, from, xid } = await database(own);
        const a = await session();
        const reading = new Reading(source, { from, wants: inSchema(name) });
        const text = 'x'.repeat(3000);
        await prepare(
          a,
          xid(1),
          `INSERT INTO t VALUES (1, '${text}'), (2, 'é')`,
          'INSERT INTO u VALUES (3)',
          "UPDATE t SET v = 'y' WHERE id = 2",
        );
        const between = await head();
        await connection.query('INSERT INTO u VALUES (4)');
        await reading.untilIds(4);
        expect(reading.ids()).toEqual([4]);
        await a.query(`XA COMMIT ${xid(1)}`);
        await connection.query('INSERT INTO u VALUES (5)');
        await reading.untilIds(5);
        expect(reading.ids()).toEqual([4, 1, 2, 3, 2, 5]);
        expect(reading.changes[1]?.after).toEqual({ id: 1, v: text });
        expect(reading.changes[4]).toMatchObject({ before: { v: 'é' }, after: { v: 'y' } });
        const late = new Reading(source, { from: between, wants: inSchema(name) });
        await late.untilIds(5);
        expect(late.changes).toEqual(reading.changes);
      }, 60_000);
  });

  it('L3: a change that an XA transaction has as a statement stops where it is committed, and not where it is rolled back', async () => {
    const { name, connection, source, session, from, xid } = await database();
    const a = await session();
    await a.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await a.query('SET SESSION binlog_format = STATEMENT');
    await prepare(a, xid(1), "INSERT INTO t VALUES (1, 'secret')");
    await a.query(`XA ROLLBACK ${xid(1)}`);
    await prepare(a, xid(1), "INSERT INTO t VALUES (2, 'secret')");
    await connection.query('INSERT INTO u VALUES (3)');
    await a.query(`XA COMMIT ${xid(1)}`);
    await connection.query('INSERT INTO u VALUES (4)');
    const reading = new Reading(source, { from, wants: inSchema(name) });
    const error = await reading.failure();
    expect(error).toMatchObject({ code: 'SOURCE_STATEMENT_FORMAT', class: 'stop' });
    expect(error.message).not.toContain('secret');
    expect(reading.ids()).toEqual([3]);
    const again = new Reading(source, { from: reading.positions.at(-1) ?? from, wants: inSchema(name) });
    expect((await again.failure()).code).toBe('SOURCE_STATEMENT_FORMAT');
    expect(again.ids()).toEqual([]);
  });

  /** The session that prepared it must have ended for the server too. */
  async function commitOther(connection: Connection, xid: string): Promise<void> {
    await waitFor(() =>
      connection.query(`XA COMMIT ${xid}`).then(
        () => true,
        () => false,
      ),
    );
  }
});
