/**
 * What a server itself makes of the bytes that a column of a character set can hold: the truth that the tables of
 * src/binlog are generated from (scripts/charset-tables.ts) and tested against.
 */
import type { Connection, RowDataPacket } from 'mysql2/promise';

/** A byte sequence that the server let into a column whole. */
export interface StoredSequence {
  readonly bytes: Buffer;
  /** The value as a client of utf8mb4 gets it; undefined when that does not stand for these bytes. */
  readonly text: string | undefined;
}

/** The bytes of each place, as ranges (`81-fe`) and lists of them (`00,ff`): the sequences are all their combinations. */
type Product = readonly string[];

const any = '00-ff';
const twoBytes: Product[] = [[any], [any, any]];
const japanese: Product[] = [...twoBytes, ['8f', any, any]];
/** All one- and two-byte sequences, all of three bytes with whole trails, and the edges of four bytes. */
const ofUtf8: Product[] = [...twoBytes, ['e0-ef', '80-bf', '80-bf'], ['f0,f1,f4', '80-bf', '80,bf', '80,bf']];
/** Every unit alone and after a letter, and every high surrogate before a low one. */
const ofUtf16: Product[] = [
  [any, any],
  ['00', '61', any, any],
  ['d8-db', any, 'dc,df', '00,ff'],
];
const ofUtf16le: Product[] = [
  [any, any],
  ['61', '00', any, any],
  [any, 'd8-db', '00,ff', 'dc,df'],
];

const productsOf: Readonly<Record<string, Product[]>> = {
  big5: twoBytes,
  cp932: twoBytes,
  euckr: twoBytes,
  gb2312: twoBytes,
  gbk: twoBytes,
  sjis: twoBytes,
  eucjpms: japanese,
  ujis: japanese,
  // all four-byte sequences of the basic plane, and the edges of the others
  gb18030: [...twoBytes, ['81-84', '30-39', '81-fe', '30-39'], ['85-fe', '30-39', '81,9a,fe', '30,35,36,39']],
  ucs2: ofUtf16,
  utf16: ofUtf16,
  utf16le: ofUtf16le,
  utf32: [
    ['00', '00', any, any],
    ['00', '01-11', any, '00,fe,ff'],
  ],
  utf8mb3: ofUtf8,
  utf8mb4: ofUtf8,
};

/** The sequences of a set's bytes that a column of it stores unchanged. The connection's database is the caller's own. */
export async function storedSequences(connection: Connection, charset: string): Promise<StoredSequence[]> {
  const values = Array.from({ length: 256 }, (_, byte) => `(x'${byte.toString(16).padStart(2, '0')}')`);
  await connection.query(`
    SET sql_mode = '', sql_log_bin = 0;
    DROP TABLE IF EXISTS one_byte, sequence;
    CREATE TABLE one_byte (byte BINARY(1) PRIMARY KEY);
    INSERT INTO one_byte VALUES ${values.join()};
    CREATE TEMPORARY TABLE sequence (bytes VARBINARY(8), value VARCHAR(8) CHARACTER SET ${charset})`);
  for (const product of productsOf[charset] ?? [[any]]) {
    await connection.query(`INSERT IGNORE INTO sequence SELECT bytes, bytes FROM (${combinations(product)}) all_of_them`);
  }
  const [rows] = await connection.query<RowDataPacket[]>({
    sql: `
      SELECT bytes, CAST(CONVERT(value USING utf8mb4) AS BINARY),
        CAST(CONVERT(CONVERT(value USING utf8mb4) USING ${charset}) AS BINARY) = bytes
      FROM sequence WHERE CAST(value AS BINARY) = bytes`,
    rowsAsArray: true,
  });
  return rows.map((row) => ({ bytes: row[0], text: textOf(row[1], row[2] === 1) }));
}

/**
 * Bytes that are no character come as `?` or U+FFFD, and MySQL ends the text at a lone surrogate (here nothing or `a` is left
 * then): none of them lead back to the bytes. MariaDB gives lone surrogates as bytes that are not UTF-8.
 */
function textOf(utf8: Buffer | null, isReversible: boolean): string | undefined {
  const text = utf8?.toString() ?? '';
  if (!utf8?.equals(Buffer.from(text))) return undefined;
  return !isReversible && /^(\?+|\uFFFD|a)?$/.test(text) ? undefined : text;
}

function combinations(product: Product): string {
  const places = product.map((_, place) => `b${place}`);
  const where = product.map((ranges, place) => {
    const either = ranges.split(',').map((range) => {
      const [first, last = first] = range.split('-');
      return `b${place}.byte BETWEEN x'${first}' AND x'${last}'`;
    });
    return `(${either.join(' OR ')})`;
  });
  const tables = places.map((place) => `one_byte ${place}`);
  return `SELECT CONCAT(${places.map((place) => `${place}.byte`).join()}) bytes FROM ${tables.join()} WHERE ${where.join(' AND ')}`;
}
