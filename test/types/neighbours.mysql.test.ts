import type { RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { Row } from '../../src/row/change.ts';
import { inSchema, never, openSource, Reading } from '../source/reading.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import type { ColumnCase } from './column-case.ts';
import { describeValue } from './comparison.ts';
import { connectAsKisflow } from './mirroring.ts';
import { numberCases } from './numbers.ts';
import { otherCases } from './others.ts';
import { jsonCases, textCases } from './texts.ts';
import { timeCases } from './times.ts';

/**
 * A table map tells signs, character sets and values as lists over those columns that have some, so a column that one side counts and the
 * other does not shifts what is said of all behind it. Columns of every type stand here between neighbours whose values tell a shift.
 */
const neighbours = {
  // most columns have one character set, and the event names the others
  alike: (n: number) => `a${n} VARCHAR(9) CHARACTER SET latin1, b${n} VARCHAR(9) CHARACTER SET latin1, x${n} VARBINARY(9)`,
  // the event names that of each
  unlike: (n: number) => `a${n} VARCHAR(9) CHARACTER SET latin1, b${n} VARCHAR(9) CHARACTER SET ucs2, x${n} VARBINARY(9)`,
} as const;

const others = (n: number) =>
  `u${n} TINYINT UNSIGNED, i${n} TINYINT, e${n} ENUM('größe') CHARACTER SET latin1, f${n} ENUM('größe') CHARACTER SET utf8mb4, s${n} SET('größe') CHARACTER SET latin2`;
const values = "'größe', 'größe', x'ff00fe', 200, -56, 1, 1, 1";
const wanted = { a: 'größe', b: 'größe', x: Buffer.from('ff00fe', 'hex'), u: 200, i: -56, e: 'größe', f: 'größe', s: 'größe' };

/** Which neighbours of a column have not their own values. */
function shifted(row: Row, n: number): readonly string[] {
  return Object.entries(wanted).flatMap(([column, value]) => {
    const got = describeValue(row[`${column}${n}`]);
    return got === describeValue(value) ? [] : [`${column} is ${got}`];
  });
}

const cases = [...numberCases, ...timeCases, ...textCases, ...jsonCases, ...otherCases];
const tooLong = /16000|65000|(CHAR|BINARY)\(255\)/;
const perTable = 5;

eachServer((flavour, server) => {
  it('L3, L8: what an event says of a column is that column’s, whatever stands before it', async () => {
    const { name, connection } = await createDatabase(server);
    const source = openSource(server.url);
    const from = await source.resolve({ kind: 'latest' }, never);
    await connection.query("SET sql_mode = 'ALLOW_INVALID_DATES'");
    const some = [...new Map(cases.filter((one) => isOn(one)).map((one) => [one.sql, one])).values()];
    const tables: string[] = [];
    for (const [kind, textsOf] of Object.entries(neighbours)) {
      for (let first = 0; first < some.length; first += perTable) {
        const table = `${kind}${first}`;
        const part = some.slice(first, first + perTable);
        const columns = part.map(({ sql }, n) => `v${n} ${sql}, ${textsOf(n)}, ${others(n)}`);
        await connection.query(`CREATE TABLE ${table} (id INT UNSIGNED, ${columns.join(', ')}) CHARACTER SET utf8mb4`);
        await connection.query(
          `INSERT IGNORE INTO ${table} VALUES (1, ${part.map((one) => `${one.values[0]}, ${values}`).join(', ')})`,
        );
        tables.push(table);
      }
    }
    await connection.query('CREATE TABLE last (id INT PRIMARY KEY); INSERT INTO last VALUES (1)');
    const reading = new Reading(source, { from, wants: inSchema(name) });
    await reading.until('all changes', ({ changes }) => changes.some(({ table }) => table === 'last'), 60_000);
    const asker = await connectAsKisflow(server, name);
    const wrong: string[] = [];
    for (const table of tables) {
      const row = reading.changes.find((change) => change.table === table)?.after ?? {};
      const [shown] = await asker.query<RowDataPacket[]>(`SHOW COLUMNS FROM ${table} LIKE 'v%'`);
      if (!Object.hasOwn(row, 'v0')) wrong.push(`${table}: no change`);
      for (const [n, { Type }] of shown.entries())
        wrong.push(...shifted(row, n).map((what) => `${table}, behind ${Type}: ${what}`));
    }
    expect(wrong).toEqual([]);
    expect(tables.length).toBeGreaterThan(20);
  }, 120_000);

  function isOn({ sql, servers, values: [first] }: ColumnCase): boolean {
    return !tooLong.test(sql) && first !== undefined && (servers === undefined || servers.includes(flavour));
  }
});
