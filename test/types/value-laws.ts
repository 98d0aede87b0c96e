import type { Connection } from 'mysql2/promise';
import type { SqlAddress } from '../../src/embedded/server.ts';
import type { Row, Value } from '../../src/row/change.ts';
import { inSchema, never, openSource, Reading, type FlatChange } from '../source/reading.ts';
import { openTableReader } from '../snapshot/table-reading.ts';
import { createDatabase } from '../support/servers.ts';
import type { ColumnCase } from './column-case.ts';
import { describeValue, selectRows, type SelectedRow } from './comparison.ts';
import { connectAsKisflow, createMirror, groupByTable, short, type Mirror } from './mirroring.ts';

/** Settings of writers' sessions that must not matter. Lenient, so that every value of the list is kept. */
const sessions: readonly string[] = [
  "sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+05:30'",
  "sql_mode = 'ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH', time_zone = '-11:00', character_set_client = latin1, character_set_connection = latin1",
  "sql_mode = 'ALLOW_INVALID_DATES,PAD_CHAR_TO_FULL_LENGTH', time_zone = '+00:00', character_set_connection = gbk",
];

interface Table {
  readonly name: string;
  readonly column: ColumnCase;
  readonly inserted: readonly SelectedRow[];
  readonly updated: readonly SelectedRow[];
  /** The table as a snapshot reads it, after the inserts and after the updates. */
  readonly insertedChunk: readonly Row[];
  readonly updatedChunk: readonly Row[];
  readonly changes: readonly FlatChange[];
}

const DELETED_FROM = 1000;

/** What a function received of each case, in the order of its values. */
export interface Received {
  readonly column: ColumnCase;
  readonly values: readonly Value[];
}

/**
 * Writes each case's values into a table of its own: inserts, updates and deletes; reads them from the binlog, and compares with what
 * SELECT gives and, in tables of the same columns on the `mirrors`, with what is left of them there. Says what differs.
 */
export async function compareEverywhere(options: {
  readonly server: SqlAddress;
  readonly cases: readonly ColumnCase[];
  readonly mirrors: readonly SqlAddress[];
}): Promise<{ readonly wrong: readonly string[]; readonly received: readonly Received[] }> {
  const { server } = options;
  const cases = options.cases.filter(({ servers }) => servers === undefined || servers.includes(server.flavour));
  const tables = await writeAndRead(server, cases);
  const wrong = tables.flatMap(differences);
  for (const target of options.mirrors) {
    const isSameKind = target.flavour === server.flavour;
    const portable = tables.filter(({ column }) => column.isMirrored !== false && (isSameKind || isPortable(column)));
    const mirror = await createMirror(target);
    for (const table of portable) wrong.push(...(await mirrorTable(mirror, table)).map((what) => `on ${target.flavour}: ${what}`));
  }
  const received = tables.map(({ column, changes }) => ({ column, values: changes.map(({ after }) => after?.['v']) }));
  return { wrong, received };
}

async function writeAndRead(server: SqlAddress, cases: readonly ColumnCase[]): Promise<readonly Table[]> {
  const { name, connection } = await createDatabase(server);
  const asker = await connectAsKisflow(server, name);
  const source = openSource(server.url);
  const readChunk = chunkReader(server, name);
  for (const [n, column] of cases.entries()) await createTable(connection, `t${n}`, column);
  const from = await source.resolve({ kind: 'latest' }, never);
  const written: Omit<Table, 'changes'>[] = [];
  for (const [n, column] of cases.entries()) {
    await connection.query(`SET ${sessions[n % sessions.length] ?? ''}`);
    written.push({ name: `t${n}`, column, ...(await write({ connection, asker, readChunk }, { name: `t${n}`, column })) });
  }
  await connection.query('SET NAMES utf8mb4; CREATE TABLE last (id INT PRIMARY KEY); INSERT INTO last VALUES (1)');
  const reading = new Reading(source, { from, wants: inSchema(name) });
  await reading.until('all changes', ({ changes }) => changes.some(({ table }) => table === 'last'), 100_000);
  const changes = groupByTable(reading.changes);
  return written.map((table) => ({ ...table, changes: changes.get(table.name) ?? [] }));
}

function chunkReader(server: SqlAddress, schema: string): (table: string) => Promise<readonly Row[]> {
  const reader = openTableReader(server.url);
  return async (name) => {
    const table = await reader.describe({ schema, name }, never);
    return (await reader.read({ table, rowsMax: 10_000 }, never)).rows;
  };
}

async function createTable(connection: Connection, table: string, { sql }: ColumnCase): Promise<void> {
  await connection.query(`CREATE TABLE ${table} (id INT PRIMARY KEY, v ${sql}) CHARACTER SET utf8mb4`);
}

interface Hands {
  readonly connection: Connection;
  readonly asker: Connection;
  readonly readChunk: (table: string) => Promise<readonly Row[]>;
}

/** Each value in two rows; then each row has its neighbour's; then the second rows are deleted. */
async function write({ connection, asker, readChunk }: Hands, { name, column }: Pick<Table, 'name' | 'column'>) {
  const values = column.sql.includes('NOT NULL') ? column.values : [...column.values, 'NULL'];
  const insert = (first: number) => values.map((value, n) => `(${first + n}, ${value})`).join(', ');
  await connection.query(`INSERT IGNORE INTO ${name} VALUES ${insert(1)}, ${insert(DELETED_FROM)}`);
  const inserted = await selectRows(asker, name, column.form);
  const insertedChunk = await readChunk(name);
  const updates = [...values.slice(1), ...values.slice(0, 1)].map(
    (value, n) => `UPDATE IGNORE ${name} SET v = ${value} WHERE id IN (${n + 1}, ${DELETED_FROM + n})`,
  );
  await connection.query(updates.join('; '));
  const updated = await selectRows(asker, name, column.form);
  const updatedChunk = await readChunk(name);
  await connection.query(`DELETE FROM ${name} WHERE id >= ${DELETED_FROM}`);
  return { inserted, updated, insertedChunk, updatedChunk };
}

