import { describe, expect, it } from 'vitest';
import type { Connection } from 'mysql2/promise';
import type { Position } from '../../src/row/position.ts';
import type { Source } from '../../src/source/contract.ts';
import { createDatabase, connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

interface Case {
  readonly name: string;
  readonly source: Source;
  readonly from: Position;
  readonly sql: (...statements: readonly string[]) => Promise<void>;
  readonly other: Connection;
}

eachServer((flavour, server) => {
  /** A table `t`, a session of its own, and the place behind its making. */
  async function prepare(columns = "id INT PRIMARY KEY, a INT, b VARCHAR(20) DEFAULT 'x'", on = server): Promise<Case> {
    const database = await createDatabase(on);
    const other = await connectTo(on, database.name);
    await database.connection.query(`CREATE TABLE t (${columns}); CREATE TABLE unwanted (id INT PRIMARY KEY, a INT, j JSON)`);
    const source = openSource(on.url);
    const sql = async (...statements: readonly string[]) => {
      for (const statement of statements) await other.query(statement);
    };
    return { name: database.name, source, from: await source.resolve({ kind: 'latest' }, never), sql, other };
  }

  /** Reads until it is refused, and shows that nothing of the bad transaction, and nothing behind it, was handed on. */
  async function refusal({ name, source, from }: Case) {
    const reading = new Reading(source, { from, wants: (schema, table) => schema === name && table === 't' });
    const error = await reading.failure();
    expect(reading.ids()).toEqual([1]);
    expect(error.class).toBe('stop');
    const again = new Reading(source, {
      from: reading.positions.at(-1) ?? from,
      wants: (schema, table) => schema === name && table === 't',
    });
    expect((await again.failure()).code).toBe(error.code);
    expect(again.ids()).toEqual([]);
    return error;
  }

  describe('L3: a read stops, for good, before', () => {
    it('a change that is logged as a statement, and shows none of its values', async () => {
      const test = await prepare();
      await test.sql(
        'INSERT INTO t (id) VALUES (1)',
        'SET SESSION binlog_format = STATEMENT',
        "INSERT INTO t VALUES (2, 3, 'secret')",
        'SET SESSION binlog_format = ROW',
        'INSERT INTO t (id) VALUES (4)',
      );
      const error = await refusal(test);
      expect(error).toMatchObject({ code: 'SOURCE_STATEMENT_FORMAT', message: expect.stringContaining('INSERT INTO t') });
      expect(error.message).not.toContain('secret');
    });

    it('a row that lacks columns: no absent column is taken for NULL', async () => {
      for (const bad of ['INSERT INTO t (id, a) VALUES (2, 2)', 'UPDATE t SET a = 5 WHERE id = 1', 'DELETE FROM t WHERE id = 1']) {
        const test = await prepare();
        await test.sql(
          'INSERT INTO t (id) VALUES (1)',
          'SET SESSION binlog_row_image = MINIMAL',
          bad,
          'SET SESSION binlog_row_image = FULL',
          'INSERT INTO t (id) VALUES (4)',
        );
        expect(await refusal(test)).toMatchObject({
          code: 'SOURCE_ROW_IMAGE',
          message: expect.stringContaining('binlog_row_image = FULL'),
        });
      }
    });

    it('an XA transaction of a wanted table in two phases, committed or not', async () => {
      const test = await prepare();
      const xid = `'${test.name}'`;
      await test.sql(
        'INSERT INTO t (id) VALUES (1)',
        `XA START ${xid}`,
        'INSERT INTO t (id) VALUES (2)',
        `XA END ${xid}`,
        `XA PREPARE ${xid}`,
        `XA COMMIT ${xid}`,
        'INSERT INTO t (id) VALUES (4)',
      );
      expect((await refusal(test)).code).toBe('SOURCE_UNDECODABLE');
    });

    if (flavour === 'mysql')
      it('a compressed transaction, with the SQL that mends it', async () => {
        // A server of its own: what is in such a transaction is not known, so that it stops every reader.
        const test = await prepare(undefined, await startPrivateServer(flavour));
        await test.sql(
          'INSERT INTO t (id) VALUES (1)',
          'SET SESSION binlog_transaction_compression = ON',
          'INSERT INTO t (id) VALUES (2)',
          'SET SESSION binlog_transaction_compression = OFF',
          'INSERT INTO t (id) VALUES (4)',
        );
        expect(await refusal(test)).toMatchObject({
          code: 'SOURCE_UNDECODABLE',
          message: expect.stringMatching(/binlog_transaction_compression = OFF.*at binlog\.\d+:\d+/),
        });
      });

    if (flavour === 'mysql')
      it('an update that logs a part of a JSON value; one of another table passes', async () => {
        const test = await prepare('id INT PRIMARY KEY, j JSON');
        const update = (table: string) => `UPDATE ${table} SET j = JSON_SET(j, '$.a', 2) WHERE id = 1`;
        const value = `{"a": 1, "pad": "${'x'.repeat(200)}"}`;
        await test.sql(
          `INSERT INTO t VALUES (1, '${value}')`,
          `INSERT INTO unwanted VALUES (1, 1, '${value}')`,
          'SET SESSION binlog_row_value_options = PARTIAL_JSON',
          update('unwanted'),
          update('t'),
          "SET SESSION binlog_row_value_options = ''",
          "INSERT INTO t VALUES (4, '{}')",
        );
        expect(await refusal(test)).toMatchObject({
          code: 'SOURCE_UNDECODABLE',
          message: expect.stringContaining("binlog_row_value_options = ''"),
        });
      });
  });

  it('L3: an event without its own column names stops the read, though the server could be asked for them', async () => {
    const own = await startPrivateServer(flavour);
    const connection = await connectTo(own);
    await connection.query('CREATE DATABASE s');
    await connection.query('CREATE TABLE s.t (id INT PRIMARY KEY, a INT)');
    const source = openSource(own.url);
    const from = await source.resolve({ kind: 'latest' }, never);
    await connection.query('INSERT INTO s.t VALUES (1, 1)');
    await connection.query('SET GLOBAL binlog_row_metadata = MINIMAL');
    await connection.query('INSERT INTO s.t VALUES (2, 2)');
    await connection.query('SET GLOBAL binlog_row_metadata = FULL');
    await connection.query('INSERT INTO s.t VALUES (3, 3)');
    const reading = new Reading(source, { from, wants: inSchema('s') });
    expect(await reading.failure()).toMatchObject({
      code: 'SOURCE_ROW_METADATA',
      message: expect.stringContaining('binlog_row_metadata = FULL'),
    });
    expect(reading.ids()).toEqual([1]);
  });

  // Their width is in no event, so zongji asks the server, with its connection paused.
  if (flavour === 'mariadb')
    it('L3: old temporal columns are read by the present definition while it is the event’s own, else stop', async () => {
      const own = await startPrivateServer(flavour, { mysql56_temporal_format: 'OFF' });
      const connection = await connectTo(own);
      await connection.query('CREATE DATABASE s');
      await connection.query('CREATE TABLE s.t (id INT PRIMARY KEY, at DATETIME(3), other DATETIME(3))');
      const source = openSource(own.url);
      const from = await source.resolve({ kind: 'latest' }, never);
      for (let id = 1; id <= 50; id += 1) await connection.query(`INSERT INTO s.t VALUES (${id}, '2026-11-22 10:00:00.123', NULL)`);
      const reading = new Reading(source, { from, wants: inSchema('s') });
      await reading.untilIds(50);
      expect(reading.changes.map(({ after }) => after)).toEqual(
        Array.from({ length: 50 }, (_, i) => ({ id: i + 1, at: '2026-11-22 10:00:00.123', other: null })),
      );
      await reading.stop();
      await connection.query('ALTER TABLE s.t CHANGE at moved DATETIME(3)');
      const late = new Reading(source, { from, wants: inSchema('s') });
      expect(await late.failure()).toMatchObject({ code: 'SOURCE_ROW_METADATA' });
      expect(late.ids()).toEqual([]);
    });

  describe('what touches no wanted table is passed by:', () => {
    it('statements, partial rows and XA transactions of other tables', async () => {
      const test = await prepare();
      const xid = `'${test.name}'`;
      await test.sql(
        'SET SESSION binlog_format = STATEMENT',
        'INSERT INTO unwanted VALUES (1, 1, NULL)',
        'SET SESSION binlog_format = ROW',
        'SET SESSION binlog_row_image = MINIMAL',
        'UPDATE unwanted SET a = 2',
        'SET SESSION binlog_row_image = FULL',
        `XA START ${xid}`,
        'INSERT INTO unwanted VALUES (2, 2, NULL)',
        `XA END ${xid}`,
        `XA PREPARE ${xid}`,
        `XA COMMIT ${xid}`,
        'INSERT INTO t (id) VALUES (9)',
      );
      const reading = new Reading(test.source, {
        from: test.from,
        wants: (schema, table) => schema === test.name && table === 't',
      });
      await reading.untilIds(9);
      expect(reading.ids()).toEqual([9]);
    });
  });

  it('a binlog whose checksums were switched on and off is read through', async () => {
    const own = await startPrivateServer(flavour);
    const connection = await connectTo(own);
    await connection.query('CREATE DATABASE s');
    await connection.query('CREATE TABLE s.t (id INT PRIMARY KEY, v VARCHAR(20))');
    const source = openSource(own.url);
    const from = await source.resolve({ kind: 'earliest' }, never);
    let id = 0;
    for (const checksum of ['CRC32', 'NONE', 'CRC32', 'NONE']) {
      await connection.query(`SET GLOBAL binlog_checksum = ${checksum}`);
      await connection.query(`INSERT INTO s.t VALUES (${(id += 1)}, 'abc'), (${(id += 1)}, 'def')`);
    }
    const reading = new Reading(source, { from, wants: inSchema('s') });
    await reading.untilIds(id);
    await connection.query('SET GLOBAL binlog_checksum = CRC32');
    await connection.query(`INSERT INTO s.t VALUES (99, 'abc')`);
    await reading.untilIds(99);
    expect(reading.changes.map(({ after }) => after)).toEqual([
      ...Array.from({ length: id }, (_, i) => ({ id: i + 1, v: i % 2 === 0 ? 'abc' : 'def' })),
      { id: 99, v: 'abc' },
    ]);
  });
});
