import { describe, expect, it } from 'vitest';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

/** Events that do not say what their columns are. */
eachServer((flavour) => {
  const columns =
    "id INT UNSIGNED PRIMARY KEY, e ENUM('a,b', 'it''s', 'back\\\\slash', '`x`'), s SET('x', 'y''', 'z'), l VARCHAR(20) CHARACTER SET latin1, " +
    'n BIGINT UNSIGNED, v VARBINARY(10), d DECIMAL(20,5), at TIMESTAMP(3) NULL, c CHAR(5), bin BINARY(16), bits BIT(5), y YEAR';
  const insert = (id: number) =>
    `INSERT INTO t VALUES (${id}, ${1 + (id % 4)}, 'x,y''', 'größe', 18446744073709551615, x'00ff', -1.5, '2026-01-01 10:00:00.125', 'ab', x'01', b'10101', 0)`;

  async function start(settings: Readonly<Record<string, string>>) {
    const own = await startPrivateServer(flavour, settings);
    const connection = await connectTo(own);
    const run = async (...statements: readonly string[]) => {
      for (const statement of statements) await connection.query(statement);
    };
    const useNew = (schema: string) => run(`CREATE DATABASE ${schema}`, `USE ${schema}`, "SET sql_mode = ''");
    return { own, connection, run, useNew, source: openSource(own.url) };
  }

  for (const metadata of flavour === 'mysql' ? ['MINIMAL'] : ['MINIMAL', 'NO_LOG'])
    describe(`L3: binlog_row_metadata = ${metadata}:`, () => {
      it('a table that was not altered since is read as with FULL', async () => {
        const { connection, run, useNew, source } = await start({ binlog_row_metadata: metadata });
        await useNew('s');
        await connection.query(`CREATE TABLE t (${columns})`);
        const from = await source.resolve({ kind: 'latest' }, never);
        for (const id of [1, 2, 3, 4]) await connection.query(insert(id));
        await run('SET GLOBAL binlog_row_metadata = FULL', 'FLUSH TABLES');
        for (const id of [5, 6, 7, 8]) await connection.query(insert(id));
        const reading = new Reading(source, { from, wants: inSchema('s') });
        await reading.untilIds(8);
        const rows = reading.changes.map(({ after }) => ({ ...after, id: 0 }));
        expect(rows.slice(0, 4)).toEqual(rows.slice(4));
        expect(rows[1]).toMatchObject({ e: 'back\\slash', s: "x,y'", l: 'größe', n: '18446744073709551615', y: 0 });
        expect(reading.parts.flatMap(({ groups }) => groups)[0]?.table.primaryKey).toEqual(['id']);
      });

      it('rows from before an ALTER are refused, whatever it altered, and those behind it are read', async () => {
        const { connection, run, useNew, source } = await start({ binlog_row_metadata: metadata });
        const alters = [
          'ALTER TABLE t CHANGE l renamed VARCHAR(20) CHARACTER SET latin1',
          "ALTER TABLE t MODIFY e ENUM('other', 'it''s', 'back', '`x`')",
          'ALTER TABLE t MODIFY n BIGINT',
          'RENAME TABLE t TO old, other TO t',
          'DROP TABLE t',
          'ALTER TABLE t ADD COLUMN more INT FIRST',
        ];
        for (const [index, alter] of alters.entries()) {
          const schema = `s${index}`;
          await useNew(schema);
          await run(`CREATE TABLE t (${columns})`, 'CREATE TABLE other LIKE t');
          const from = await source.resolve({ kind: 'latest' }, never);
          await connection.query(insert(1));
          const behind = await source.resolve({ kind: 'latest' }, never);
          await connection.query(alter);
          const early = new Reading(source, { from, wants: inSchema(schema) });
          expect(await early.failure()).toMatchObject({ code: 'SOURCE_ROW_METADATA', class: 'stop' });
          expect(early.changes).toEqual([]);
          if (alter.startsWith('DROP')) continue;
          await connection.query('INSERT INTO t (id, y) VALUES (2, 2001)');
          const late = new Reading(source, { from: behind, wants: inSchema(schema) });
          await late.untilIds(2);
          expect(late.changes[0]?.after).toMatchObject({ id: 2, y: 2001 });
          await late.stop();
        }
      });

      it('a table that a statement maps without rows of it need not be known', async () => {
        const { run, useNew, source } = await start({ binlog_row_metadata: metadata });
        await useNew('s');
        await run('CREATE TABLE a (id INT PRIMARY KEY, n INT)', 'CREATE TABLE t (id INT PRIMARY KEY, n INT)');
        await run('INSERT INTO a VALUES (1, 1)', 'INSERT INTO t VALUES (1, 1)');
        const from = await source.resolve({ kind: 'latest' }, never);
        await run('UPDATE a JOIN t USING (id) SET a.n = 2, t.n = 1', 'ALTER TABLE t ADD COLUMN more INT FIRST');
        await run('INSERT INTO t (id, n) VALUES (2, 2)');
        const reading = new Reading(source, { from, wants: inSchema('s') });
        await reading.untilIds(2);
        expect(reading.changes.map(({ table, after }) => [table, after])).toEqual([
          ['a', { id: 1, n: 2 }],
          ['t', { more: null, id: 2, n: 2 }],
        ]);
      });

      it('a table altered while it is read is read on, by its new columns', async () => {
        const { connection, useNew, source } = await start({ binlog_row_metadata: metadata });
        await useNew('s');
        await connection.query('CREATE TABLE t (id INT PRIMARY KEY, a INT)');
        const from = await source.resolve({ kind: 'latest' }, never);
        const reading = new Reading(source, { from, wants: inSchema('s') });
        await connection.query('INSERT INTO t VALUES (1, 10)');
        await reading.untilIds(1);
        await connection.query('ALTER TABLE t CHANGE a b INT');
        await connection.query('INSERT INTO t VALUES (2, 20)');
        await reading.untilIds(2);
        await connection.query('ALTER TABLE t ADD COLUMN a INT FIRST');
        await connection.query('INSERT INTO t VALUES (30, 3, 31)');
        await reading.untilIds(3);
        expect(reading.changes.map(({ after }) => after)).toEqual([
          { id: 1, a: 10 },
          { id: 2, b: 20 },
          { a: 30, id: 3, b: 31 },
        ]);
      });
    });

  if (flavour === 'mariadb')
    it('L3, L8: types that only the definition tells apart are read while it is the event’s own, else stop', async () => {
      const { connection, useNew, source } = await start({ mysql56_temporal_format: 'OFF' });
      await useNew('s');
      const digits = [0, 1, 2, 3, 4, 5, 6];
      const times = digits.map((n) => `d${n} DATETIME(${n}), t${n} TIME(${n}), s${n} TIMESTAMP(${n}) NULL`).join(', ');
      await connection.query(
        `CREATE TABLE t (id INT PRIMARY KEY, u UUID, i4 INET4, i6 INET6, b BINARY(16), c BINARY(4), ${times})`,
      );
      const from = await source.resolve({ kind: 'latest' }, never);
      const values = (date: string, time: string, stamp: string) => digits.map(() => `'${date}', '${time}', ${stamp}`).join(', ');
      await connection.query("SET time_zone = '+00:00'");
      const stamp = "'2038-01-19 03:14:07.999999'";
      await connection.query(
        `INSERT INTO t VALUES
         (1, '123e4567-e89b-12d3-a456-426655440000', '192.0.2.1', '2001:db8::ff00:42:8329', x'00ff', x'01', ${values('2026-11-22 10:00:00.123456', '-838:59:59.999999', stamp)}),
         (2, '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', '', '', ${values('9999-12-31 23:59:59.999999', '838:59:59.999999', 'NULL')}),
         (3, NULL, '255.255.255.255', '::ffff:192.0.2.1', NULL, NULL, ${values('0000-00-00 00:00:00', '-00:00:00.5', "'1970-01-01 00:00:01.5'")}),
         (4, NULL, NULL, '::1', NULL, NULL, ${values('1000-01-01', '0', 'NULL')}),
         (5, NULL, NULL, '::192.0.2.1', NULL, NULL, ${values('1000-01-01', '-1', 'NULL')}),
         (6, NULL, NULL, '1:0:0:2::3', NULL, NULL, ${values('1000-01-01', '00:00:00.000001', 'NULL')}),
         (7, NULL, NULL, 'fe80::1:0:0:0', NULL, NULL, ${values('1000-01-01', '-00:00:00.000001', 'NULL')})`,
      );
      const [rows] = await connection.query({
        sql: 'SELECT * FROM t ORDER BY id',
        typeCast: (field, next) => (/DATE|TIME/.test(field.type) ? field.string('utf8') : next()),
      });
      const reading = new Reading(source, { from, wants: inSchema('s') });
      await reading.untilIds(7);
      expect(reading.changes.map(({ after }) => after)).toEqual(rows);
      await reading.stop();
      await connection.query('ALTER TABLE s.t ADD COLUMN more INT FIRST');
      const again = new Reading(source, { from, wants: inSchema('s') });
      await again.untilIds(7);
      expect(again.changes.map(({ after }) => after)).toEqual(rows);
      await again.stop();
      await connection.query('ALTER TABLE s.t CHANGE b moved BINARY(16)');
      const late = new Reading(source, { from, wants: inSchema('s') });
      expect(await late.failure()).toMatchObject({ code: 'SOURCE_ROW_METADATA' });
      expect(late.ids()).toEqual([]);
    });

  it('L3: an account that may not see the table is told so', async () => {
    const { own, connection, run, useNew, source } = await start({ binlog_row_metadata: 'MINIMAL' });
    await useNew('s');
    await run(
      'CREATE TABLE t (id INT PRIMARY KEY)',
      "CREATE USER reader@'%' IDENTIFIED BY 'secret'",
      "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO reader@'%'",
    );
    const from = await source.resolve({ kind: 'latest' }, never);
    await connection.query('INSERT INTO t VALUES (1)');
    const url = new URL(own.url);
    const reader = openSource(`mysql://reader:secret@${url.host}`);
    const blind = new Reading(reader, { from, wants: inSchema('s') });
    expect(await blind.failure()).toMatchObject({
      code: 'SOURCE_ROW_METADATA',
      message: expect.stringContaining('GRANT SELECT ON `s`.* TO the source user'),
    });
    await connection.query("GRANT SELECT ON s.* TO reader@'%'");
    const seeing = new Reading(reader, { from, wants: inSchema('s') });
    await seeing.untilIds(1);
  });
});
