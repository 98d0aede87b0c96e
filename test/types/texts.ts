import { onMariadb, onMysql, sqlText, type ColumnCase } from './column-case.ts';

const all256 = `X'${Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('hex')}'`;
const lengths = ['0', '1', '255', '256', '65535', '65536'];

const textValues = [
  sqlText('it\'s \\ a "text" 😀 é 中'),
  "''",
  "' '",
  sqlText('trailing  '),
  sqlText('\0a\0'),
  sqlText('\n\r\t\u001a%_'),
  sqlText('\\'),
  sqlText("'"),
  sqlText('\u2028\ufeff\u0000'),
  sqlText('?'),
  sqlText('🏳️‍🌈'.repeat(3)),
];

const remark =
  'Text; of CHAR without the spaces at its end, as a SELECT gives it. Bytes that are no characters of the column’s set come as they are, as a Uint8Array (see below).';

const types: readonly ColumnCase[] = [
  { type: 'CHAR(n)', sql: 'CHAR(60) CHARACTER SET utf8mb4', values: textValues, receives: 'string', form: 'text', remark },
  {
    type: 'CHAR(n)',
    sql: 'CHAR(255) CHARACTER SET utf8mb4',
    values: [sqlText('😀'.repeat(255)), "''"],
    receives: 'string',
    form: 'text',
  },
  { type: 'CHAR(n)', sql: 'CHAR(0)', values: ["''"], receives: 'string', form: 'text' },
  {
    type: 'CHAR(n)',
    sql: 'CHAR(10) CHARACTER SET latin1',
    values: ["X'00'", "X'6100'", "X'ff20'", "X'800920'"],
    receives: 'string',
    form: 'text',
  },
  { type: 'VARCHAR(n)', sql: 'VARCHAR(60) CHARACTER SET utf8mb4', values: textValues, receives: 'string', form: 'text' },
  {
    type: 'VARCHAR(n)',
    sql: 'VARCHAR(16000)',
    values: [sqlText('😀'.repeat(16_000)), "REPEAT('a', 255)", "REPEAT('a', 256)"],
    receives: 'string',
    form: 'text',
  },
  {
    type: 'VARCHAR(n)',
    sql: 'VARCHAR(63) COLLATE utf8mb4_bin',
    values: [...textValues, "REPEAT('x', 63)"],
    receives: 'string',
    form: 'text',
  },
  { type: 'TINYTEXT', sql: 'TINYTEXT', values: [...textValues, "REPEAT('x', 255)"], receives: 'string', form: 'text' },
  {
    type: 'TEXT',
    sql: 'TEXT',
    values: [...textValues, "REPEAT('x', 65535)", "REPEAT('y ', 128)"],
    receives: 'string',
    form: 'text',
  },
  { type: 'MEDIUMTEXT', sql: 'MEDIUMTEXT', values: [...textValues, "REPEAT('x', 65536)"], receives: 'string', form: 'text' },
  { type: 'LONGTEXT', sql: 'LONGTEXT', values: [...textValues, "REPEAT('x', 200000)"], receives: 'string', form: 'text' },
];

const byteValues = [all256, "''", "X'00'", "X'6100'", "X'610000'", "X'20'", "X'ff'", "X'275c00'"];

