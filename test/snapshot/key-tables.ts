/** Random tables over every kind of key, and how a test reads them. */
import { onEnd } from '../support/cleanup.ts';
import { createDatabase } from '../support/servers.ts';
import type { SqlAddress, SqlFlavour } from '../../src/embedded/server.ts';
import type { Row } from '../../src/row/change.ts';
import { shortestFloat } from '../../src/row/float.ts';
import type { Key, KeyColumn } from '../../src/snapshot/contract.ts';
import { keyOf } from '../../src/snapshot/key-text.ts';
import { keySession } from '../../src/snapshot/key-sql.ts';
import { connectStore } from '../../src/store/connection.ts';
import { parseStoreUrl } from '../../src/store/url.ts';

export type Random = () => number;

/** Texts that collations disagree about, or that SQL could take for something else. */
export const hostileTexts: readonly string[] = [
  '', ' ', '  ', '\t', '\0', 'a', 'A', 'a ', 'a\t', 'a\0', 'a\u0001', 'ab', 'aB ', 'á', 'a\u0301', 'ä', 'æ', 'ae', 'ß', 'ss', 'SS', 'sß',
  "'", "a'", "' OR 1=1 -- ", '\\', "\\'", 'a\\', '"', '`', '%', '_', '中', '中a', '一', 'ｱ', 'ア', 'я', 'Я', 'ñ', 'n\u0303', 'z', 'Z', 'ÿ',
  '\u007f', '-', '0', '10', '9', 'İ', 'ı', 'i', '¢', '\u00a0', '\u200b', 'a\u200b',
  '😀', 'a😀', '𝒜', '\uffff', '\u{10ffff}',
]; // prettier-ignore

const collations: Readonly<Record<SqlFlavour, readonly string[]>> = {
  mysql: ['utf8mb4_0900_ai_ci', 'utf8mb4_0900_as_cs', 'utf8mb4_0900_bin', 'utf8mb4_ja_0900_as_cs', 'utf8mb4_de_pb_0900_ai_ci'],
  mariadb: [
    'utf8mb4_uca1400_ai_ci',
    'utf8mb4_uca1400_nopad_as_cs',
    'utf8mb4_general_nopad_ci',
    'utf8mb4_nopad_bin',
    'latin1_swedish_nopad_ci',
  ],
};

/** One of each family. */
export function collationsOf(flavour: SqlFlavour): readonly string[] {
  return [
    'utf8mb4_general_ci', 'utf8mb4_unicode_ci', 'utf8mb4_unicode_520_ci', 'utf8mb4_bin', 'latin1_swedish_ci', 'latin1_german2_ci', 'latin1_bin', 'gbk_chinese_ci',
    'gbk_bin', 'cp1250_czech_cs', 'ucs2_general_ci', 'utf16_bin', 'utf32_unicode_ci', 'sjis_japanese_ci', 'tis620_thai_ci', 'ascii_general_ci', ...collations[flavour],
  ]; // prettier-ignore
}

interface Kind {
  readonly type: string;
  /** SQL of a value. */
  readonly value: (random: Random) => string;
}

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
export const pick = <T>(random: Random, items: readonly [T, ...(readonly T[])]): T =>
  items[below(random, items.length)] ?? items[0];
const hexOf = (bytes: Uint8Array): string => `X'${Buffer.from(bytes).toString('hex')}'`;
export const sqlText = (text: string): string => `_utf8mb4 ${hexOf(Buffer.from(text))}`;
const bytes = (random: Random, sizeMax: number): Buffer =>
  Buffer.from(Array.from({ length: below(random, sizeMax + 1) }, () => pick(random, [0, 0, 1, 32, 39, 92, 97, 127, 128, 255])));
const two = (number: number): string => String(number).padStart(2, '0');
const clock = (random: Random): string => `${two(below(random, 24))}:${two(below(random, 60))}:${two(below(random, 60))}`;
const day = (random: Random): string =>
  pick(random, [
    '0000-00-00',
    '2024-00-00',
    '2024-02-31',
    '9999-12-31',
    `20${two(below(random, 60))}-0${1 + below(random, 9)}-${two(1 + below(random, 28))}`,
  ]);
const micros = (random: Random): string => String(pick(random, [0, 1, 999_999, below(random, 1_000_000)])).padStart(6, '0');
const whole = (from: bigint, to: bigint) => (random: Random) =>
  String(
    pick(random, [
      from,
      to,
      from + 1n,
      to - 1n,
      from + (to - from) / 2n,
      from + BigInt(below(random, 100)),
      BigInt(below(random, 100)),
    ]),
  );
