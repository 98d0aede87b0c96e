import fc from 'fast-check';
import type { Connection } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { applyJsonDiffs } from '../../src/binlog/json/json-diff.ts';
import { jsonText } from '../../src/binlog/json/json-text.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { jsonDocument, jsonName, jsonNumber, jsonString, sample, seed } from './json-arbitrary.ts';
import { binlogEnd, readRawChanges, type RawValue } from './raw-rows.ts';

/** A value as one character: a number, a whole JSON value, changes of one, no changes of one, left out. */
function shapeOf(value: RawValue): string {
  if (typeof value === 'number') return '#';
  if (value === undefined) return '.';
  if (value === null) return 'N';
  if (Buffer.isBuffer(value)) return 'V';
  return value.diffs.length > 0 ? 'D' : 'd';
}

/** The column's text after a change. */
function textAfter(before: RawValue | undefined, after: RawValue | undefined): string | null {
  if (after === null) return null;
  if (Buffer.isBuffer(after)) return jsonText(after, 0, after.length);
  if (typeof after !== 'object' || !Buffer.isBuffer(before)) throw new Error('not a JSON value');
  return applyJsonDiffs({ before, diffs: after.diffs });
}

/** Texts of columns j and k after each update, as SELECT prints them. */
async function selected(connection: Connection, id: number): Promise<[unknown, unknown]> {
  const [rows] = await connection.query('SELECT CAST(j AS CHAR) AS j, CAST(k AS CHAR) AS k FROM t WHERE id = ?', [id]);
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined;
  if (typeof row !== 'object' || row === null || !('j' in row && 'k' in row)) throw new Error(`no row ${id}`);
  return [row.j, row.k];
}

