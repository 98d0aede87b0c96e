import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect } from 'vitest';
import type { SqlFlavour } from '../../src/embedded/server.ts';
import { createFolder, startCommand } from '../support/daemon-process.ts';
import { createDatabase, startPrivateServer } from '../support/servers.ts';
import { randomFrom } from '../support/shop-project.ts';
import type { ColumnCase } from './column-case.ts';
import { storedExpression } from './comparison.ts';
import { numberCases } from './numbers.ts';
import { otherCases } from './others.ts';
import { jsonCases, textCases } from './texts.ts';
import { timeCases } from './times.ts';

/** Too long for a row of many columns. */
const tooLong = /16000|65000|(CHAR|BINARY)\(255\)/;

const DEADLINE_MS = 15_000;

interface Table {
  readonly name: string;
  readonly columns: readonly ColumnCase[];
  readonly create: string;
}

/** All that is drawn from a seed. */
class Draw {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  one<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new Error('nothing to draw from');
    return found;
  }

  times<T>(most: number, make: (n: number) => T): T[] {
    return Array.from({ length: 1 + this.below(most) }, (_, n) => make(n));
  }
}

/**
 * Random tables on a server with random binlog settings, changed at random in transactions of all kinds, and mirrored by a daemon that runs in
 * between and at the end: then source and mirror must hold the same. Says its seed.
 */
export async function mirrorAtRandom(
  flavour: SqlFlavour,
  options: { readonly seed: number; readonly transactions: number },
): Promise<void> {
  const draw = new Draw(options.seed);
  const settings = drawSettings(draw, flavour);
  const server = await startPrivateServer(flavour, { innodb_flush_log_at_trx_commit: 0, sync_binlog: 0 });
  const source = await createDatabase(server, 'origin');
  const store = await createDatabase(server, 'mirror');
  const tables = draw.times(4, (n) => drawTable(draw, flavour, `t${n}`));
  for (const { connection } of [source, store]) {
    for (const { create } of tables) await connection.query(create);
  }
  const folder = await createFolder({ 'conf/mirror.yml': configuration(source.name, tables) });
  const env = { SOURCE_URL: server.url, STORE_URL: store.url };
  const about = `seed ${options.seed} on ${flavour}: ${JSON.stringify(settings)}; ${tables.map(({ create }) => create).join('; ')}`;
  for (let half = 0; half < 2; half += 1) {
    for (const set of settings) await source.connection.query(set.change);
    for (let n = 0; n < options.transactions / 2; n += 1) await changeAtRandom(source.connection, draw, tables);
    for (const set of settings) await source.connection.query(set.restore);
    const daemon = await startCommand(['run', '--until-current', '--log-level', 'warn'], { cwd: folder, env });
    const exit = await daemon.waitForExit(DEADLINE_MS).catch(() => ({ code: 'none in time' }));
    const said = [about, ...daemon.stdout, ...daemon.stderr.slice(-20)].join('\n');
    expect(exit.code, said).toBe(0);
    for (const table of tables) {
      const [wanted, got] = [await contentOf(source.connection, table), await contentOf(store.connection, table)];
      expect(got, `${table.name}: ${said}`).toEqual(wanted);
    }
  }
}

interface Setting {
  readonly change: string;
  readonly restore: string;
}

/** How the binlog is written; all is as it was when the daemon begins, which looks at what the server does now. */
function drawSettings(draw: Draw, flavour: SqlFlavour): readonly Setting[] {
  const setting = (scope: 'GLOBAL' | 'SESSION', name: string, [usual = '', other = '']: readonly string[]): Setting => ({
    change: `SET ${scope} ${name} = '${draw.one([usual, other])}'`,
    restore: `SET ${scope} ${name} = '${usual}'`,
  });
  const common = [
    setting('GLOBAL', 'binlog_row_metadata', ['FULL', 'MINIMAL']),
    setting('GLOBAL', 'binlog_checksum', ['CRC32', 'NONE']),
  ];
  if (flavour === 'mariadb') return [...common, setting('GLOBAL', 'log_bin_compress', ['OFF', 'ON'])];
  return [
    ...common,
    setting('SESSION', 'binlog_transaction_compression', ['OFF', 'ON']),
    setting('SESSION', 'binlog_row_value_options', ['', 'PARTIAL_JSON']),
  ];
}

function drawTable(draw: Draw, flavour: SqlFlavour, name: string): Table {
  const cases = [...numberCases, ...timeCases, ...textCases, ...jsonCases, ...jsonCases, ...jsonCases, ...otherCases].filter(
    ({ sql, servers, isMirrored }) =>
      !tooLong.test(sql) && isMirrored !== false && (servers === undefined || servers.includes(flavour)),
  );
  const columns = draw.times(8, () => draw.one(cases));
  const key = draw.one(['id', 'id, k', 'k, id', 'id, k(2)']);
  const definitions = columns.map(({ sql }, n) => `c${n} ${sql}`).join(', ');
  return {
    name,
    columns,
    create: `CREATE TABLE ${name} (id INT, k VARCHAR(9), ${definitions}, PRIMARY KEY (${key})) CHARACTER SET utf8mb4`,
  };
}

