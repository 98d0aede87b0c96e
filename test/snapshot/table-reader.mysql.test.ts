import { randomBytes } from 'node:crypto';
import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import type { TransactionPart } from '../../src/row/change.ts';
import type { Position } from '../../src/row/position.ts';
import { comparePositions } from '../../src/row/position.ts';
import type { Key, SnapshotTable, TableReader } from '../../src/snapshot/contract.ts';
import { keyOf } from '../../src/snapshot/key-text.ts';
import { inSchema, never, openSource, Reading, rejection } from '../source/reading.ts';
import { onEnd } from '../support/cleanup.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { connectTo, createDatabase, eachServer, type TestDatabase } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { openTableReader, readAll } from './table-reading.ts';

const small = `CREATE TABLE t (id INT PRIMARY KEY, a INT);
  INSERT INTO t VALUES (1, 10), (2, 20), (3, 30), (4, 40), (5, 50)`;

interface Setup {
  readonly database: TestDatabase;
  readonly reader: TableReader;
  readonly table: SnapshotTable;
}

eachServer((flavour, server) => {
  async function setup(sql = small, options: Parameters<typeof openTableReader>[1] = {}, url = server.url): Promise<Setup> {
    const database = await createDatabase(server);
    await database.connection.query(sql);
    const reader = openTableReader(url, options);
    return { database, reader, table: await reader.describe({ schema: database.name, name: 't' }, never) };
  }

  it('chunks of any size, one behind the other, are the table in the order of its key', async () => {
    const { reader, table } = await setup(`CREATE TABLE t (a VARCHAR(9), b INT, v INT, PRIMARY KEY (a, b DESC));
      INSERT INTO t VALUES ('b', 1, 1), ('B', 2, 2), ('a', 1, 3), ('a', 2, 4), ('ä', 3, 5), ('c', -1, 6), ('', 0, 7)`);
    expect(table.key.map(({ name, isDescending }) => [name, isDescending])).toEqual([
      ['a', false],
      ['b', true],
    ]);
    for (const rowsMax of [1, 2, 3, 7, 100]) {
      const chunks = await readAll(reader, table, rowsMax);
      expect(chunks.flatMap(({ rows }) => rows.map((row) => row['v']))).toEqual([7, 5, 4, 3, 2, 1, 6]);
      expect(chunks.map(({ isLast }) => isLast)).toEqual(chunks.map((_, n) => n === chunks.length - 1));
    }
    const key = await reader.bound({ table, rowsMax: 3 }, never);
    expect(key).toEqual(['a', 2]);
    const upTo = key ?? [];
    expect((await reader.read({ table, rowsMax: 100, upTo }, never)).rows.map((row) => row['v'])).toEqual([7, 5, 4]);
    expect(await reader.bound({ table, rowsMax: 100, after: upTo }, never)).toEqual(['c', -1]);
    expect(await reader.bound({ table, rowsMax: 1, after: ['c', -1] }, never)).toBeUndefined();
    expect(
      await reader.areUpTo(
        table,
        [
          ['a', 3],
          ['A', 2],
          ['a', 1],
          ['', 5],
        ],
        upTo,
        never,
      ),
    ).toEqual([true, true, false, true]);
  });

  it('rows are read by their keys, as the server compares them; of keys that are not there comes nothing', async () => {
    const { reader, table } = await setup(`CREATE TABLE t (a VARCHAR(9), b INT, v INT, PRIMARY KEY (a, b DESC));
      INSERT INTO t VALUES ('b', 1, 1), ('B', 2, 2), ('a', 1, 3), ('a', 2, 4), ('''', -3, 5)`);
    const valuesOf = async (keys: readonly Key[]): Promise<unknown[]> => {
      const { rows, head } = await reader.readKeys(table, keys, never);
      expect(head.offset).toBeGreaterThan(4);
      return rows.map((row) => Number(row['v'])).toSorted((a, b) => a - b);
    };
    expect(await valuesOf([['A', 1], ['b', 2], ['c', 1], ["'", -3]])).toEqual([2, 3, 5]); // prettier-ignore
    expect(await valuesOf([])).toEqual([]);
    const single = await setup();
    const found = await single.reader.readKeys(single.table, [[4], [2], [9]], never);
    expect(new Set(found.rows.map((row) => row['a']))).toEqual(new Set([20, 40]));
  });

  it('a chunk is the table at one moment, and its head lies behind all that it shows', async () => {
    const { database, reader, table } = await setup();
    const source = openSource(server.url);
    const from = await source.head(never);
    const reading = new Reading(source, { from, wants: inSchema(database.name) });
    const stop = new AbortController();
    const writing = (async () => {
      for (let n = 1; !stop.signal.aborted; n += 1) await database.connection.query(`UPDATE t SET a = ${n}`);
    })();
    const seen: { readonly value: unknown; readonly head: Position }[] = [];
    try {
      await waitFor(async () => {
        const { rows, head } = await reader.read({ table, rowsMax: 100 }, never);
        const values = new Set(rows.map((row) => row['a']));
        expect([...values]).toHaveLength(1);
        seen.push({ value: rows[0]?.['a'], head });
        return seen.length > 30 && Number(rows[0]?.['a']) > 20;
      });
    } finally {
      stop.abort();
      await writing;
    }
    const last = seen.at(-1);
    await reading.until('all that was seen', ({ changes }) => changes.some(({ after }) => after?.['a'] === last?.value));
    const places = new Map<unknown, TransactionPart>(
      reading.parts.flatMap((part) =>
        part.groups.map((group) => [group.op === 'update' ? group.after[0]?.['a'] : 0, part] as const),
      ),
    );
    const behind = seen.filter(({ value, head }) => {
      const place = places.get(value);
      return place !== undefined && comparePositions(place, head) > 0;
    });
    expect(behind).toEqual([]);
  });

  it('a read waits for no row that is being written, and leaves nothing behind that a writer waits for', async () => {
    const { database, reader, table } = await setup();
    const writer = await connectTo(server, database.name);
    await writer.query('BEGIN');
    await writer.query('UPDATE t SET a = 99');
    const { rows } = await reader.read({ table, rowsMax: 10, where: 'a < 30' }, never);
    expect(rows).toEqual([
      { id: 1, a: 10 },
      { id: 2, a: 20 },
    ]);
    await writer.query('ROLLBACK');
    await database.connection.query('SET lock_wait_timeout = 1; ALTER TABLE t ADD COLUMN b INT');
  });

  it('a table that is locked, and a condition that takes long, cost the limit and no more', async () => {
    const { database, reader, table } = await setup(small, { statementTimeoutMs: 1000 });
    const slow = `a > (SELECT COUNT(*) FROM ${Array.from({ length: 14 }, (_, n) => `\`${database.name}\`.t t${n}`).join(', ')} WHERE t0.a + t13.a + RAND() > 1)`;
    const late = { code: 'SNAPSHOT_TIMEOUT', class: 'retry' };
    expect(await rejection(reader.read({ table, rowsMax: 10, where: slow }, never))).toMatchObject(late);
    await database.connection.query('LOCK TABLES t WRITE');
    expect(await rejection(reader.read({ table, rowsMax: 10 }, never))).toMatchObject(late);
    await database.connection.query('UNLOCK TABLES');
    expect((await reader.read({ table, rowsMax: 10 }, never)).rows).toHaveLength(5);
  });

  it('a read that is aborted ends at once, with the reason; one that the reader is closed under, too', async () => {
    const { database, reader, table } = await setup();
    await database.connection.query('LOCK TABLES t WRITE');
    const abort = new AbortController();
    const reading = reader.read({ table, rowsMax: 10 }, abort.signal);
    const other = rejection(reader.read({ table, rowsMax: 10 }, never));
    const reason = new Error('enough');
    abort.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await reader.close();
    expect(await other).toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    await database.connection.query('UNLOCK TABLES');
  });

  it('L12: a connection that went silent is noticed, and the next read has a new one', async () => {
    const proxy = await startHalfOpenProxy(server);
    const limits = { connectTimeoutMs: 300, statementTimeoutMs: 300 };
    const { reader, table } = await setup(small, limits, server.url.replace(`:${server.port}`, `:${proxy.port}`));
    proxy.setMode('half-open');
    expect(await rejection(reader.read({ table, rowsMax: 10 }, never))).toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      class: 'retry',
    });
    proxy.setMode('forward');
    expect((await reader.read({ table, rowsMax: 10 }, never)).rows).toHaveLength(5);
  });

  it('a kept connection that was killed is replaced; an account needs SELECT and REPLICATION CLIENT', async () => {
    const { database, table } = await setup();
    const account = await createAccount(server, `GRANT SELECT ON \`${database.name}\`.* TO`, 'GRANT REPLICATION CLIENT ON *.* TO');
    const reader = openTableReader(account.url);
    expect((await reader.read({ table, rowsMax: 10 }, never)).rows).toHaveLength(5);
    const [own] = await database.connection.query<RowDataPacket[]>(
      `SELECT id FROM information_schema.processlist WHERE user = '${account.user}'`,
    );
    expect(own).toHaveLength(1);
    await database.connection.query(`KILL ${own[0]?.['id'] ?? own[0]?.['ID']}`);
    expect((await reader.read({ table, rowsMax: 10 }, never)).rows).toHaveLength(5);
  });

  it('what an account lacks is said with the statement that gives it', async () => {
    const { database, table } = await setup();
    const nothing = openTableReader((await createAccount(server)).url);
    const wish = { schema: database.name, name: 't' };
    const grant = `GRANT SELECT ON \`${database.name}\`.\`t\``;
    expect(await rejection(nothing.describe(wish, never))).toMatchObject({
      code: 'SNAPSHOT_GRANT_MISSING',
      message: expect.stringContaining(grant),
    });
    expect(await rejection(nothing.read({ table, rowsMax: 1 }, never))).toMatchObject({
      code: 'SNAPSHOT_GRANT_MISSING',
      message: expect.stringContaining(grant),
    });
    const own = openTableReader((await createAccount(server, `GRANT SELECT ON \`${database.name}\`.t TO`)).url);
    expect(await rejection(own.read({ table, rowsMax: 1, where: 'id IN (SELECT 1 FROM mysql.user)' }, never))).toMatchObject({
      code: 'SNAPSHOT_WHERE',
      message: expect.stringContaining('denied'),
    });
    const part = openTableReader((await createAccount(server, `GRANT SELECT (id) ON \`${database.name}\`.t TO`)).url);
    expect(await rejection(part.describe(wish, never))).toMatchObject({
      code: 'SNAPSHOT_GRANT_MISSING',
      message: expect.stringContaining(grant),
    });
    const unknowing = openTableReader((await createAccount(server, `GRANT SELECT ON \`${database.name}\`.* TO`)).url);
    expect(await rejection(unknowing.read({ table, rowsMax: 1 }, never))).toMatchObject({ code: 'SOURCE_GRANT_MISSING' });
  });

  it('a condition that the server refuses, or that would write, is told with the server’s words, and writes nothing', async () => {
    const { database, reader, table } = await setup(`${small}; CREATE TABLE written (n INT);
      SET SESSION sql_log_bin = 0; SET GLOBAL log_bin_trust_function_creators = 1;
      CREATE FUNCTION writes() RETURNS INT BEGIN INSERT INTO written VALUES (1); RETURN 1; END`);
    const read = (where: string) => reader.read({ table, rowsMax: 10, where }, never);
    const told: readonly (readonly [string, string])[] = [
      ['nothing = 1', 'nothing'],
      ['a = = 1', 'syntax'],
      ['a = 1 ORDER BY a', 'syntax'],
      ['COUNT(*) > 1', 'group function'],
      ['nofunction(a) = 1', 'nofunction'],
      ['a IN (SELECT x FROM nowhere)', 'nowhere'],
      [`\`${database.name}\`.writes() = 1`, 'READ'],
      ['a = (SELECT id FROM t)'.replace(' t)', ` \`${database.name}\`.t)`), 'more than 1 row'],
    ];
    for (const [where, words] of told) {
      expect(await rejection(read(where)), where).toMatchObject({
        code: 'SNAPSHOT_WHERE',
        class: 'stop',
        message: expect.stringMatching(new RegExp(words, 'i')),
      });
    }
    const [written] = await database.connection.query('SELECT * FROM written');
    expect(written).toEqual([]);
    expect((await read('a > 20 AND \'x;(\' <> "--"')).rows).toHaveLength(3);
    expect((await read('a IN (SELECT MAX(a) FROM t)')).rows).toEqual([{ id: 5, a: 50 }]);
  });

  it('a table is read by its primary key, or a unique key that serves; without one it is refused with the reasons', async () => {
    const { name, connection } = await createDatabase(server);
    const reader = openTableReader(server.url);
    const keys: Readonly<Record<string, string | RegExp>> = {
      'a INT PRIMARY KEY, b INT NOT NULL UNIQUE': 'a',
      'a INT, b INT NOT NULL, c INT NOT NULL, UNIQUE z (a), UNIQUE y (b, c)': 'b, c',
      "e ENUM('b', 'a') PRIMARY KEY, b INT NOT NULL UNIQUE": 'b',
      'a INT': /neither a primary key nor a unique one.*PRIMARY KEY/,
      'a INT UNIQUE': /a may be NULL/,
      'a VARCHAR(50) NOT NULL, UNIQUE (a(5))': /only the beginning of a/,
      'f FLOAT PRIMARY KEY': /f is of the type FLOAT/,
      "s SET('a') NOT NULL, b BIT(3), d DOUBLE, PRIMARY KEY (b, d, s)": /BIT.*DOUBLE.*SET/,
      ...(flavour === 'mysql'
        ? { 'a INT NOT NULL, UNIQUE ((a + 1))': /expression/, 'a INT NOT NULL, b INT NOT NULL UNIQUE, UNIQUE (a) INVISIBLE': 'b' }
        : { 't TEXT NOT NULL UNIQUE': /HASH|beginning/, 'a INT NOT NULL, b INT NOT NULL UNIQUE, UNIQUE a (a) IGNORED': 'b' }),
    };
    for (const [n, [columns, wanted]] of Object.entries(keys).entries()) {
      await connection.query(`CREATE TABLE k${n} (${columns})`);
      const found = reader.describe({ schema: name, name: `k${n}` }, never);
      if (typeof wanted === 'string') expect((await found).key.map((column) => column.name).join(', '), columns).toBe(wanted);
      else
        expect(await rejection(found), columns).toMatchObject({ code: 'SNAPSHOT_NO_KEY', message: expect.stringMatching(wanted) });
    }
  });

  it('only base tables are listed and read, in order; columns that nobody wants are not read, but for the keys', async () => {
    const { database, reader } = await setup(
      `${small}; CREATE TABLE b (x INT UNIQUE NOT NULL, y INT, z INT, PRIMARY KEY (z)); CREATE VIEW a AS SELECT 1 AS one`,
    );
    const { name } = database;
    expect(await reader.listTables(inSchema(name), never)).toEqual([
      { schema: name, name: 'b' },
      { schema: name, name: 't' },
    ]);
    expect(await rejection(reader.describe({ schema: name, name: 'a' }, never))).toMatchObject({ code: 'SNAPSHOT_NO_TABLE' });
    expect(await rejection(reader.describe({ schema: name, name: 'c' }, never))).toMatchObject({ code: 'SNAPSHOT_NO_TABLE' });
    const table = await reader.describe({ schema: name, name: 'b', columns: new Set(['y']) }, never);
    await database.connection.query('INSERT INTO b VALUES (1, 2, 3)');
    expect((await reader.read({ table, rowsMax: 1 }, never)).rows).toEqual([{ y: 2, z: 3 }]);
    await database.connection.query('ALTER TABLE b DROP COLUMN y');
    expect(await rejection(reader.read({ table, rowsMax: 1 }, never))).toMatchObject({
      code: 'SNAPSHOT_TABLE_CHANGED',
      class: 'retry',
    });
    expect(keyOf({ z: 3 }, table.key)).toEqual([3]);
  });
});

async function createAccount(
  server: SqlAddress,
  ...grants: readonly string[]
): Promise<{ readonly user: string; readonly url: string }> {
  const user = `r${randomBytes(5).toString('hex')}`;
  const root = await connectTo(server);
  await root.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'Secret_1'`);
  onEnd(async () => void (await (await connectTo(server)).query(`DROP USER '${user}'@'%'`)));
  for (const grant of grants) await root.query(`${grant} '${user}'@'%'`);
  return { user, url: `mysql://${user}:Secret_1@${server.host}:${server.port}` };
}
