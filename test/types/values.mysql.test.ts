import type { Connection } from 'mysql2/promise';
import { expect, inject, it } from 'vitest';
import type { SqlAddress, SqlFlavour } from '../../src/embedded/server.ts';
import type { Row } from '../../src/row/change.ts';
import { inSchema, never, openSource, Reading, type FlatChange } from '../source/reading.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { charsetCases } from './charsets.ts';
import type { ColumnCase } from './column-case.ts';
import { describeValue, selectRows, type SelectedRow } from './comparison.ts';
import { connectAsKisflow, createMirror, groupByTable, short } from './mirroring.ts';
import { numberCases } from './numbers.ts';
import { otherCases } from './others.ts';
import { jsonCases, textCases } from './texts.ts';
import { timeCases } from './times.ts';

const families: Readonly<Record<string, readonly ColumnCase[] | typeof charsetCases>> = {
  numbers: numberCases,
  'dates and times': timeCases,
  'texts, bytes and lists': textCases,
  'texts of all character sets': charsetCases,
  json: jsonCases,
  'geometry and types of one server': otherCases,
};

/** Settings of writers' sessions that must not matter. Lenient, so that every value of the list is kept. */
const sessions: readonly string[] = [
  "sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+05:30'",
  "sql_mode = 'ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH', time_zone = '-11:00', character_set_client = latin1, character_set_connection = latin1",
  "sql_mode = 'ALLOW_INVALID_DATES,PAD_CHAR_TO_FULL_LENGTH', time_zone = '+00:00', character_set_connection = gbk",
];

interface Table {
  readonly name: string;
  readonly column: ColumnCase;
  inserted: readonly SelectedRow[];
  updated: readonly SelectedRow[];
}

const DELETED_FROM = 1000;

eachServer((flavour, server) => {
  for (const [family, cases] of Object.entries(families)) {
    it(`L8: ${family}: a value is the same from the binlog and from a SELECT, and after being mirrored`, async () => {
      const { name, connection } = await createDatabase(server);
      const list = typeof cases === 'function' ? await cases(connection) : cases;
      const columns = list.filter(({ servers }) => servers === undefined || servers.includes(flavour));
      const tables = columns.map((column, n): Table => ({ name: `t${n}`, column, inserted: [], updated: [] }));
      const asker = await connectAsKisflow(server, name);
      const source = openSource(server.url);
      for (const { name: table, column } of tables) await createTable(connection, table, column);
      const from = await source.resolve({ kind: 'latest' }, never);
      for (const [nth, table] of tables.entries()) {
        await connection.query(`SET ${sessions[nth % sessions.length] ?? ''}`);
        await write(connection, asker, table);
      }
      await connection.query('SET NAMES utf8mb4; CREATE TABLE last (id INT PRIMARY KEY); INSERT INTO last VALUES (1)');
      const reading = new Reading(source, { from, wants: inSchema(name) });
      await reading.until('all changes', ({ changes }) => changes.some(({ table }) => table === 'last'));
      const changes = groupByTable(reading.changes);
      const wrong = tables.flatMap((table) => differences(table, changes.get(table.name) ?? []));
      for (const { isSameKind, server: target } of mirrorsOf(flavour, server)) {
        const portable = tables.filter(({ column }) => column.isMirrored !== false && (isSameKind || isPortable(column)));
        wrong.push(...(await mirror(target, portable, changes)));
      }
      expect(wrong).toEqual([]);
    });
  }
});

async function createTable(connection: Connection, table: string, { sql }: ColumnCase): Promise<void> {
  await connection.query(`CREATE TABLE ${table} (id INT PRIMARY KEY, v ${sql}) CHARACTER SET utf8mb4`);
}

/** Each value in two rows; then each row has its neighbour's; then the second rows are deleted. */
async function write(connection: Connection, asker: Connection, table: Table): Promise<void> {
  const { name, column } = table;
  const values = column.sql.includes('NOT NULL') ? column.values : [...column.values, 'NULL'];
  const insert = (first: number) => values.map((value, n) => `(${first + n}, ${value})`).join(', ');
  await connection.query(`INSERT IGNORE INTO ${name} VALUES ${insert(1)}, ${insert(DELETED_FROM)}`);
  table.inserted = await selectRows(asker, name, column.form);
  for (const [n, value] of [...values.slice(1), ...values.slice(0, 1)].entries()) {
    await connection.query(`UPDATE IGNORE ${name} SET v = ${value} WHERE id IN (${n + 1}, ${DELETED_FROM + n})`);
  }
  table.updated = await selectRows(asker, name, column.form);
  await connection.query(`DELETE FROM ${name} WHERE id >= ${DELETED_FROM}`);
}

