import { expect, it } from 'vitest';
import { createDatabase, eachServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

eachServer((_flavour, server) => {
  it('YEAR 0000 and the empty ENUM of an invalid value come as a SELECT gives them, before and after a change', async () => {
    const { name, connection } = await createDatabase(server);
    await connection.query("CREATE TABLE t (id INT PRIMARY KEY, y YEAR, e ENUM('a', '', 'c') NULL, z YEAR NOT NULL)");
    const source = openSource(server.url);
    const from = await source.resolve({ kind: 'latest' }, never);
    await connection.query("SET SESSION sql_mode = ''");
    await connection.query(
      "INSERT INTO t VALUES (1, 0, 'none', 1901), (2, '0000', 'a', 2155), (3, NULL, NULL, 0), (4, 2000, '', 1999)",
    );
    const [inserted] = await connection.query('SELECT * FROM t ORDER BY id');
    await connection.query("UPDATE t SET y = 0, e = 'no', z = IF(id = 1, 0, z)");
    const [updated] = await connection.query('SELECT * FROM t ORDER BY id');
    const reading = new Reading(source, { from, wants: inSchema(name) });
    await reading.until('all changes', ({ changes }) => changes.filter(({ op }) => op === 'update').length === 4);
    const of = (op: string) => reading.changes.filter((change) => change.op === op);
    expect(of('insert').map(({ after }) => after)).toEqual(inserted);
    expect(of('update').map(({ before }) => before)).toEqual(inserted);
    expect(of('update').map(({ after }) => after)).toEqual(updated);
    expect(updated).toMatchObject([{ y: 0, e: '', z: 0 }, { y: 0, e: '' }, { y: 0, e: '', z: 0 }, { y: 0 }]);
  });

  it('a FLOAT comes as the shortest number that is that FLOAT, and its column takes it back as it was', async () => {
    const { name, connection } = await createDatabase(server);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, f FLOAT, g FLOAT, v VARCHAR(40))');
    const source = openSource(server.url);
    const from = await source.resolve({ kind: 'latest' }, never);
    const written = [0.1, -0.3, 1e10, 16777216, 1.17549e-38, -3.402823466e38, 0, 123456.79, 1.5, 3.1415927];
    for (const value of written) await connection.query('INSERT INTO t (f, v) VALUES (?, ?)', [value, String(value)]);
    await connection.query(
      'INSERT INTO t (f) SELECT (RAND(7) - 0.5) * POW(10, FLOOR(RAND(8) * 60) - 30) FROM t a, t b, t c LIMIT 500',
    );
    const reading = new Reading(source, { from, wants: inSchema(name) });
    await reading.until('all rows', ({ changes }) => changes.length === 510);
    const rows = reading.changes.map(({ after }) => after);
    expect(rows.slice(0, 4).map((row) => row?.['f'])).toEqual([0.1, -0.3, 1e10, 16777216]);
    expect(rows.slice(7, 10).map((row) => row?.['f'])).toEqual([123456.79, 1.5, 3.1415927]);
    for (const row of rows) await connection.query('UPDATE t SET g = ? WHERE id = ?', [row?.['f'], row?.['id']]);
    expect((await connection.query('SELECT id, f, g FROM t WHERE NOT f <=> g'))[0]).toEqual([]);
  });
});
