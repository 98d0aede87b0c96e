/**
 * Writes src/binlog/charset/charset-tables.ts and src/binlog/charset/collation-ids.ts from what a MySQL and a MariaDB server say. Run it in
 * the project's folder, where servers can be started (scripts/install-servers.sh), when a server has new character sets:
 *
 *     node --import tsx scripts/charset-tables.ts && npx oxfmt
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { NO_CHARACTER } from '../src/binlog/charset/code-table.ts';
import { iconvTables } from '../src/binlog/charset/multi-byte-text.ts';
import { startSqlServer } from '../src/embedded/sql-server.ts';
import { storedSequences } from '../test/support/charset-sequences.ts';

const folder = join(import.meta.dirname, '..', 'src', 'binlog', 'charset');
const unicodeSets = new Set(['utf8mb3', 'utf8mb4', 'ucs2', 'utf16', 'utf16le', 'utf32', 'binary']);

interface Answers {
  readonly version: string;
  /** By character set, each character's code and Unicode: only those of the basic plane, and of up to three bytes. */
  readonly characters: ReadonlyMap<string, ReadonlyMap<number, number>>;
  readonly collations: ReadonlyMap<number, string>;
}

const mysql = await ask('mysql');
const mariadb = await ask('mariadb');
writeTables();
writeCollations();

async function ask(flavour: 'mysql' | 'mariadb'): Promise<Answers> {
  const server = await startSqlServer({ flavour });
  const { host, port, user, password, version } = server;
  const connection = await createConnection({ host, port, user, password, multipleStatements: true });
  try {
    await connection.query('CREATE DATABASE charsets; USE charsets');
    const characters = new Map<string, ReadonlyMap<number, number>>();
    const [rows] = await connection.query<RowDataPacket[]>('SELECT CHARACTER_SET_NAME name FROM information_schema.CHARACTER_SETS');
    for (const { name } of rows) if (!unicodeSets.has(name)) characters.set(name, await codesOf(connection, name));
    return { version, characters, collations: await collationsOf(connection, flavour) };
  } finally {
    await connection.end();
    await server.stop();
  }
}

async function codesOf(connection: Connection, charset: string): Promise<Map<number, number>> {
  const codes = new Map<number, number>();
  for (const { bytes, text } of await storedSequences(connection, charset)) {
    const isOfTwo = bytes.length === 2 && codes.has(bytes.readUInt8(0));
    if (text?.length === 1 && bytes.length <= 3 && !isOfTwo) codes.set(bytes.readUIntBE(0, bytes.length), text.charCodeAt(0));
  }
  return codes;
}

async function collationsOf(connection: Connection, flavour: string): Promise<Map<number, string>> {
  const table = flavour === 'mysql' ? 'COLLATIONS' : 'COLLATION_CHARACTER_SET_APPLICABILITY';
  const [rows] = await connection.query<RowDataPacket[]>(
    `SELECT ID id, CHARACTER_SET_NAME charset FROM information_schema.${table} WHERE ID IS NOT NULL ORDER BY ID`,
  );
  return new Map(rows.map(({ id, charset }) => [Number(id), String(charset)]));
}

