import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { SqlFlavour } from '../../src/embedded/server.ts';
import type { ChangeGroup, Row } from '../../src/row/change.ts';
import { openTableReader } from '../snapshot/table-reading.ts';
import { flatten, inSchema, never, openSource, Reading } from '../source/reading.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { describeValue } from './comparison.ts';
import { connectAsKisflow, createMirror, groupByTable } from './mirroring.ts';

/** A table of an unusual form, and changes of it. */
interface TableCase {
  readonly law: string;
  readonly servers?: readonly SqlFlavour[];
  /** Before the table is made, on both sides. */
  readonly session?: string;
  /** `{t}` stands for the table's name. */
  readonly create: string;
  readonly changes: readonly string[];
  /** The mirror's table, where it is another one. */
  readonly mirror?: string;
  readonly name?: string;
  /** The columns that are compared; all that SELECT * shows unless said. */
  readonly columns?: string;
  /** No key of it serves to read it in chunks. */
  readonly isUnreadable?: true;
}

const cases: readonly TableCase[] = [
  {
    law: 'generated columns, virtual and stored, have their values before and after a change',
    create: `CREATE TABLE {t} (id INT PRIMARY KEY, a INT, v INT AS (a * 2) VIRTUAL, t VARCHAR(20), s INT AS (a + 1) STORED,
      w VARCHAR(30) AS (CONCAT(t, '!')) VIRTUAL, x DOUBLE AS (a / 3) VIRTUAL, last INT)`,
    changes: [
      "INSERT INTO {t} (id, a, t, last) VALUES (1, 1, 'one', 1), (2, NULL, NULL, 2), (3, 3, 'three', 3)",
      'UPDATE {t} SET a = a + 10 WHERE id < 3',
      "UPDATE {t} SET t = 'other' WHERE id > 1",
      'UPDATE {t} SET last = 0',
      'DELETE FROM {t} WHERE id = 3',
    ],
  },
  {
    law: 'an index over virtual columns',
    create: 'CREATE TABLE {t} (id INT PRIMARY KEY, a INT, v INT AS (a * 2) VIRTUAL, INDEX (v), UNIQUE (a, v))',
    changes: ['INSERT INTO {t} (id, a) VALUES (1, 1), (2, 2)', 'UPDATE {t} SET a = 5 WHERE v = 4', 'DELETE FROM {t} WHERE v = 2'],
  },
  {
    law: 'invisible columns are in the row, and are mirrored',
    create: 'CREATE TABLE {t} (id INT PRIMARY KEY, a INT INVISIBLE DEFAULT 5, b INT)',
    columns: 'id, a, b',
    changes: ['INSERT INTO {t} VALUES (1, 1), (2, 2)', 'UPDATE {t} SET a = 7 WHERE id = 2', 'UPDATE {t} SET b = 3 WHERE id = 1'],
  },
  {
    law: 'columns added instantly have their default in rows from before',
    create: 'CREATE TABLE {t} (id INT PRIMARY KEY, a INT)',
    mirror: "CREATE TABLE {t} (id INT PRIMARY KEY, c VARCHAR(9) DEFAULT 'dflt', a INT, d DECIMAL(6,2) NOT NULL DEFAULT 1.5)",
    changes: [
      'INSERT INTO {t} VALUES (1, 1), (2, 2), (3, 3)',
      'ALTER TABLE {t} ADD COLUMN d DECIMAL(6,2) NOT NULL DEFAULT 1.5',
      "ALTER TABLE {t} ADD COLUMN c VARCHAR(9) DEFAULT 'dflt' AFTER id",
      'UPDATE {t} SET a = a + 1 WHERE id < 3',
      'INSERT INTO {t} (id, a) VALUES (4, 4)',
      'UPDATE {t} SET a = 9 WHERE id = 3',
      'DELETE FROM {t} WHERE id = 1',
    ],
  },
  {
    law: 'hidden columns of functional and multi-valued indexes are not in the row',
    servers: ['mysql'],
    create: `CREATE TABLE {t} (id INT PRIMARY KEY, a INT, j JSON, t VARCHAR(20), INDEX ((a + 1)), INDEX ((UPPER(t))),
      INDEX m ((CAST(j->'$[*]' AS UNSIGNED ARRAY))), UNIQUE u ((LEFT(t, 3))))`,
    changes: [
      `INSERT INTO {t} VALUES (1, 1, '[1, 2]', 'one'), (2, 2, '[3]', 'two'), (3, NULL, NULL, NULL)`,
      "UPDATE {t} SET j = '[9]', t = 'more' WHERE id = 1",
      'DELETE FROM {t} WHERE a + 1 = 3',
    ],
  },
  {
    law: 'a generated invisible primary key is the key',
    servers: ['mysql'],
    session: 'SET sql_generate_invisible_primary_key = ON',
    create: 'CREATE TABLE {t} (a INT, b VARCHAR(9))',
    columns: 'my_row_id, a, b',
    changes: ["INSERT INTO {t} VALUES (1, 'x'), (1, 'x'), (2, 'y')", 'UPDATE {t} SET a = 5 LIMIT 1', 'DELETE FROM {t} WHERE a = 2'],
  },
  {
    law: 'partitioned tables, and rows that move between partitions',
    create:
      'CREATE TABLE {t} (id INT PRIMARY KEY, a INT) PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (10), PARTITION q VALUES LESS THAN MAXVALUE)',
    changes: ['INSERT INTO {t} VALUES (1, 1), (20, 2)', 'UPDATE {t} SET id = 30 WHERE id = 1', 'DELETE FROM {t} WHERE id = 20'],
  },
  {
    law: 'columns with hostile names',
    // mysql2 refuses to give a column of the name __proto__.
    columns: '`__proto__` AS k, `constructor`, `0`, `a``b`, `\\\\`, `中文 列`, `toString`, `${x}`, `?`, `new\u2028line`',
    create: `CREATE TABLE {t} (\`__proto__\` INT PRIMARY KEY, \`constructor\` INT, \`0\` INT, \`a\`\`b\` INT, \`it's "q"\` INT, \`\\\\\` INT, \`中文 列\` INT,
      \`toString\` INT, \`hasOwnProperty\` INT, \`\${x}\` INT, \`//\` INT, \`${'c'.repeat(64)}\` INT, \`select\` INT, \`?\` INT, \`%s\` INT, \`new\u2028line\` INT)`,
    changes: [
      'INSERT INTO {t} VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), (2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, NULL), (3, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)',
      'UPDATE {t} SET `constructor` = 20, `0` = NULL, `a``b` = 44 WHERE `__proto__` = 1',
      'UPDATE {t} SET `__proto__` = 7 WHERE `__proto__` = 2',
      'DELETE FROM {t} WHERE `__proto__` = 3',
    ],
  },
  ...["it's `q`", '__proto__', 'constructor', '中文', 'a.b', '123', 'T'.repeat(64), 'select', 'ﬀ'].map((name) => ({
    law: `a table called ${name}`,
    name,
    create: 'CREATE TABLE {t} (id INT PRIMARY KEY, a INT)',
    changes: ['INSERT INTO {t} VALUES (1, 1), (2, 2)', 'UPDATE {t} SET a = 3', 'DELETE FROM {t} WHERE id = 1'],
  })),
  {
    law: 'keys of several columns, not in the order of the table',
    create: 'CREATE TABLE {t} (a INT, b VARCHAR(20), c INT, PRIMARY KEY (c, b(5)))',
    isUnreadable: true,
    changes: [
      "INSERT INTO {t} VALUES (1, 'prefix', 1), (2, 'prefix', 2), (3, 'pre', 1)",
      "UPDATE {t} SET b = 'prefi and more' WHERE c = 1 AND a = 1",
      'UPDATE {t} SET c = 5 WHERE a = 3',
      'DELETE FROM {t} WHERE a = 2',
    ],
  },
  {
    law: 'key texts that the collation takes for one, and that change only in case',
    create: 'CREATE TABLE {t} (k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, a INT)',
    changes: [
      "INSERT INTO {t} VALUES ('a', 1), ('é', 2), ('z ', 3)",
      "UPDATE {t} SET k = 'A' WHERE a = 1",
      "UPDATE {t} SET k = 'E' WHERE a = 2",
      "UPDATE {t} SET k = 'z' WHERE a = 3",
    ],
  },
  {
    law: 'a table whose time changes by itself keeps the time of the source',
    create: `CREATE TABLE {t} (id INT PRIMARY KEY, e ENUM('a', 'b'), at TIMESTAMP(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
      dt DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)`,
    changes: [
      "SET timestamp = 1700000000; INSERT IGNORE INTO {t} (id, e) VALUES (1, 'a'), (2, 'none'), (3, 'b')",
      "SET timestamp = 1700000100; UPDATE IGNORE {t} SET e = 'none' WHERE id = 1",
      "SET timestamp = 1700000200.5; UPDATE {t} SET e = 'b' WHERE id = 2",
    ],
  },
  {
    law: 'SYSTEM VERSIONING: history is none of the table’s rows',
    servers: ['mariadb'],
    create: 'CREATE TABLE {t} (id INT PRIMARY KEY, a INT, b VARCHAR(9)) WITH SYSTEM VERSIONING',
    mirror: 'CREATE TABLE {t} (id INT PRIMARY KEY, a INT, b VARCHAR(9))',
    changes: [
      "INSERT INTO {t} VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z')",
      'UPDATE {t} SET a = 10 WHERE id = 1',
      'UPDATE {t} SET a = a + 1',
      'UPDATE {t} SET id = 7 WHERE id = 3',
      'DELETE FROM {t} WHERE id = 2',
      "INSERT INTO {t} VALUES (2, 22, 'again')",
      "REPLACE INTO {t} VALUES (2, 23, 'replaced')",
      "INSERT INTO {t} VALUES (2, 0, '') ON DUPLICATE KEY UPDATE a = 24",
    ],
  },
  {
    law: 'SYSTEM VERSIONING with columns of its own names, without a key, and with UUIDs',
    servers: ['mariadb'],
    create: `CREATE TABLE {t} (id INT PRIMARY KEY, a INT, u UUID, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START,
      till TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (since, till)) WITH SYSTEM VERSIONING`,
    mirror: 'CREATE TABLE {t} (id INT PRIMARY KEY, a INT, u UUID, since TIMESTAMP(6), till TIMESTAMP(6))',
    columns: 'id, a, u',
    changes: [
      "INSERT INTO {t} (id, a, u) VALUES (1, 1, '123e4567-e89b-12d3-a456-426655440000'), (2, 2, NULL)",
      'UPDATE {t} SET a = 10',
      'DELETE FROM {t} WHERE id = 2',
    ],
  },
  {
    law: 'PERIOD FOR an application’s time, and what UPDATE FOR PORTION and DELETE FOR PORTION make of a row',
    servers: ['mariadb'],
    create: 'CREATE TABLE {t} (id INT, a INT, f DATE, u DATE, PERIOD FOR p (f, u), PRIMARY KEY (id, f))',
    mirror: 'CREATE TABLE {t} (id INT, a INT, f DATE, u DATE, PRIMARY KEY (id, f))',
    changes: [
      "INSERT INTO {t} VALUES (1, 1, '2020-01-01', '2021-01-01'), (2, 2, '2020-01-01', '2021-01-01')",
      "UPDATE {t} FOR PORTION OF p FROM '2020-03-01' TO '2020-04-01' SET a = 9 WHERE id = 1",
      "DELETE FROM {t} FOR PORTION OF p FROM '2020-05-01' TO '2020-06-01' WHERE id = 2",
    ],
  },
  {
    law: 'defaults that are expressions',
    create:
      "CREATE TABLE {t} (id INT PRIMARY KEY, u VARCHAR(40) DEFAULT (UUID()), d DOUBLE DEFAULT (RAND()), t TEXT DEFAULT ('text'))",
    changes: ['INSERT INTO {t} (id) VALUES (1), (2)', 'UPDATE {t} SET t = DEFAULT WHERE id = 1'],
  },
  {
    law: 'a table of 1,000 columns',
    create: `CREATE TABLE {t} (id INT PRIMARY KEY, ${Array.from({ length: 999 }, (_, n) => `c${n} ${n % 3 === 0 ? 'INT' : n % 3 === 1 ? 'VARCHAR(5) CHARACTER SET latin1' : 'SMALLINT UNSIGNED'}`).join(', ')})`,
    changes: [
      'INSERT INTO {t} (id, c0, c1, c997, c998) VALUES (1, 1, 1, 1, 1), (2, NULL, 2, NULL, 2)',
      `UPDATE {t} SET ${Array.from({ length: 999 }, (_, n) => `c${n} = ${n}`).join(', ')} WHERE id = 2`,
      'DELETE FROM {t} WHERE id = 1',
    ],
  },
];