function configuration(source: string, tables: readonly Table[]): string {
  const flows = tables.map(
    ({ name }) => `---
kistype: flow
flow_name: ${name}
source: {name: main, tables: [${source}.${name}], rows: change, start: earliest}
flows: [{fname: Save_${name}}]
---
kistype: func
fname: Save_${name}
fmode: Save
option: {cname: ${name}}
---
kistype: conn
cname: ${name}
type: mysql
addrs: store
key: ${name}
`,
  );
  return `kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
${flows.join('')}`;
}

/** One transaction: statements of all kinds, savepoints, and now and then a rollback. */
async function changeAtRandom(connection: Connection, draw: Draw, tables: readonly Table[]): Promise<void> {
  await connection.query(`SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '${draw.one(['+00:00', '+05:30', '-11:00'])}'`);
  await connection.beginTransaction();
  const isMarked = draw.below(4) === 0;
  for (const sql of draw.times(4, () => drawStatement(draw, draw.one(tables), draw.one(tables)))) await connection.query(sql);
  if (isMarked) {
    await connection.query('SAVEPOINT a');
    for (const sql of draw.times(3, () => drawStatement(draw, draw.one(tables), draw.one(tables)))) await connection.query(sql);
    await connection.query('ROLLBACK TO a');
    await connection.query(drawStatement(draw, draw.one(tables), draw.one(tables)));
  }
  await (draw.below(8) === 0 ? connection.rollback() : connection.commit());
}

function drawStatement(draw: Draw, table: Table, other: Table): string {
  const { name, columns } = table;
  const value = (n: number) => {
    const column = columns[n];
    if (column === undefined || (draw.below(6) === 0 && !column.sql.includes('NOT NULL'))) return 'NULL';
    return draw.one(column.values);
  };
  const key = () => draw.one(["'a'", "'A'", "'b'", "'ab'", "'abc'", "''", "'é'"]);
  const row = () => `(${[draw.below(60), key(), ...columns.map((_, n) => value(n))].join(', ')})`;
  const rows = () => draw.times(12, row).join(', ');
  const n = draw.below(columns.length);
  const where = `id % ${2 + draw.below(6)} = ${draw.below(2)}`;
  switch (draw.below(10)) {
    case 0:
    case 1:
    case 2:
      return `INSERT IGNORE INTO ${name} VALUES ${rows()}`;
    case 3:
      return `REPLACE INTO ${name} VALUES ${rows()}`;
    case 4:
      return `INSERT IGNORE INTO ${name} VALUES ${rows()} ON DUPLICATE KEY UPDATE c${n} = VALUES(c${n})`;
    case 5:
      return `UPDATE IGNORE ${name} SET id = (id * 7 + ${draw.below(60)}) % 60, k = ${key()} WHERE ${where}`;
    case 6:
      return `DELETE FROM ${name} WHERE ${where} AND id > ${draw.below(60)}`;
    case 7:
      if (other !== table)
        return `UPDATE IGNORE ${name} JOIN ${other.name} o USING (id) SET ${name}.c${n} = ${value(n)}, o.k = ${key()} WHERE ${where}`;
      return `UPDATE IGNORE ${name} SET c${n} = ${value(n)}`;
    case 8:
      if (other !== table && draw.below(3) === 0)
        return `DELETE ${name}, o FROM ${name} JOIN ${other.name} o USING (id) WHERE ${where}`;
      return drawPartial(draw, table, where);
    default:
      return `UPDATE IGNORE ${name} SET c${n} = ${value(n)}, c0 = ${value(0)} WHERE ${where}`;
  }
}

/** A change within JSON values, where the table has some. */
function drawPartial(draw: Draw, { name, columns }: Table, where: string): string {
  const n = columns.findIndex(({ sql }) => sql === 'JSON');
  if (n === -1) return `UPDATE IGNORE ${name} SET c0 = NULL WHERE ${where} AND id < ${draw.below(30)}`;
  const path = draw.one(["'$.a'", "'$.b'", "'$[1]'", "'$.a[0]'", "'$.new'"]);
  const changed = draw.one([
    `JSON_SET(c${n}, ${path}, ${draw.one(['1', "'x'", 'id', "REPEAT('y', 300)"])})`,
    `JSON_REMOVE(c${n}, ${path})`,
    `JSON_REPLACE(c${n}, ${path}, ${draw.below(1000)})`,
  ]);
  return `UPDATE IGNORE ${name} SET c${n} = ${changed} WHERE ${where}`;
}

async function contentOf(connection: Connection, { name, columns }: Table): Promise<readonly string[]> {
  await connection.query("SET time_zone = '+00:00'");
  const values = columns.map(({ form }, n) => storedExpression(form, `c${n}`)).join(', ');
  const [rows] = await connection.query<RowDataPacket[][]>({ sql: `SELECT id, HEX(k), ${values} FROM ${name}`, rowsAsArray: true });
  return rows.map((row) => row.map(String).join(' | ')).toSorted();
}