function writeTables(): void {
  const oneByte: string[] = [];
  const multiByte: string[] = [];
  for (const [charset, characters] of [...mariadb.characters, ...mysql.characters].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const other = mariadb.characters.get(charset);
    if (characters === other && mysql.characters.has(charset)) continue;
    const differing = other && [...characters].find(([code, unicode]) => other.get(code) !== unicode);
    if (differing || (other && other.size !== characters.size))
      throw new Error(`the servers differ in ${charset}: ${JSON.stringify(differing)}`);
    const tables = iconvTables(charset);
    if (tables === undefined) {
      const known = new Map(Array.from({ length: 256 }, (_, byte) => [byte, byte]));
      oneByte.push(`  ${charset}: \`${wrapped(corrections(known, characters))}\`,`);
      continue;
    }
    const pairs = new Map([...tables.pairs].map((unicode, code) => [code, unicode]));
    const triples = new Map([...(tables.triples ?? [])].map((unicode, code) => [0x8f0000 + code, unicode]));
    const short = new Map([...characters].filter(([code]) => code <= 0xffff));
    const long = new Map([...characters].filter(([code]) => code > 0xffff));
    multiByte.push(`  ${charset}: {
    pairs: \`${wrapped(corrections(pairs, short))}\`,
    triples: \`${wrapped(corrections(triples, long))}\`,
  },`);
  }
  write(
    'charset-tables.ts',
    `/** Corrections, as code-table.ts reads them, to the bytes' own numbers. */
export const oneByteCorrections: Readonly<Record<string, string>> = {
${oneByte.join('\n')}
};

/** Corrections to the tables of multi-byte-text.ts. */
export const multiByteCorrections: Readonly<Record<string, { readonly pairs: string; readonly triples: string }>> = {
${multiByte.join('\n')}
};
`,
  );
}

/** What `corrected` needs to make `wanted` of `known`. */
function corrections(known: ReadonlyMap<number, number>, wanted: ReadonlyMap<number, number>): string {
  const runs: { first: number; last: number; unicode: number }[] = [];
  for (const [code, before] of known) {
    const unicode = wanted.get(code) ?? NO_CHARACTER;
    if (before === unicode) continue;
    const run = runs.at(-1);
    const isNext =
      run?.last === code - 1 && unicode === (run.unicode === NO_CHARACTER ? NO_CHARACTER : run.unicode + code - run.first);
    if (run && isNext) run.last = code;
    else runs.push({ first: code, last: code, unicode });
  }
  for (const code of wanted.keys()) if (!known.has(code)) throw new Error(`no place for the code ${code.toString(16)}`);
  return runs
    .map(({ first, last, unicode }) => {
      const codes = [...new Set([first, last])].map((code) => code.toString(16)).join('-');
      return unicode === NO_CHARACTER ? codes : `${codes}=${unicode.toString(16)}`;
    })
    .join(' ');
}

function wrapped(text: string): string {
  return text.replace(/(.{1,118})( |$)/g, '\n    $1').trim();
}

function writeCollations(): void {
  const shared = [...mysql.collations].filter(([id, charset]) => mariadb.collations.get(id) === charset);
  const only = ({ collations }: Answers) =>
    [...collations].filter(([id, charset]) => !shared.some(([at, set]) => at === id && set === charset));
  write(
    'collation-ids.ts',
    `/** The numbers of both servers' collations, by character set. */
export const sharedCollations = \`
${idLines(shared)}\`;

/** Those that only MySQL has. */
export const mysqlCollations = \`
${idLines(only(mysql))}\`;

/** Those that only MariaDB has. */
export const mariadbCollations = \`
${idLines(only(mariadb))}\`;
`,
  );
}

function idLines(collations: readonly (readonly [number, string])[]): string {
  const byCharset = new Map<string, number[]>();
  for (const [id, charset] of collations.toSorted(([a], [b]) => a - b))
    byCharset.set(charset, [...(byCharset.get(charset) ?? []), id]);
  return [...byCharset]
    .map(([charset, ids]) => `${charset}: ${ranges(ids)}`)
    .toSorted()
    .join('\n');
}

function ranges(ids: readonly number[]): string {
  const runs: { first: number; last: number }[] = [];
  for (const id of ids) {
    const run = runs.at(-1);
    if (run?.last === id - 1) run.last = id;
    else runs.push({ first: id, last: id });
  }
  return runs.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(' ');
}

function write(name: string, text: string): void {
  const head = `// Written by scripts/charset-tables.ts from MySQL ${mysql.version} and MariaDB ${mariadb.version}.\n\n`;
  writeFileSync(join(folder, name), head + text);
}