eachServer((flavour, server) => {
  for (const tableCase of cases) {
    if (tableCase.servers !== undefined && !tableCase.servers.includes(flavour)) continue;
    const { law, session = 'SELECT 1', create, changes, name: table = 't', mirror: copy = create, columns = '*' } = tableCase;
    it(`L8: ${law}`, async () => {
      const { name, connection } = await createDatabase(server);
      const sql = (text: string) => text.replaceAll('{t}', `\`${table.replaceAll('`', '``')}\``);
      await connection.query(session);
      await connection.query(sql(create));
      const source = openSource(server.url);
      const from = await source.resolve({ kind: 'latest' }, never);
      await connection.query("SET sql_mode = ''");
      for (const change of changes) await connection.query(sql(change));
      await connection.query('CREATE TABLE last (id INT PRIMARY KEY); INSERT INTO last VALUES (1)');
      const reading = new Reading(source, { from, wants: inSchema(name) });
      await reading.until('all changes', (read) => read.changes.some((change) => change.table === 'last'));
      const mirror = await createMirror(server);
      await mirror.connection.query(session);
      await mirror.connection.query(sql(copy));
      expect(await mirror.save(table, groupByTable(reading.changes).get(table) ?? [])).toBeUndefined();
      const wanted = await selectAll(await connectAsKisflow(server, name), sql(`SELECT ${columns} FROM {t}`));
      expect(await selectAll(mirror.asker, sql(`SELECT ${columns} FROM {t}`))).toEqual(wanted);
      if (tableCase.isUnreadable === true) return;
      const reader = openTableReader(server.url);
      const described = await reader.describe({ schema: name, name: table }, never);
      const { rows } = await reader.read({ table: described, rowsMax: 100 }, never);
      const groups = reading.parts.flatMap((part) => part.groups).filter((group) => group.table.name === table);
      expect(described.table).toEqual(groups.at(-1)?.table);
      expect(rows.map(describeRow).toSorted()).toEqual(remaining(groups).map(describeRow).toSorted());
    });
  }
});

async function selectAll(connection: Connection, sql: string): Promise<readonly string[]> {
  // As arrays: mysql2 refuses a column called __proto__ in an object.
  const [rows] = await connection.query<RowDataPacket[][]>({ sql, rowsAsArray: true });
  return rows.map((row) => row.map((value) => describeValue(value)).join(' | ')).toSorted();
}

/** The rows that changes leave, by their primary keys. */
function remaining(groups: readonly ChangeGroup[]): readonly Row[] {
  const rows = new Map<string, Row>();
  for (const { op, before, after } of flatten(groups)) {
    const keyOfRow = (row: Row | undefined) => JSON.stringify(groups[0]?.table.primaryKey.map((name) => row?.[name]));
    if (op !== 'insert') rows.delete(keyOfRow(before));
    if (after !== undefined) rows.set(keyOfRow(after), after);
  }
  return [...rows.values()];
}

function describeRow(row: Row): string {
  return Object.entries(row)
    .map(([name, value]) => `${name} ${describeValue(value)}`)
    .join(', ');
}