eachServer((flavour, server) => {
  if (flavour === 'mariadb') {
    it('MariaDB logs no parts of JSON values', async () => {
      const { connection } = await createDatabase(server);
      await expect(connection.query("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'")).rejects.toThrow(
        /unknown system variable/i,
      );
    });
    return;
  }

  interface Update {
    readonly document: string;
    /** The right side of `SET`. */
    readonly set: readonly string[];
  }

  /** Runs each update on a document of its own, and compares the log's values with SELECT's. Gives the number of partial ones. */
  async function compare(updates: readonly Update[]): Promise<number> {
    const { name, connection } = await createDatabase(server);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY, j JSON, n INT, k JSON)');
    await connection.query("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'");
    for (const [id, { document }] of updates.entries()) {
      await connection.query('INSERT INTO t VALUES (?, ?, 0, ?)', [id, document, '{"a": 1, "b": [1, 2]}']);
    }
    const from = await binlogEnd(connection);
    await connection.beginTransaction();
    const wanted: [number, string, unknown, unknown][] = [];
    for (const [id, { set }] of updates.entries()) {
      for (const [step, assignments] of set.entries()) {
        await connection.query(`UPDATE t SET ${assignments}, n = ${step + 1} WHERE id = ${id}`);
        wanted.push([id, assignments, ...(await selected(connection, id))]);
      }
    }
    await connection.commit();
    const changes = await readRawChanges(server, name, from);
    const got = changes.map(({ before, after }, i) => {
      const texts = [textAfter(before[1], after[1]), textAfter(before[3], after[3])] as const;
      return [after[0], wanted[i]?.[1], ...texts];
    });
    for (const [i, row] of wanted.entries()) expect(got[i], `seed ${seed}`).toEqual(row);
    expect(got).toHaveLength(wanted.length);
    return changes.filter(({ after }) => after.some((value) => value !== null && typeof value === 'object' && 'diffs' in value))
      .length;
  }

  it('members and elements that are set, replaced, inserted and removed give the value that SELECT prints', async () => {
    const document = `{"a": [1, 2, {"b": "x"}], "bb": {"c": 1, "": 0, "__proto__": 5}, "9": 1, "10": 2, "é": 1, "q\\"\\\\": 1, "big": "${'x'.repeat(200)}"}`;
    const sets = [
      "j = JSON_SET(j, '$.a[1]', 70000)",
      "j = JSON_SET(j, '$.a[9]', 'appended')",
      "j = JSON_SET(j, '$.a[last]', JSON_OBJECT('z', 1, 'aa', 2))",
      "j = JSON_SET(j, '$.a[last-1]', NULL)",
      "j = JSON_SET(j, '$.bb.d', 1.5, '$.bb.dd', '\\n', '$.bb.cc', TRUE, '$.b', 0)",
      "j = JSON_REPLACE(j, '$.a[2].b', 'y', '$.none', 1, '$.bb.\"\"', JSON_ARRAY())",
      "j = JSON_REMOVE(j, '$.a[0]', '$.bb.c')",
      "j = JSON_REMOVE(j, '$.none')",
      'j = JSON_REMOVE(j, \'$.bb."__proto__"\', \'$."é"\')',
      "j = JSON_SET(j, '$.\"q\\\\\"\\\\\\\\\"', 2, '$.\"new key\"', DATE'2024-01-01', '$.\"1\"', 1, '$.\"ü\"', 3)",
      "j = JSON_SET(j, '$.bb', JSON_ARRAY(1, 2, 3)), k = JSON_REMOVE(k, '$.b[0]')",
      "j = JSON_SET(j, '$.big[0]', 1)",
      "j = JSON_SET(j, '$.big[1]', 1)",
      "k = JSON_SET(k, '$.a', 2)",
      "j = JSON_SET(JSON_REMOVE(j, '$.a'), '$.a', 1)",
      "j = JSON_SET(j, '$.a.b.c', 1)",
      "j = JSON_SET(j, '$', 1)",
      'j = NULL',
      "j = '{}', k = NULL",
    ];
    const each = sets.map((set) => ({ document, set: [set] }));
    const partial = await compare([...each, { document, set: sets.slice(0, 16) }]);
    expect(partial).toBeGreaterThan(20);
  });

  it('a value that two updates leave as it is has no changes, and stays', async () => {
    expect(await compare([{ document: '[1, 2]', set: ["j = JSON_SET(j, '$[0]', 1), k = JSON_SET(k, '$.a', 1)"] }])).toBeLessThan(2);
  });

  it('any changes of any documents, one after another, give the values that SELECT prints', async () => {
    const partial = await compare(sample(randomUpdate, 400));
    expect(partial, `seed ${seed}`).toBeGreaterThan(150);
  });

  it('the rows of one event have bits of their own', async () => {
    const { name, connection } = await createDatabase(server);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY, j JSON, n INT, k JSON)');
    const documents = Array.from({ length: 40 }, (_, i) => [i, `{"a": ${i}, "b": [${i}]}`, 0, i % 3 === 0 ? null : '[1, 2, 3]']);
    await connection.query('INSERT INTO t VALUES ?', [documents]);
    await connection.query("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'");
    const from = await binlogEnd(connection);
    await connection.query(
      "UPDATE t SET n = 1, j = IF(id % 4 = 0, JSON_OBJECT(), JSON_SET(j, '$.b[1]', id)), k = IF(id % 5 = 0, NULL, JSON_SET(k, '$[2]', id))",
    );
    const changes = await readRawChanges(server, name, from);
    expect(changes).toHaveLength(40);
    for (const [id, { before, after }] of changes.entries()) {
      expect([textAfter(before[1], after[1]), textAfter(before[3], after[3])]).toEqual(await selected(connection, id));
    }
  });

  it('the bits of a row stand for all JSON columns of the table, also for those that its images leave out', async () => {
    const { name, connection } = await createDatabase(server);
    const columns = Array.from({ length: 11 }, (_, i) => `j${i}`);
    await connection.query(`CREATE TABLE t (id INT PRIMARY KEY, ${columns.map((column) => `${column} JSON`).join()})`);
    await connection.query(`INSERT INTO t VALUES (1, ${columns.map(() => "'[1, 2, 3, 4, 5, 6, 7]'").join()})`);
    await connection.query("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'");
    const from = await binlogEnd(connection);
    for (const image of ['FULL', 'MINIMAL', 'NOBLOB']) {
      await connection.query(`SET SESSION binlog_row_image = '${image}'`);
      await connection.query("UPDATE t SET j9 = JSON_SET(j9, '$[1]', 9), j2 = '{}', j10 = JSON_REMOVE(j10, '$[0]')");
      await connection.query(`UPDATE t SET ${columns.map((column) => `${column} = '[1, 2, 3, 4, 5, 6, 7]'`).join()}`);
    }
    const changes = await readRawChanges(server, name, from);
    const shape = (row: readonly RawValue[]) => row.map(shapeOf).join('');
    expect(changes.map(({ before, after }) => `${shape(before)} ${shape(after)}`)).toEqual([
      '#VVVVVVVVVVV #ddVddddddDD',
      '#VVVVVVVVVVV #ddVddddddVV',
      '#........... ...V......DD',
      '#........... .ddVddddddVV',
      '#VVVVVVVVVVV #ddVddddddDD',
      '#VVVVVVVVVVV #ddVddddddVV',
    ]);
    const full = changes[0]?.before ?? [];
    for (const { after } of [changes[0], changes[2], changes[4]].filter((change) => change !== undefined)) {
      expect(textAfter(full[3], after[3])).toBe('{}');
      expect(textAfter(full[10], after[10])).toBe('[1, 9, 3, 4, 5, 6, 7]');
      expect(textAfter(full[11], after[11])).toBe('[2, 3, 4, 5, 6, 7]');
    }
    const [restored] = changes.slice(1);
    expect(textAfter(restored?.before[3], restored?.after[3])).toBe('[1, 2, 3, 4, 5, 6, 7]');
    expect(textAfter(restored?.before[1], restored?.after[1])).toBe('[1, 2, 3, 4, 5, 6, 7]');
  });
});

