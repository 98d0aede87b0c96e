import { Readable } from 'node:stream';
import type { Connection, QueryOptions } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import type { Logger } from '../../src/lib/logger.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { connectTo, createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { never, openSource, Reading } from './reading.ts';

interface Case {
  readonly name: string;
  readonly other: Connection;
  /** Runs these statements in a session that writes statements to the binlog, and rows before and after. */
  readonly read: (statements: readonly (string | QueryOptions)[], logger?: Logger) => Promise<Reading>;
}

eachServer((flavour, server) => {
  /** The wanted table `t`, and others. */
  async function prepare(on = server): Promise<Case> {
    const { name, connection } = await createDatabase(on);
    await connection.query(
      `CREATE TABLE t (id INT PRIMARY KEY, a INT); CREATE TABLE u (id INT PRIMARY KEY, a INT); CREATE TABLE log (id INT PRIMARY KEY, a INT);
       INSERT INTO u VALUES (100, 1); INSERT INTO t VALUES (200, 1);
       CREATE PROCEDURE fill() INSERT INTO t SELECT id + 900, a FROM u;
       CREATE FUNCTION put() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO t VALUES (901, 1); RETURN 1; END`,
    );
    const other = await connectTo(on, name);
    const read = async (statements: readonly (string | QueryOptions)[], logger = silentLogger): Promise<Reading> => {
      const source = openSource(on.url, { logger });
      const from = await source.resolve({ kind: 'latest' }, never);
      await other.query('INSERT INTO t (id) VALUES (1)');
      await other.query('SET SESSION binlog_format = STATEMENT');
      for (const statement of statements) await (typeof statement === 'string' ? other.query(statement) : other.query(statement));
      await other.query('SET SESSION binlog_format = ROW');
      await other.query('INSERT INTO t (id) VALUES (999)');
      return new Reading(source, { from, wants: (schema, table) => schema === name && table === 't' });
    };
    return { name, other, read };
  }

  describe('L3: a statement that changes a wanted table is never passed over:', () => {
    it.each([
      'INSERT INTO t SELECT id, a FROM u',
      'REPLACE INTO t VALUES (2, 2)',
      'UPDATE u, t SET t.a = 2, u.a = 3',
      'DELETE u, t FROM u JOIN t',
      'DELETE FROM x USING t AS x JOIN u',
      'WITH c AS (SELECT 1) UPDATE t SET a = 2 WHERE a IN (SELECT * FROM c)',
      'CALL fill()',
      'SELECT put()',
      'DO put()',
      'SET @x = put()',
      '/*!50000 INSERT */ /* u */ INTO `t` VALUES (2, 2)',
      ...(flavour === 'mariadb'
        ? [
            'SET STATEMENT max_statement_time = 10 FOR UPDATE t SET a = 2',
            'ANALYZE UPDATE t SET a = 2',
            'EXECUTE IMMEDIATE "UPDATE t SET a = 2"',
          ]
        : ['INSERT INTO t TABLE u']),
    ])('%s', async (statement) => {
      // What touches nobody knows what stops every reader of the server.
      const isOpaque = /fill|put/.test(statement);
      if (flavour === 'mariadb' && statement.startsWith('WITH')) return; // no UPDATE behind WITH there
      const { read } = await prepare(isOpaque ? await startPrivateServer(flavour) : server);
      const reading = await read([statement]);
      expect((await reading.failure()).code).toBe('SOURCE_STATEMENT_FORMAT');
      expect(reading.ids()).toEqual([1]);
    });

    it('LOAD DATA', async () => {
      const { read, other } = await prepare();
      await other.query('SET GLOBAL local_infile = 1');
      const sql = "LOAD DATA LOCAL INFILE 'rows.csv' INTO TABLE t FIELDS TERMINATED BY ','";
      const reading = await read([{ sql, infileStreamFactory: () => Readable.from([Buffer.from('2,2\n')]) }]);
      const error = await reading.failure();
      expect(error).toMatchObject({ code: 'SOURCE_STATEMENT_FORMAT', message: expect.stringContaining('LOAD DATA') });
      expect(reading.ids()).toEqual([1]);
    });

    it('CREATE TABLE … SELECT, which fills the table; in row format its rows are changes', async () => {
      const { read, other, name } = await prepare();
      await other.query('DROP TABLE t');
      await other.query('CREATE TABLE t (id INT PRIMARY KEY, a INT) AS SELECT id, a FROM u');
      const source = openSource(server.url);
      const from = await source.resolve({ kind: 'latest' }, never);
      await other.query('DROP TABLE t');
      await other.query('CREATE TABLE t (id INT PRIMARY KEY, a INT) AS SELECT id + 5 AS id, a FROM u');
      const rows = new Reading(source, { from, wants: (schema, table) => schema === name && table === 't' });
      await rows.untilIds(105);
      expect(rows.changes).toMatchObject([{ op: 'insert', after: { id: 105, a: 1 } }]);
      const statements = rows.parts.flatMap((part) => part.statements ?? []).filter(({ schema }) => schema === name);
      expect(statements).toMatchObject([{ op: 'drop', table: 't' }]);
      const reading = await read(['DROP TABLE t', 'CREATE TABLE t (id INT PRIMARY KEY, a INT) AS SELECT id, a FROM u']);
      expect((await reading.failure()).code).toBe('SOURCE_STATEMENT_FORMAT');
    });
  });

  it('L3: a statement of other tables is passed with a warning, because its view, trigger or function may hide a wanted one', async () => {
    const { read } = await prepare();
    const warnings: unknown[] = [];
    const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields), child: () => logger };
    const reading = await read(["INSERT INTO log VALUES (1, LENGTH('secret'))", 'DELETE FROM log'], logger);
    await reading.untilIds(999);
    expect(reading.ids()).toEqual([1, 999]);
    expect(warnings).toHaveLength(1);
    expect(JSON.stringify(warnings)).toMatch(/INSERT INTO log/);
    expect(JSON.stringify(warnings)).not.toContain('secret');
  });
});