function differences({ column, inserted, updated, insertedChunk, updatedChunk, changes }: Table): string[] {
  const images = (op: string, side: 'before' | 'after') =>
    changes.filter((change) => change.op === op).map((change) => change[side]);
  const compare = (what: string, rows: readonly (Row | undefined)[], wanted: readonly SelectedRow[]) => {
    const byId = new Map(rows.map((row) => [row?.['id'], row?.['v']]));
    return wanted.flatMap(({ id, value, bytes }) => {
      const got = byId.has(id) ? describeValue(byId.get(id)) : 'nothing';
      if (got === value || (isText(column) && got === `bytes ${bytes.toLowerCase()}`)) return [];
      return [`${column.sql}: ${what} ${id}: ${short(got)}, not ${short(value)}`];
    });
  };
  const changed = new Set(images('update', 'before').map((row) => row?.['id']));
  return [
    ...compare('insert', images('insert', 'after'), inserted),
    ...compare(
      'before update',
      images('update', 'before'),
      inserted.filter(({ id }) => changed.has(id)),
    ),
    ...compare('after update', [...images('insert', 'after'), ...images('update', 'after')], updated),
    ...compare(
      'delete',
      images('delete', 'before'),
      updated.filter(({ id }) => id >= DELETED_FROM),
    ),
    ...foreignTypes(column, images('insert', 'after')),
    ...chunkDifferences(column, insertedChunk, images('insert', 'after')),
    ...chunkDifferences(column, updatedChunk, [...images('insert', 'after'), ...images('update', 'after')]),
  ];
}

/** Where a snapshot's rows are not those of the binlog, in every bit. */
function chunkDifferences({ sql }: ColumnCase, chunk: readonly Row[], images: readonly (Row | undefined)[]): string[] {
  const last = new Map(images.map((row) => [row?.['id'], describeRow(row)]));
  const wrong = chunk.flatMap((row) => {
    const [got, wanted = 'nothing'] = [describeRow(row), last.get(row['id'])];
    return got === wanted ? [] : [`${sql}: a chunk has ${short(got)}, and the binlog ${short(wanted)}`];
  });
  return chunk.length === last.size ? wrong : [...wrong, `${sql}: a chunk of ${chunk.length} rows, not ${last.size}`];
}

function describeRow(row: Row | undefined): string {
  return Object.entries(row ?? {})
    .map(([name, value]) => `${name} ${describeValue(value)}`)
    .join(', ');
}

function isText({ form }: ColumnCase): boolean {
  return form === 'text' || form === 'retold';
}

/** Values of another JavaScript type than the case says; text may always be bytes, where it is none. */
function foreignTypes(column: ColumnCase, rows: readonly (Row | undefined)[]): string[] {
  const types = rows.map((row) => row?.['v']).filter((value) => value !== null);
  return types
    .map((value) => (value instanceof Uint8Array ? 'Uint8Array' : typeof value))
    .filter((type) => !column.receives.includes(type) && !(isText(column) && type === 'Uint8Array'))
    .map((type) => `${column.sql}: a ${type}, where ${column.receives} is said`);
}

function isPortable({ servers, isCrossKind }: ColumnCase): boolean {
  return servers === undefined && isCrossKind !== false;
}

/** Saves the changes; says which rows differ after the inserts, and at the end. */
async function mirrorTable(mirror: Mirror, { name, column, inserted, updated, changes }: Table): Promise<string[]> {
  await createTable(mirror.connection, name, column);
  const stages: readonly (readonly [string, readonly FlatChange[], readonly SelectedRow[]])[] = [
    ['inserts', changes.filter(({ op }) => op === 'insert'), inserted],
    ['all changes', changes.filter(({ op }) => op !== 'insert'), updated.filter(({ id }) => id < DELETED_FROM)],
  ];
  const wrong: string[] = [];
  for (const [stage, some, wanted] of stages) {
    const refusal = await mirror.save(name, some);
    if (refusal !== undefined) wrong.push(`${column.sql}: ${stage}: ${short(String(refusal))}`);
    const stored = new Map((await selectRows(mirror.asker, name, column.form)).map((row) => [row.id, row.stored]));
    const keys = wanted.map(({ id }) => ({ id }));
    const loaded = new Map((await mirror.load(name, keys)).map((row) => [row['id'], describeValue(row['v'])]));
    for (const { id, ...row } of wanted) {
      if (stored.get(id) !== row.stored) {
        wrong.push(`${column.sql}: ${stage} ${id}: ${short(stored.get(id) ?? 'none')}, not ${short(row.stored)}`);
      }
      if (!hasOwnForm(column) && loaded.get(id) !== row.value) {
        wrong.push(`${column.sql}: ${stage}, loaded ${id}: ${short(loaded.get(id) ?? 'none')}, not ${short(row.value)}`);
      }
    }
    if (stored.size !== wanted.length) wrong.push(`${column.sql}: ${stage}: ${stored.size} rows, not ${wanted.length}`);
  }
  return wrong;
}

/** ZEROFILL, YEAR(2) and DOUBLE(M,D) are printed in a form of their own, which is not in the binlog. */
function hasOwnForm({ form }: ColumnCase): boolean {
  return form === 'zerofill' || form === 'year2' || form === 'rounded';
}