const quoted = (text: string) => `'${text.replace(/[\\'\0]/g, (character) => (character === '\0' ? '\\0' : `\\${character}`))}'`;

/** Documents that have what the paths below lead to, now and then. */
const documentToChange = fc
  .tuple(jsonDocument, jsonDocument, jsonDocument, jsonName)
  .map(
    ([a, b, c, name]) =>
      `{"a": [1, ${a}, [{"b": ${b}}]], "b": {"a": ${c}, "c": 1}, ${JSON.stringify(name)}: [], "longest of all": "${'x'.repeat(100)}"}`,
  );

const member = fc
  .oneof(fc.constantFrom('a', 'b', 'c', 'd', 'longest of all', '', '10', '9', '"', '\\'), jsonName)
  .map((name) => `.${JSON.stringify(name)}`);
const cell = fc.constantFrom('[0]', '[1]', '[2]', '[7]', '[last]', '[last-1]', '[last-9]');
const path = fc.array(fc.oneof(member, cell), { minLength: 1, maxLength: 4 }).map((legs) => `$${legs.join('')}`);
const likelyPath = fc
  .tuple(fc.constantFrom('$.a', '$.a[2]', '$.a[2][0]', '$.b', '$'), path)
  .map(([start, end]) => start + end.slice(1));
const value = fc.oneof(jsonNumber, jsonString, jsonDocument).map((text) => `CAST(${quoted(text)} AS JSON)`);

const change = fc
  .tuple(
    fc.constantFrom('JSON_SET', 'JSON_SET', 'JSON_REPLACE', 'JSON_REMOVE'),
    fc.array(fc.tuple(likelyPath, value), { minLength: 1, maxLength: 3 }),
  )
  .map(
    ([verb, pairs]) =>
      `j = ${verb}(j, ${pairs.map(([at, to]) => (verb === 'JSON_REMOVE' ? quoted(at) : `${quoted(at)}, ${to}`)).join()})`,
  );

const randomUpdate = fc.record({ document: documentToChange, set: fc.array(change, { minLength: 1, maxLength: 3 }) });
