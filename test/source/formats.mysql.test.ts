import type { Connection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../src/row/position.ts';
import type { Source } from '../../src/source/contract.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

interface Case {
  readonly name: string;
  readonly source: Source;
  readonly from: Position;
  readonly connection: Connection;
}

eachServer((flavour, server) => {
  async function prepare(columns: string): Promise<Case> {
    const { name, connection } = await createDatabase(server);
    await connection.query(`CREATE TABLE t (${columns})`);
    const source = openSource(server.url);
    return { name, connection, source, from: await source.resolve({ kind: 'latest' }, never) };
  }

  describe('L3, L8: what a tuned server writes is read as what a plain one writes:', () => {
    const setting = flavour === 'mysql' ? 'binlog_transaction_compression' : 'log_bin_compress';
    const compress = (connection: Connection, value: 'ON' | 'OFF') =>
      connection.query(`SET ${flavour === 'mysql' ? 'SESSION' : 'GLOBAL'} ${setting} = ${value}`);

    it(`${setting}: rows, large values and statements`, async () => {
      const test = await prepare('id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200), b LONGTEXT');
      const { connection } = test;
      await compress(connection, 'ON');
      await connection.query("INSERT INTO t (v) VALUES ('one'), (REPEAT('two', 50)), ('three'), ('four')");
      await connection.query("INSERT INTO t (v) SELECT CONCAT('row ', a.id, b.id, REPEAT('x', 100)) FROM t a, t b, t c, t d");
      await connection.query('INSERT INTO t (v, b) VALUES (1, REPEAT(UUID(), 50000))');
      await connection.query("UPDATE t SET v = CONCAT(v, ' again')");
      await connection.query('ALTER TABLE t ADD COLUMN more INT DEFAULT 5');
      await connection.query('DELETE FROM t WHERE id % 2 = 0');
      await connection.query("UPDATE t SET v = CONCAT(v, ' more')");
      await compress(connection, 'OFF');
      await connection.query("INSERT INTO t (v) VALUES ('last')");
      const [rows] = await connection.query('SELECT * FROM t ORDER BY id');
      expect(await mirrorUntil(test, (row) => row['v'] === 'last')).toEqual(rows);
    });

    it('a compressed transaction of many blocks is handed on in parts, while its sink takes them', async () => {
      const test = await prepare('id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200)');
      const { connection } = test;
      await compress(connection, 'ON');
      await connection.query("INSERT INTO t (v) VALUES ('a'), ('b'), ('c'), ('d'), ('e'), ('f'), ('g'), ('h'), ('i'), ('j')");
      await connection.query("INSERT INTO t (v) SELECT REPEAT('same', 40) FROM t a, t b, t c, t d, t e");
      await compress(connection, 'OFF');
      let waiting = 0;
      let most = 0;
      const reading = new Reading(test.source, {
        from: test.from,
        wants: inSchema(test.name),
        onPart: async () => {
          waiting += 1;
          most = Math.max(most, waiting);
          await new Promise((resolve) => setImmediate(resolve));
          waiting -= 1;
        },
      });
      await reading.until('all rows', ({ parts }) => insertsIn(parts) === 100_010, 60_000);
      expect(reading.parts.filter(({ isFinal }) => !isFinal).length).toBeGreaterThan(20);
      // One that is being taken, and what was on its way when it said so.
      expect(most).toBeLessThanOrEqual(2);
    });

    it('binlog_row_image MINIMAL and NOBLOB: what an event lacks is absent, not NULL, and what did not change is as it was', async () => {
      const test = await prepare('id INT PRIMARY KEY, a INT, t TEXT, b INT NULL');
      const { connection } = test;
      await connection.query("INSERT INTO t VALUES (1, 1, 'text', NULL), (2, 2, 'more', 5)");
      await connection.query('SET SESSION binlog_row_image = MINIMAL');
      await connection.query('UPDATE t SET a = NULL WHERE id = 1');
      await connection.query('UPDATE t SET id = 3 WHERE id = 2');
      await connection.query('DELETE FROM t WHERE id = 3');
      await connection.query('SET SESSION binlog_row_image = NOBLOB');
      await connection.query('UPDATE t SET a = 7 WHERE id = 1');
      await connection.query("UPDATE t SET t = 'new' WHERE id = 1");
      await connection.query('SET SESSION binlog_row_image = FULL');
      await connection.query('DELETE FROM t WHERE id = 1');
      const reading = new Reading(test.source, { from: test.from, wants: inSchema(test.name) });
      await reading.until('all changes', ({ changes }) => changes.length === 8);
      expect(reading.changes.slice(2).map(({ op, before, after }) => ({ op, before, after }))).toEqual([
        { op: 'update', before: { id: 1 }, after: { id: 1, a: null } },
        { op: 'update', before: { id: 2 }, after: { id: 3 } },
        { op: 'delete', before: { id: 3 }, after: undefined },
        { op: 'update', before: { id: 1, a: null, b: null }, after: { id: 1, a: 7, b: null } },
        { op: 'update', before: { id: 1, a: 7, b: null }, after: { id: 1, a: 7, t: 'new', b: null } },
        { op: 'delete', before: { id: 1, a: 7, t: 'new', b: null }, after: undefined },
      ]);
      const partial = reading.parts.flatMap(({ groups }) => groups.map(({ isPartial }) => isPartial ?? false));
      expect(partial).toEqual([false, true, true, true, true, true, false]);
    });

    if (flavour === 'mysql')
      it('binlog_row_value_options PARTIAL_JSON: parts of values are put into the values they were parts of', async () => {
        const test = await prepare('id INT PRIMARY KEY, j JSON, k JSON, a INT');
        const { connection } = test;
        const value = `{"a": 1, "list": [1, 2, 3], "pad": "${'x'.repeat(300)}"}`;
        for (const id of [1, 2, 3, 4]) await connection.query('INSERT INTO t VALUES (?, ?, ?, 0)', [id, value, value]);
        await connection.query('SET SESSION binlog_row_value_options = PARTIAL_JSON');
        await connection.query("UPDATE t SET j = JSON_SET(j, '$.a', id), a = 1");
        await connection.query("UPDATE t SET k = JSON_REMOVE(k, '$.list[1]'), a = 2 WHERE id > 1");
        await connection.query("UPDATE t SET k = JSON_REPLACE(k, '$.pad', 'y'), j = NULL, a = 3 WHERE id > 2");
        await connection.query('SET SESSION binlog_row_image = NOBLOB');
        await connection.query("UPDATE t SET k = JSON_REPLACE(k, '$.pad', 'z'), a = 4 WHERE id = 4");
        const [rows] = await connection.query({ sql: 'SELECT * FROM t ORDER BY id', typeCast: (field) => field.string('utf8') });
        const reading = new Reading(test.source, { from: test.from, wants: inSchema(test.name) });
        await reading.until('all changes', ({ changes }) => changes.length === 14);
        const mirror = mirrorOf(reading);
        expect(mirror.map((row) => ({ ...row, id: String(row['id']), a: String(row['a']) }))).toEqual(rows);
        // Nobody has the value that the parts belong to.
        await connection.query("SET SESSION binlog_row_image = MINIMAL; UPDATE t SET k = JSON_SET(k, '$.pad', 'v') WHERE id = 1");
        expect((await reading.failure()).code).toBe('SOURCE_ROW_IMAGE');
      });
  });
});

function insertsIn(parts: Reading['parts']): number {
  return parts.reduce(
    (sum, { groups }) => sum + groups.reduce((rows, group) => rows + (group.op === 'insert' ? group.after.length : 0), 0),
    0,
  );
}

type Row = Readonly<Record<string, unknown>>;

/** The table as its changes make it, in order of `id`. */
function mirrorOf({ changes }: Reading): Row[] {
  const rows = new Map<unknown, Row>();
  for (const { op, before, after } of changes) {
    if (op !== 'insert') rows.delete(before?.['id']);
    if (after !== undefined && op !== 'delete') rows.set(after['id'], after);
  }
  return [...rows].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, row]) => row);
}

async function mirrorUntil({ name, source, from }: Case, isLast: (row: Row) => boolean): Promise<Row[]> {
  const reading = new Reading(source, { from, wants: inSchema(name) });
  await reading.until('the last row', ({ changes }) => changes.some(({ after }) => after !== undefined && isLast(after)), 60_000);
  return mirrorOf(reading);
}