const binaries: readonly ColumnCase[] = [
  {
    type: 'BINARY(n)',
    sql: 'BINARY(4)',
    values: ["X'61620000'", "X'00000000'", "X'ffffffff'", "X'61'", "''", "X'20202020'"],
    receives: 'Uint8Array',
    form: 'bytes',
    remark: 'Always n bytes.',
  },
  { type: 'BINARY(n)', sql: 'BINARY(255)', values: ["X'00'", "REPEAT(X'ff', 255)"], receives: 'Uint8Array', form: 'bytes' },
  {
    type: 'BINARY(n)',
    sql: 'BINARY(16)',
    values: ["X'00112233445566778899aabbccddeeff'", "X'00'"],
    receives: 'Uint8Array',
    form: 'bytes',
  },
  { type: 'BINARY(n)', sql: 'BINARY(0)', values: ["''"], receives: 'Uint8Array', form: 'bytes' },
  {
    type: 'VARBINARY(n)',
    sql: 'VARBINARY(255)',
    values: ["X'00ff275c'", ...byteValues.slice(1), "REPEAT(X'00', 255)"],
    receives: 'Uint8Array',
    form: 'bytes',
  },
  {
    type: 'VARBINARY(n)',
    sql: 'VARBINARY(65000)',
    values: [...byteValues, "REPEAT(X'00', 255)", "REPEAT(X'01', 256)"],
    receives: 'Uint8Array',
    form: 'bytes',
  },
  {
    type: 'TINYBLOB',
    sql: 'TINYBLOB',
    values: ["X'00ff'", ...byteValues.slice(1), "REPEAT('x', 255)"],
    receives: 'Uint8Array',
    form: 'bytes',
  },
  {
    type: 'BLOB',
    sql: 'BLOB',
    values: ["X'00ff'", ...byteValues, ...lengths.slice(0, 5).map((n) => `REPEAT(X'a7', ${n})`)],
    receives: 'Uint8Array',
    form: 'bytes',
  },
  {
    type: 'MEDIUMBLOB',
    sql: 'MEDIUMBLOB',
    values: ["X'00ff'", ...byteValues, ...lengths.map((n) => `REPEAT(X'00', ${n})`)],
    receives: 'Uint8Array',
    form: 'bytes',
  },
  {
    type: 'LONGBLOB',
    sql: 'LONGBLOB',
    values: ["X'00ff'", ...byteValues, ...lengths.map((n) => `REPEAT(X'27', ${n})`)],
    receives: 'Uint8Array',
    form: 'bytes',
  },
];

const hostile = "ENUM('a,b', 'it''s', 'b\\\\c', 'new\nline', '', '\"', '0', '1', 'ß', 'A')";

const lists: readonly ColumnCase[] = [
  {
    type: 'ENUM',
    sql: hostile,
    values: ['3', '1', '2', '4', '5', '6', "'0'", "'1'", '9', '10'],
    receives: 'string',
    form: 'enum',
    remark:
      'The value’s text. The empty value that a lenient server keeps for a text that is none of them is the empty text, as in a SELECT.',
  },
  { type: 'ENUM', sql: "ENUM('a', 'b')", values: ["'b'", "'none'", '0', "''"], receives: 'string', form: 'enum' },
  { type: 'ENUM', sql: "ENUM('a', 'b') NOT NULL", values: ["'b'", "'none'"], receives: 'string', form: 'enum' },
  {
    type: 'ENUM',
    sql: "ENUM('é', 'ü', 'plain') CHARACTER SET latin1",
    values: ['1', '2', '3', '0'],
    receives: 'string',
    form: 'enum',
  },
  {
    type: 'ENUM',
    sql: "ENUM('中', '文\\\\', 'plain') CHARACTER SET gbk",
    values: ['1', '2', '3'],
    receives: 'string',
    form: 'enum',
  },
  { type: 'ENUM', sql: "ENUM('x', 'y') CHARACTER SET utf16", values: ['1', '2'], receives: 'string', form: 'enum' },
  {
    type: 'ENUM',
    sql: `ENUM(${Array.from({ length: 300 }, (_, n) => `'v${n}'`).join(',')})`,
    values: ['1', '255', '256', '300', '0'],
    receives: 'string',
    form: 'enum',
  },
  {
    type: 'SET',
    sql: "SET('a', 'it''s', 'b\\\\c', 'new\nline', '\"', 'ü')",
    values: ['63', '0', '2', "'it''s,a'", '32', '12'],
    receives: 'string',
    form: 'enum',
    remark: 'The texts, joined by commas in the order of the definition; the empty set is the empty text.',
  },
  { type: 'SET', sql: "SET('é', 'ü', 'ß') CHARACTER SET latin1", values: ['7', '1', '6'], receives: 'string', form: 'enum' },
  { type: 'SET', sql: "SET('中', '文') CHARACTER SET gbk", values: ['3', '1', '2'], receives: 'string', form: 'enum' },
  {
    type: 'SET',
    sql: `SET(${Array.from({ length: 64 }, (_, n) => `'m${n}'`).join(',')})`,
    values: ['18446744073709551615', '9223372036854775808', '1', '0', '4294967296'],
    receives: 'string',
    form: 'enum',
  },
  {
    type: 'SET',
    sql: `SET(${Array.from({ length: 33 }, (_, n) => `'m${n}'`).join(',')})`,
    values: ['8589934591', '4294967296', '0'],
    receives: 'string',
    form: 'enum',
  },
  {
    type: 'ENUM and SET of CHARACTER SET binary',
    sql: "ENUM('a', 'é') CHARACTER SET binary",
    values: ['1', '2'],
    receives: 'Uint8Array',
    form: 'bytes',
  },
  {
    type: 'ENUM and SET of CHARACTER SET binary',
    sql: "SET('a', 'é') CHARACTER SET binary",
    values: ['1', '2', '3', '0'],
    receives: 'Uint8Array',
    form: 'bytes',
  },
];

