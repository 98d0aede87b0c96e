import type { Connection, RowDataPacket } from 'mysql2/promise';
import { sqlText, type ColumnCase } from './column-case.ts';

const texts = ['plain', '', 'trailing  ', 'aé中あ한Жשعก😀', '\\\'"\0', 'ẞßıİǅ', '×÷€¥‾～－∥'];

/** Bytes that are characters of some sets, halves of characters of others, and none at all of the rest. */
const raw = [
  Buffer.from(Array.from({ length: 128 }, (_, n) => 0x80 + n)).toString('hex'),
  ...'8181 a2a0 fe50 fa40 8fa1a1 81308130 ffff d800 d83dde00 dc00d800 0041 00410020 0000d83d eda080 c3 5c5c a0a0 8e'.split(' '),
];

/**
 * Sets that have some characters twice: 6 in armscii8, 396 in cp932, 23 in eucjpms, 1 in sjis, 2 in ujis. A server that is given the
 * text writes the code that it prefers.
 */
const twice: ReadonlySet<string> = new Set(['armscii8', 'cp932', 'eucjpms', 'sjis', 'ujis']);

/** Columns of every character set that the server has, and of a binary collation of each. */
export async function charsetCases(connection: Connection): Promise<readonly ColumnCase[]> {
  const [rows] = await connection.query<RowDataPacket[]>(
    "SELECT CHARACTER_SET_NAME name FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary' ORDER BY 1",
  );
  return rows.flatMap((row): ColumnCase[] => {
    const name = String(row['name']);
    const form = twice.has(name) ? 'retold' : 'text';
    const common = { type: 'text', receives: 'string', form } as const;
    const converted = texts.map((text) => `CONVERT(${sqlText(text)} USING ${name})`);
    const bytes = raw.map((hex) => `X'${hex}'`);
    return [
      // Only MySQL has gb18030.
      {
        ...common,
        sql: `VARCHAR(150) CHARACTER SET ${name}`,
        values: converted,
        ...(name === 'gb18030' ? { isCrossKind: false } : {}),
      },
      {
        ...common,
        sql: `CHAR(150) CHARACTER SET ${name} COLLATE ${name}_bin`,
        values: [...converted, ...bytes],
        isCrossKind: false,
      },
      { ...common, sql: `TEXT CHARACTER SET ${name}`, values: bytes, isCrossKind: false },
    ];
  });
}