function differences({ column, inserted, updated }: Table, changes: readonly FlatChange[]): string[] {
  const rowsOf = (op: string, side: 'before' | 'after') =>
    changes.filter((change) => change.op === op).map((change) => change[side]);
  const compare = (what: string, rows: readonly (Row | undefined)[], wanted: readonly SelectedRow[]) => {
    const byId = new Map(rows.map((row) => [row?.['id'], row?.['v']]));
    return wanted.flatMap(({ id, value, bytes }) => {
      const got = byId.has(id) ? describeValue(byId.get(id)) : 'nothing';
      if (got === value || ((column.form === 'text' || column.form === 'retold') && got === `bytes ${bytes.toLowerCase()}`))
        return [];
      return [`${column.sql}: ${what} ${id}: ${short(got)}, not ${short(value)}`];
    });
  };
  return [
    ...compare('insert', rowsOf('insert', 'after'), inserted),
    ...compare(
      'before update',
      rowsOf('update', 'before'),
      inserted.filter(({ id }) => rowsOf('update', 'before').some((row) => row?.['id'] === id)),
    ),
    ...compare('after update', [...rowsOf('insert', 'after'), ...rowsOf('update', 'after')], updated),
    ...compare(
      'delete',
      rowsOf('delete', 'before'),
      updated.filter(({ id }) => id >= DELETED_FROM),
    ),
  ];
}

function isPortable({ servers, isCrossKind }: ColumnCase): boolean {
  return servers === undefined && isCrossKind !== false;
}

/** The same server, and one of the other kind where there is one. */
function mirrorsOf(flavour: SqlFlavour, server: SqlAddress) {
  const other = inject('servers')[flavour === 'mysql' ? 'mariadb' : 'mysql'];
  return [{ isSameKind: true, server }, ...(other === undefined ? [] : [{ isSameKind: false, server: other }])];
}

/** Saves the changes into tables of the same columns with the connector; says which rows differ after the inserts, and at the end. */
async function mirror(
  server: SqlAddress,
  tables: readonly Table[],
  changes: ReadonlyMap<string, readonly FlatChange[]>,
): Promise<string[]> {
  const { connection, asker, save, load } = await createMirror(server);
  const wrong: string[] = [];
  for (const { name: table, column, inserted, updated } of tables) {
    await createTable(connection, table, column);
    const all = changes.get(table) ?? [];
    const stages: readonly (readonly [string, readonly FlatChange[], readonly SelectedRow[]])[] = [
      ['inserts', all.filter(({ op }) => op === 'insert'), inserted],
      ['all changes', all.filter(({ op }) => op !== 'insert'), updated.filter(({ id }) => id < DELETED_FROM)],
    ];
    for (const [stage, some, wanted] of stages) {
      const refusal = await save(table, some);
      if (refusal !== undefined) wrong.push(`${column.sql}: ${server.flavour}: ${stage}: ${short(String(refusal))}`);
      const got = new Map((await selectRows(asker, table, column.form)).map((row) => [row.id, row.stored]));
      for (const { id, stored } of wanted) {
        if (got.get(id) !== stored)
          wrong.push(`${column.sql}: ${server.flavour}: ${stage} ${id}: ${short(String(got.get(id)))}, not ${short(stored)}`);
      }
      const loaded = await load(
        table,
        wanted.map(({ id }) => ({ id })),
      );
      for (const row of loaded) {
        const shown = wanted.find(({ id }) => id === row['id']);
        if (!hasOwnForm(column) && shown?.value !== describeValue(row['v'])) {
          wrong.push(
            `${column.sql}: ${server.flavour}: load ${String(row['id'])}: ${short(describeValue(row['v']))}, not ${short(shown?.value ?? '')}`,
          );
        }
      }
      if (got.size !== wanted.length) wrong.push(`${column.sql}: ${stage}: ${got.size} rows, not ${wanted.length}`);
    }
  }
  return wrong;
}

/** ZEROFILL and YEAR(2) are printed in a form of their own, which is not in the binlog. */
function hasOwnForm({ form }: ColumnCase): boolean {
  return form === 'zerofill' || form === 'year2' || form === 'rounded';
}