const text = (random: Random): string =>
  pick(random, [pick(random, ['a', ...hostileTexts]), pick(random, ['a', ...hostileTexts]) + pick(random, ['a', ...hostileTexts])]);

const plainKinds: readonly [Kind, ...Kind[]] = [
  { type: 'tinyint', value: whole(-128n, 127n) },
  { type: 'smallint unsigned', value: whole(0n, 65_535n) },
  { type: 'mediumint zerofill', value: whole(0n, 16_777_215n) },
  { type: 'int', value: whole(-2_147_483_648n, 2_147_483_647n) },
  { type: 'bigint', value: whole(-(2n ** 63n), 2n ** 63n - 1n) },
  { type: 'bigint unsigned', value: whole(0n, 2n ** 64n - 1n) },
  { type: 'decimal(20,3)', value: (r) => `${below(r, 200) - 100}.${pick(r, ['0', '5', '001', '999'])}` },
  { type: 'decimal(65,30)', value: (r) => `${pick(r, ['-', ''])}${pick(r, ['0', '1', '99999999999999999999999999999999999'])}.${pick(r, ['0', `${'0'.repeat(29)}1`])}` },
  { type: 'float', value: (r) => pick(r, ['-0e0', '1e-45', '3.4e38', '0.1', '0.7', '16777217', String(below(r, 1000) / 10 - 50)]) },
  { type: 'double', value: (r) => pick(r, ['-0e0', '1e-307', '1.7976931348623157e308', '0.1e0', '9007199254740993e0', `${random10(r)}e0`]) },
  { type: 'bit(11)', value: (r) => String(below(r, 2048)) },
  { type: 'binary(16)', value: (r) => hexOf(bytes(r, 16)) },
  { type: 'varbinary(20)', value: (r) => hexOf(bytes(r, 6)) },
  { type: 'date', value: (r) => `'${day(r)}'` },
  { type: 'datetime', value: (r) => `'${day(r)} ${clock(r)}'` },
  { type: 'datetime(6)', value: (r) => `'${pick(r, ['2024-01-01 00:00:00', `${day(r)} ${clock(r)}`])}.${micros(r)}'` },
  { type: 'timestamp', value: (r) => `'${pick(r, ['0000-00-00 00:00:00', '1970-01-01 00:00:01', '2038-01-19 03:14:07', `2024-03-31 ${clock(r)}`])}'` },
  { type: 'timestamp(3)', value: (r) => `'2024-10-27 0${below(r, 4)}:30:00.${pick(r, ['000', '001', '999'])}'` },
  { type: 'time', value: (r) => `'${pick(r, ['-', ''])}${pick(r, ['838:59:59', '100:00:00', clock(r)])}'` },
  { type: 'time(6)', value: (r) => `'${pick(r, ['-', ''])}${pick(r, ['00:00:00', '100:00:00', clock(r)])}.${micros(r)}'` },
  { type: 'year', value: (r) => `'${pick(r, ['0000', '1901', '1999', '2000', '2155', `20${two(below(r, 100))}`])}'` },
  { type: "enum('z','it''s','','b\\\\c','a ','ß')", value: (r) => String(1 + below(r, 6)) },
  { type: "set('z','it''s','b','a')", value: (r) => String(below(r, 16)) },
]; // prettier-ignore

function random10(random: Random): number {
  return below(random, 1000) / 10 - 50;
}

const mariadbKinds: readonly Kind[] = [
  { type: 'uuid', value: (r) => `'${Array.from({ length: 32 }, () => below(r, 16).toString(16)).join('')}'` },
  { type: 'inet6', value: (r) => `'${pick(r, ['::', '::1', '::ffff:1.2.3.4', `2001:db8::${below(r, 100)}`])}'` },
  { type: 'inet4', value: (r) => `'${below(r, 256)}.0.0.${below(r, 256)}'` },
];

function kindsOf(flavour: SqlFlavour): readonly [Kind, ...Kind[]] {
  const texts = collationsOf(flavour).flatMap((collation) =>
    ['varchar(20)', 'char(20)'].map((type) => ({
      type: `${type} CHARACTER SET ${collation.split('_', 1)[0]} COLLATE ${collation}`,
      value: (r: Random) => sqlText(text(r)),
    })),
  );
  return [...plainKinds, ...(flavour === 'mariadb' ? mariadbKinds : []), ...texts];
}