const compressed: readonly ColumnCase[] = [
  ['VARCHAR(100) COMPRESSED', 'text'],
  ['VARCHAR(2000) COMPRESSED', 'text'],
  ['TEXT COMPRESSED', 'text'],
  ['LONGTEXT COMPRESSED CHARACTER SET latin1', 'text'],
  ['VARBINARY(255) COMPRESSED', 'bytes'],
  ['VARBINARY(1000) COMPRESSED', 'bytes'],
  ['BLOB COMPRESSED', 'bytes'],
  ['TINYBLOB COMPRESSED', 'bytes'],
  ['MEDIUMBLOB COMPRESSED', 'bytes'],
].map(([sql = '', form]) => ({
  type: form === 'text' ? 'VARCHAR and TEXT, COMPRESSED' : 'VARBINARY and BLOB, COMPRESSED',
  sql,
  values: ["'short'", "''", "REPEAT('x', 90)", "REPEAT('ab', 127)", "X'00'", "REPEAT('compressible ', 70)"],
  receives: form === 'text' ? 'string' : 'Uint8Array',
  form: form === 'text' ? ('text' as const) : ('bytes' as const),
  ...onMariadb,
  isCrossKind: false,
}));

export const textCases: readonly ColumnCase[] = [...types, ...binaries, ...lists, ...compressed];

const jsonValues = [
  `'{"b": 1, "a": [1, 2.5, null, true, "x"], "": {}}'`,
  `'9007199254740993'`,
  `'18446744073709551615'`,
  `'-9223372036854775808'`,
  `'18446744073709551616'`,
  `'1.0'`,
  `'1e100'`,
  `'-0.0'`,
  `'0.1'`,
  `'1.7976931348623157e308'`,
  `'5e-324'`,
  `'"text"'`,
  `'null'`,
  `'[]'`,
  `'{}'`,
  `'false'`,
  sqlText(String.raw`{"esc": "\"\\\/\b\f\n\r\t\u0001\u00e9\ud83d\ude00", "k\"": "it's"}`),
  sqlText('["😀", "é", "\u2028"]'),
  `'[[[[[[[[[[1]]]]]]]]]]'`,
  `CONCAT('[', REPEAT('"0123456789",', 8000), '1]')`,
];

export const jsonCases: readonly ColumnCase[] = [
  {
    type: 'JSON',
    sql: 'JSON',
    values: [
      ...jsonValues,
      "JSON_OBJECT('t', CAST('2024-01-02 03:04:05.678' AS DATETIME(6)), 'd', CAST('2024-01-02' AS DATE), 'x', CAST('-12:00:00.5' AS TIME(6)))",
      "JSON_ARRAY(CAST(0 AS DECIMAL), X'00ff', 1e0/3)",
    ],
    receives: 'string',
    form: 'json',
    remark:
      'The JSON text as the server prints it, MariaDB as it was written; `JSON.parse` gives the value, without the digits beyond 2^53. Written back, a DECIMAL within becomes a DOUBLE and a date within a string: JSON text has no word for them.',
    ...onMysql,
    isCrossKind: false,
  },
  {
    type: 'JSON',
    sql: 'JSON',
    values: ["JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST('12345678901234567890.123456789' AS DECIMAL(40,9)))"],
    receives: 'string',
    form: 'json',
    ...onMysql,
    isMirrored: false,
  },
  { type: 'JSON', sql: 'JSON', values: jsonValues, receives: 'string', form: 'text', ...onMariadb, isCrossKind: false },
];
