import { describe, expect, it } from 'vitest';
import { createFolder } from '../support/daemon-process.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { inSchema, never, openSource, Reading } from '../source/reading.ts';
import { runLine, runUntilCurrent } from './run-project.ts';

eachServer((_flavour, server) => {
  describe('a flow that lists its columns', () => {
    it('gets these and the primary key’s, whatever other flows of its reader get, and L8: the same values', async () => {
      const source = await createDatabase(server, 'items');
      const store = await createDatabase(server, 'store');
      const flow = (name: string, columns: string) => `---
kistype: flow
flow_name: ${name}
source: {name: main, tables: [${source.name}.items], rows: change, start: latest${columns}}
flows: [{fname: Save${name}}]
---
kistype: func
fname: Save${name}
fmode: Save
option: {cname: ${name}}
---
kistype: conn
cname: ${name}
type: mysql
addrs: store
key: ${name}
`;
      const columns = 'a INT, b VARCHAR(20), c DECIMAL(10,2), d TEXT, e DATETIME(3)';
      const folder = await createFolder({
        'conf/all.yml': `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
${flow('whole', '')}${flow('part', ', columns: [b, e]')}${flow('other', ', columns: [c]')}`,
        'migrations/001.sql': ['whole', 'part', 'other']
          .map((table) => `CREATE TABLE ${table} (id INT, k VARCHAR(5), ${columns}, PRIMARY KEY (k, id));\n`)
          .join(''),
      });
      const project = { folder, env: { SOURCE_URL: server.url, STORE_URL: `${server.url}/${store.name}` } };
      await source.connection.query(`CREATE TABLE items (id INT, k VARCHAR(5), ${columns}, PRIMARY KEY (k, id))`);
      await runUntilCurrent(project);
      for (const sql of [
        "INSERT INTO items VALUES (1, 'x', 1, 'one', 1.5, REPEAT('text', 200), '2026-01-01 10:00:00.125'), (2, 'y', NULL, NULL, NULL, NULL, NULL)",
        "UPDATE items SET b = 'two', c = -7.25 WHERE id = 2",
        "INSERT INTO items VALUES (3, 'z', 3, 'three', 3, 'x', '0001-01-01')",
        "UPDATE items SET id = 30, d = 'moved' WHERE id = 3",
        'DELETE FROM items WHERE id = 1',
      ])
        await source.connection.query(sql);
      await runUntilCurrent(project);
      const rowsOf = async (table: string, names: string) =>
        (await store.connection.query(`SELECT ${names} FROM ${table} ORDER BY id`))[0];
      const [rows] = await source.connection.query('SELECT * FROM items ORDER BY id');
      expect(await rowsOf('whole', '*')).toEqual(rows);
      const [parts] = await source.connection.query('SELECT id, k, NULL AS a, b, NULL AS c, NULL AS d, e FROM items ORDER BY id');
      expect(await rowsOf('part', '*')).toEqual(parts);
      const [others] = await source.connection.query(
        'SELECT id, k, NULL AS a, NULL AS b, c, NULL AS d, NULL AS e FROM items ORDER BY id',
      );
      expect(await rowsOf('other', '*')).toEqual(others);
    });

    it('is refused when its first function must have a column that it does not list', async () => {
      const folder = await createFolder({
        'conf/all.yml': `kistype: global
store: {url: "mysql://127.0.0.1:1/x"}
---
kistype: source
name: main
type: mysql-binlog
url: mysql://127.0.0.1:1
---
kistype: flow
flow_name: f
source: {name: main, tables: [a.b], start: latest, columns: [x]}
flows: [{fname: F}]
---
kistype: func
fname: F
fmode: Save
source: {must: [x, y]}
option: {cname: c}
---
kistype: conn
cname: c
type: mysql
addrs: store
key: t
`,
      });
      expect(await runLine({ folder, env: {} }, ['run'], 78)).toContain(
        'source.columns: F must have y, which the flow does not read; list it too',
      );
    });
  });

  it('a source gives the columns that are asked for and the primary key’s, of every format, and asks anew when the wish changes', async () => {
    const { name, connection } = await createDatabase(server);
    await connection.query(
      "CREATE TABLE t (a TEXT, id INT PRIMARY KEY, b BIGINT, c DECIMAL(20,5), d SET('x', 'y'), e JSON, f DATETIME(6), g TIME, h BIT(9), i FLOAT, z CHAR(3))",
    );
    const source = openSource(server.url);
    const from = await source.resolve({ kind: 'latest' }, never);
    const insert = (id: number) =>
      connection.query(`INSERT INTO t VALUES ('text', ${id}, 2, 3.5, 'x,y', '{"a": 1}', NOW(6), '-10:00:00', b'101', 1.5, 'end')`);
    await insert(1);
    await connection.query('SET SESSION binlog_row_image = MINIMAL');
    await connection.query("UPDATE t SET z = 'new', b = NULL, f = NULL, h = 0");
    await connection.query('SET SESSION binlog_row_image = FULL');
    await insert(2);
    let columns: ReadonlySet<string> | undefined = new Set(['z', 'b', 'nothing']);
    const reading = new Reading(source, {
      from,
      wants: inSchema(name),
      columns: () => columns,
      onPart: (part) => {
        if (part.groups.some((group) => group.op === 'insert' && group.after[0]?.['id'] === 2)) columns = new Set(['i']);
        return undefined;
      },
    });
    await reading.untilIds(2);
    await insert(3);
    await reading.untilIds(3);
    expect(reading.changes.map(({ before, after }) => ({ before, after }))).toEqual([
      { before: undefined, after: { id: 1, b: 2, z: 'end' } },
      { before: { id: 1 }, after: { id: 1, b: null, z: 'new' } },
      { before: undefined, after: { id: 2, b: 2, z: 'end' } },
      { before: undefined, after: { id: 3, i: 1.5 } },
    ]);
    expect(reading.parts.flatMap(({ groups }) => groups)[0]?.table.columns.map((column) => column.name)).toEqual(['id', 'b', 'z']);
  });
});
