import type { Connection } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { jsonText } from '../../src/binlog/json/json-text.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { jsonDocument, jsonNumber, jsonString, sample, seed } from './json-arbitrary.ts';
import { binlogEnd, readRawChanges } from './raw-rows.ts';

/** What SELECT prints of column j, by id. */
async function selected(connection: Connection): Promise<Map<number, string>> {
  const [rows] = await connection.query('SELECT id, CAST(j AS CHAR CHARACTER SET utf8mb4) AS text FROM t');
  if (!Array.isArray(rows)) throw new Error('no rows');
  return new Map(rows.map((row) => ('id' in row && 'text' in row ? [Number(row['id']), String(row['text'])] : [0, ''])));
}

eachServer((flavour, server) => {
  if (flavour === 'mariadb') {
    it('MariaDB keeps JSON as text: there is no binary form of it', async () => {
      const { connection } = await createDatabase(server);
      await connection.query('CREATE TABLE t (j JSON)');
      const [rows] = await connection.query("SHOW COLUMNS FROM t LIKE 'j'");
      expect(rows).toMatchObject([{ Type: 'longtext' }]);
    });
    return;
  }

  /** Runs the statements on a table t (id, j), and compares every value's text of the log with that of SELECT. */
  async function compare(write: (connection: Connection) => Promise<void>, label = ''): Promise<Map<number, string>> {
    const { name, connection } = await createDatabase(server);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, j JSON)');
    const from = await binlogEnd(connection);
    await write(connection);
    const wanted = await selected(connection);
    const changes = await readRawChanges(server, name, from);
    const texts = new Map<number, string>();
    for (const { after } of changes) {
      const [id, j] = after;
      if (typeof id !== 'number' || !Buffer.isBuffer(j)) throw new Error('not an id and a JSON value');
      texts.set(id, jsonText(j, 0, j.length));
    }
    expect(texts.size).toBe(wanted.size);
    for (const [id, text] of wanted) expect(texts.get(id), label).toBe(text);
    return texts;
  }

  async function insert(connection: Connection, documents: readonly string[]): Promise<void> {
    for (let at = 0; at < documents.length; at += 200) {
      await connection.query('INSERT INTO t (j) VALUES ?', [documents.slice(at, at + 200).map((text) => [text])]);
    }
  }

  const expressions: readonly string[] = [
    ...[
      '0',
      '-0.00',
      '0.10',
      '-1.50',
      '99999999999999999999999999999999999999999999999999999999999999999',
      '.000000000000000000000000000001',
    ].flatMap((n) => [`CAST(${n} AS JSON)`, `JSON_ARRAY(${n})`]),
    'JSON_ARRAY(CAST(-123456789012345678901234567890.123456789012345678901234567890 AS DECIMAL(65,30)))',
    'JSON_ARRAY(CAST(1 AS DECIMAL(10,9)), CAST(-1 AS DECIMAL(65,0)), CAST(1000000000 AS DECIMAL(10)), CAST(0 AS DECIMAL(9,9)))',
    ...[
      "DATE'2024-02-29'",
      "DATE'0001-01-01'",
      "DATE'9999-12-31'",
      "TIME'-838:59:59'",
      "TIME'838:59:59'",
      "TIME'-00:00:00.000001'",
    ].flatMap((t) => [`CAST(${t} AS JSON)`, `JSON_OBJECT('t', ${t})`]),
    ...[
      "TIME'-01:02:03.999999'",
      "TIME'00:00:00'",
      "TIMESTAMP'9999-12-31 23:59:59.999999'",
      "TIMESTAMP'0001-01-01 00:00:00'",
    ].flatMap((t) => [`CAST(${t} AS JSON)`, `JSON_ARRAY(${t})`]),
    ...[
      'FROM_UNIXTIME(1.5)',
      'YEAR(NOW())',
      "b'101'",
      "x'00ff'",
      "CAST('abc' AS BINARY(5))",
      "_binary''",
      'TRUE',
      'FALSE',
      'NULL',
    ].map((value) => `JSON_OBJECT('v', ${value})`),
    ...[56, 57, 58, 113, 114, 115, 300, 70_000].map((size) => `JSON_ARRAY(CAST(REPEAT('x', ${size}) AS BINARY))`),
    "CAST(ST_GeomFromText('POINT(1 2)', 4326) AS JSON)",
    "JSON_OBJECT('g', ST_GeomFromText('POLYGON((0 0,0 5,5 5,0 0))'))",
    ...[
      '-9223372036854775808',
      '9223372036854775807',
      '18446744073709551615',
      '-32768',
      '32767',
      '32768',
      '65535',
      '65536',
      '-32769',
    ].flatMap((n) => [`CAST(${n} AS JSON)`, `JSON_ARRAY(${n})`]),
    ...['-2147483648', '2147483647', '2147483648', '4294967295', '4294967296', '9007199254740993', '-9007199254740993'].flatMap(
      (n) => [`CAST('${n}' AS JSON)`, `JSON_OBJECT('n', ${n})`],
    ),
    ...[0, 1, 127, 128, 16_383, 16_384, 65_535, 70_000, 2_097_152].map((size) => `JSON_QUOTE(REPEAT('é', ${size}))`),
    "JSON_OBJECT(REPEAT('k', 65535), 1, '', 2, 'a', 3)",
    'JSON_ARRAY(JSON_OBJECT(), JSON_ARRAY(), JSON_ARRAY(JSON_ARRAY()))',
  ];

  it('what SQL makes of its own types is printed as the server prints it', async () => {
    const texts = await compare(async (connection) => {
      for (const expression of expressions) await connection.query(`INSERT INTO t (j) SELECT ${expression}`);
    });
    expect(texts.size).toBe(expressions.length);
  });

  it('columns of every type put into JSON are printed as the server prints them', async () => {
    await compare(async (connection) => {
      await connection.query(
        `CREATE TABLE types (a TINYBLOB, b BLOB, c MEDIUMBLOB, d LONGBLOB, e BINARY(3), f VARBINARY(9), g BIT(64), h YEAR,
         i ENUM('x','y'), k SET('p','q'), l FLOAT, m DOUBLE, n DECIMAL(65,30), o DATETIME(3), p TIMESTAMP(6) NULL, q TIME(2), r DATE,
         s CHAR(3), u VARCHAR(9), v TEXT, w BIGINT UNSIGNED, x GEOMETRY, y JSON)`,
      );
      await connection.query(
        `INSERT INTO types VALUES ('a','b','c','d','e','f',b'1',0,'y','p,q',0.1,0.1,-1.5,'2024-02-29 1:2:3.4567','2024-02-29 1:2:3',
         '-800:1:2.34','0001-01-01','ä','ü','ß',18446744073709551615,ST_GeomFromText('LINESTRING(0 0,1 1)'),'{"a":1}')`,
      );
      for (const column of 'abcdefghiklmnopqrsuvwxy') {
        await connection.query(`INSERT INTO t (j) SELECT JSON_ARRAY(${column}) FROM types`);
      }
    });
  });

  it('thousands of documents of all shapes are printed as the server prints them', async () => {
    const documents = sample(jsonDocument, 3000);
    const texts = await compare((connection) => insert(connection, documents), `seed ${seed}`);
    expect(texts.size).toBe(3000);
  });

  it('tens of thousands of numbers and strings are printed as the server prints them', async () => {
    const numbers = sample(jsonNumber, 30_000);
    const strings = sample(jsonString, 5000);
    const documents = [...numbers, ...strings];
    const arrays = Array.from({ length: 350 }, (_, i) => `[${documents.slice(i * 100, i * 100 + 100).join()}]`);
    const texts = await compare((connection) => insert(connection, arrays), `seed ${seed}`);
    expect(texts.size).toBe(350);
  });

  it('large objects and arrays, deep ones and empty ones are printed as the server prints them', async () => {
    const members = (count: number) => Array.from({ length: count }, (_, i) => `"key ${i}": [${i}, ${i * 100_000}, -${i}.5, null]`);
    const items = (count: number) =>
      Array.from({ length: count }, (_, i) => [i - 100, -i * 1_000_000, `"s${i}"`, 'true'][i % 4]).join();
    const texts = await compare((connection) =>
      insert(connection, [
        ...[0, 1, 100, 1500, 2000, 3000].map((count) => `{${members(count).join()}}`),
        ...[0, 1, 10_000, 21_843, 21_844, 40_000].map((count) => `[${items(count)}]`),
        `{"small": {"a": [1, {"b": 70000}]}, "large": [${items(40_000)}], "after": [{}]}`,
        `${'['.repeat(100)}${']'.repeat(100)}`,
        `${'{"":'.repeat(100)}"at the bottom"${'}'.repeat(100)}`,
        `["${'x'.repeat(5_000_000)}", "${'\\u0001é'.repeat(500_000)}"]`,
        '""',
        'null',
      ]),
    );
    expect(texts.get(2)).toBe('{"key 0": [0, 0, -0.5, null]}');
  });

  it('the empty value that INSERT IGNORE leaves in place of NULL is the JSON null', async () => {
    const { name, connection } = await createDatabase(server);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY, j JSON NOT NULL)');
    const from = await binlogEnd(connection);
    await connection.query('INSERT IGNORE INTO t VALUES (1, NULL), (2, NULL)');
    const changes = await readRawChanges(server, name, from);
    for (const { after } of changes) {
      const [, j] = after;
      if (!Buffer.isBuffer(j)) throw new Error('no JSON value');
      expect(jsonText(j, 0, j.length)).toBe('null');
    }
    expect(changes).toHaveLength(2);
    expect([...(await selected(connection)).values()]).toEqual(['null', 'null']);
  });
});
