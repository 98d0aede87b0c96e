import { expect, it } from 'vitest';
import { inSchema, never, openSource, Reading } from '../source/reading.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import type { ColumnCase } from './column-case.ts';
import { selectRows } from './comparison.ts';
import { connectAsKisflow, createMirror, groupByTable, short } from './mirroring.ts';
import { numberCases } from './numbers.ts';
import { otherCases } from './others.ts';
import { textCases } from './texts.ts';
import { timeCases } from './times.ts';

const noKey = /GEOM|POINT|LINE|POLYGON|VECTOR|COMPRESSED|CHAR\(0\)|BINARY\(0\)/;
const withPrefix = /TEXT|BLOB|CHAR\(16000\)|VARBINARY\(65000\)|CHAR\(255\)/;

/** A table whose primary key is a column of the type. */
function keyTable(name: string, { sql }: ColumnCase): string {
  const definition = sql.replace(/ (NOT )?NULL( DEFAULT NULL)?$/, '');
  const part = withPrefix.test(sql) ? 'v(60)' : 'v';
  return `CREATE TABLE ${name} (v ${definition} NOT NULL, id INT, PRIMARY KEY (${part})) CHARACTER SET utf8mb4`;
}

/** The empty value of an ENUM that has no empty text: a key cannot be written in two steps, and such a row is refused. */
function isEmptyEnum({ sql, form }: ColumnCase, value: string): boolean {
  return form === 'enum' && sql.startsWith('ENUM') && !sql.includes("''") && ['0', "''", "'none'"].includes(value);
}

eachServer((flavour, server) => {
  it('L5, L8: a key of any type finds its row in a mirror, and no other', async () => {
    const { name, connection } = await createDatabase(server);
    const asker = await connectAsKisflow(server, name);
    const cases = [...numberCases, ...timeCases, ...textCases, ...otherCases].filter(
      ({ servers, sql }) => !noKey.test(sql) && (servers === undefined || servers.includes(flavour)),
    );
    const source = openSource(server.url);
    const from = await source.resolve({ kind: 'latest' }, never);
    for (const [n, column] of cases.entries()) {
      const values = column.values
        .filter((value) => !isEmptyEnum(column, value))
        .map((value, id) => `(${value}, ${id})`)
        .join(', ');
      await connection.query("SET sql_mode = 'ALLOW_INVALID_DATES'");
      await connection.query(`${keyTable(`t${n}`, column)}; INSERT IGNORE INTO t${n} VALUES ${values}`);
      await connection.query(`UPDATE t${n} SET id = id + 100; DELETE FROM t${n} WHERE id % 3 = 0`);
    }
    await connection.query('CREATE TABLE last (id INT PRIMARY KEY); INSERT INTO last VALUES (1)');
    const reading = new Reading(source, { from, wants: inSchema(name) });
    await reading.until('all changes', ({ changes }) => changes.some(({ table }) => table === 'last'));
    const changes = groupByTable(reading.changes);
    const mirror = await createMirror(server);
    const wrong: string[] = [];
    for (const [n, column] of cases.entries()) {
      const all = changes.get(`t${n}`) ?? [];
      await mirror.connection.query(keyTable(`t${n}`, column));
      for (const op of ['insert', 'update', 'delete']) {
        const refusal = await mirror.save(
          `t${n}`,
          all.filter((change) => change.op === op),
        );
        if (refusal !== undefined) wrong.push(`${column.sql}: ${op}: ${short(String(refusal))}`);
      }
      const tell = (rows: Awaited<ReturnType<typeof selectRows>>) =>
        rows.map(({ id, stored }) => short(`${id} ${stored}`)).join('; ');
      const [wanted, got] = [await selectRows(asker, `t${n}`, column.form), await selectRows(mirror.asker, `t${n}`, column.form)];
      if (tell(wanted) !== tell(got)) wrong.push(`${column.sql}: ${tell(got)}, not ${tell(wanted)}`);
    }
    expect(wrong).toEqual([]);
  });
});