export interface KeyTable {
  readonly name: string;
  readonly key: readonly KeyColumn[];
  /** What to select for a key as the contract has it, columns qualified by `kis_t`. */
  readonly columns: string;
  /** Rows' numbers, in the server's own order. */
  readonly ids: readonly number[];
  readonly keys: readonly Key[];
}

export type Ask = (sql: string) => Promise<readonly Row[]>;

/** A session as snapshots have it, but for an sql_mode that the server may force on it. */
export async function openAsk(server: SqlAddress, sqlMode?: string): Promise<Ask> {
  const { url } = await createDatabase(server);
  const connection = await connectStore({
    address: parseStoreUrl(url),
    connectTimeoutMs: 5000,
    statementTimeoutMs: 20_000,
    hasAutocommit: true,
  });
  onEnd(() => connection.close());
  await connection.query(`SET ${keySession.join(', ')}`);
  if (sqlMode !== undefined) await connection.query(`SET sql_mode = CONCAT(@@sql_mode, ',${sqlMode}')`);
  return async (sql) => (await connection.query(sql)).rows;
}

export type Shape = readonly { readonly kind: Kind; readonly isDescending: boolean }[];

/** Deals all kinds out to keys of one to four columns, so that a few tables meet every one. */
export function randomShapes(flavour: SqlFlavour, random: Random): readonly Shape[] {
  const left = kindsOf(flavour)
    .map((kind) => ({ kind, isDescending: random() < 0.3, place: random() }))
    .toSorted((a, b) => a.place - b.place);
  const shapes: Shape[] = [];
  while (left.length > 0) shapes.push(left.splice(0, pick(random, [1, 1, 2, 3, 4])));
  return shapes;
}

/** Makes a table and fills it: few values a column, so that rows share the first columns of their keys. */
export async function makeTable(
  ask: Ask,
  name: string,
  options: { shape: Shape; random: Random; rows: number },
): Promise<KeyTable> {
  const { shape, random, rows } = options;
  const isSingle = shape.length === 1;
  const columns = shape.map(({ kind }, index) => `\`c ${index}\`\`\` ${kind.type} NOT NULL`);
  const primary = shape.map(({ isDescending }, index) => `\`c ${index}\`\`\`${isDescending ? ' DESC' : ''}`);
  await ask(`CREATE TABLE ${name} (${columns.join(', ')}, id INT NOT NULL, PRIMARY KEY (${primary.join(', ')}))`);
  const pools = shape.map(({ kind }) => Array.from({ length: isSingle ? rows : 6 }, () => kind.value(random)));
  const values = Array.from(
    { length: rows },
    (_, id) => `(${pools.map((pool) => pick(random, ['', ...pool]) || pool[0]).join(', ')}, ${id})`,
  );
  await ask(`INSERT IGNORE INTO ${name} VALUES ${values.join(', ')}`);
  const key = await describeKey(
    ask,
    name,
    shape.map(({ isDescending }) => isDescending),
  );
  const select = key
    .map(
      ({ name: column, type }) =>
        `kis_t.\`${column.replaceAll('`', '``')}\`${type.startsWith('float') ? ' + 0e0' : ''} AS \`${column.replaceAll('`', '``')}\``,
    )
    .join(', ');
  const found = await ask(
    `SELECT ${select}, kis_t.id FROM ${name} AS kis_t FORCE INDEX (PRIMARY) ORDER BY ${primary.map((column) => `kis_t.${column}`).join(', ')}`,
  );
  return { name, key, columns: select, ids: found.map(({ id }) => Number(id)), keys: found.map((row) => readKeyRow(row, key)) };
}

export async function describeKey(ask: Ask, name: string, isDescending: readonly boolean[]): Promise<readonly KeyColumn[]> {
  const rows = await ask(
    'SELECT column_name AS name, column_type AS type, character_set_name AS charset, collation_name AS collation FROM information_schema.columns ' +
      `WHERE table_schema = DATABASE() AND table_name = '${name}' AND column_name <> 'id' ORDER BY ordinal_position`,
  );
  return rows.map(({ name: column, type, charset, collation }, index) => ({
    name: String(column),
    type: String(type),
    charset: String(charset ?? ''),
    collation: String(collation ?? ''),
    isDescending: isDescending[index] ?? false,
  }));
}

/** As the contract has values: a ZEROFILL without its zeros, a FLOAT as its shortest number. */
export function readKeyRow(row: Row, key: readonly KeyColumn[]): Key {
  return keyOf(row, key).map((value, index) =>
    key[index]?.type.startsWith('float') && typeof value === 'number' ? shortestFloat(value) : value,
  );
}
