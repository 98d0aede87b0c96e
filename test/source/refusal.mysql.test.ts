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
