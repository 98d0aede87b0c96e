import { onMysql, type ColumnCase } from './column-case.ts';

/** MySQL documents the bounds: integer types, fixed-point types, floating-point types, BIT. */
const integers: readonly (readonly [name: string, bits: number])[] = [
  ['TINYINT', 8],
  ['SMALLINT', 16],
  ['MEDIUMINT', 24],
  ['INT', 32],
];

function integerCases(): ColumnCase[] {
  return integers.flatMap(([name, bits]): ColumnCase[] => {
    const half = 2 ** (bits - 1);
    return [
      { type: name, sql: name, values: [half - 1, -half, 0, -1, 1].map(String), receives: 'number', form: 'plain' },
      {
        type: `${name} UNSIGNED`,
        sql: `${name} UNSIGNED`,
        values: [2 ** bits - 1, half, 0].map(String),
        receives: 'number',
        form: 'plain',
      },
      {
        type: `${name} UNSIGNED`,
        sql: `${name}(12) ZEROFILL`,
        values: [2 ** bits - 1, 7, 0].map(String),
        receives: 'number',
        form: 'plain',
      },
    ];
  });
}

const bigint: readonly ColumnCase[] = [
  {
    type: 'BIGINT',
    sql: 'BIGINT',
    values: [
      '9007199254740991',
      '9007199254740992',
      '-9007199254740991',
      '-9007199254740992',
      '-9007199254740993',
      '-9007194959773697',
      '-9007194959773696',
      '9223372036854775807',
      '-9223372036854775808',
      '4294967296',
      '-4294967296',
      '-1',
      '0',
    ],
    receives: 'number; beyond ±(2^53 - 1) string',
    remark: 'The digits are exact: a number where a JavaScript number holds it, else its decimal text.',
    form: 'plain',
    example: 7,
  },
  {
    type: 'BIGINT UNSIGNED',
    sql: 'BIGINT UNSIGNED',
    values: ['18446744073709551615', '9223372036854775808', '9007199254740991', '9007199254740992', '0'],
    receives: 'number; beyond 2^53 - 1 string',
    form: 'plain',
  },
  {
    type: 'BIGINT UNSIGNED',
    sql: 'BIGINT(25) ZEROFILL',
    values: ['18446744073709551615', '5'],
    receives: 'number; beyond 2^53 - 1 string',
    form: 'zerofill',
  },
  {
    type: 'BOOL',
    sql: 'BOOL',
    values: ['TRUE', 'FALSE', '-128', '127'],
    receives: 'number',
    form: 'plain',
    remark: 'It is TINYINT(1).',
  },
];

const decimals: readonly ColumnCase[] = [
  ['DECIMAL(1,0)', '9', '-9', '0'],
  ['DECIMAL(10,2)', '12345678.90', '-0.01', '0', '-99999999.99'],
  ['DECIMAL(9,9)', '0.123456789', '-0.000000001', '0'],
  ['DECIMAL(18,9)', '999999999.999999999', '-1.000000001'],
  ['DECIMAL(2,2)', '0.5', '-0.05', '0.99'],
  ['DECIMAL(38,10)', '1234567890123456789012345678.0123456789', '-1e-10', '1e27'],
  ['DECIMAL(30,30)', '0.000000000000000000000000000001', '-0.999999999999999999999999999999', '0'],
  ['DECIMAL(65,0)', '9'.repeat(65), `-${'9'.repeat(65)}`, '0', '1000000000', '999999999'],
  ['DECIMAL(65,30)', `${'9'.repeat(35)}.${'9'.repeat(30)}`, `-${'9'.repeat(35)}.${'9'.repeat(30)}`, '-1e-30', '1', '-1000000000.5'],
].map(([sql = '', ...values]) => ({
  type: 'DECIMAL(p,s)',
  sql,
  values,
  receives: 'string',
  form: 'plain',
  remark:
    'The exact text as the server prints it, with all digits behind the point; of a ZEROFILL column without the zeros in front.',
  example: 0,
}));

const floats: readonly ColumnCase[] = [
  {
    type: 'FLOAT',
    sql: 'FLOAT',
    values: [
      '0.1',
      '-0.3',
      '16777216',
      '16777215',
      '123456.79',
      '3.1415927',
      '1.5',
      '0',
      '1e-45',
      '-1e-45',
      '1.17549435e-38',
      '1e-40',
      '3.402823466e38',
      '-3.402823466e38',
      '1e10',
      '33554436',
      '8388608.5',
      '0.30000001192092896',
      '9.99999e37',
    ],
    receives: 'number',
    form: 'float',
    remark:
      'The number of the fewest digits, six at least, that is that FLOAT: all of them, where a SELECT prints six. `Math.fround(value)` is the double that the server computes with.',
  },
  { type: 'FLOAT', sql: 'FLOAT UNSIGNED', values: ['0.1', '3.402823466e38', '0'], receives: 'number', form: 'float' },
  {
    type: 'FLOAT',
    sql: 'FLOAT(7,3)',
    values: ['1234.567', '-9999.999', '0.001', '-0.0004', '9999.9999'],
    receives: 'number',
    form: 'float',
  },
  {
    type: 'DOUBLE',
    sql: 'DOUBLE',
    values: [
      '76.66666666666667',
      '0.1',
      '0',
      '5e-324',
      '-5e-324',
      '2.2250738585072014e-308',
      '1.7976931348623157e308',
      '-1.7976931348623157e308',
      '9007199254740993e0',
      '9223372036854775807e0',
      '1e22',
      '123456789012345680000e0',
      '9.123456789012345e0',
      '0.000001234567890123456e0',
      '1.2345678901234567e-7',
      '4.35',
      '1e-6',
    ],
    receives: 'number',
    form: 'double',
    remark: 'The same 64 bits: -0 too, which MariaDB does not keep, and all digits of a DOUBLE(M,D).',
  },
  {
    type: 'DOUBLE',
    sql: 'DOUBLE(20,5)',
    values: ['123456789012345.67891', '-0.00001', '999999999999999.99999', '1.005', '4503599627370.12345'],
    receives: 'number',
    form: 'rounded',
  },
  ...['FLOAT', 'DOUBLE'].map((name): ColumnCase => ({
    type: name,
    sql: name,
    values: ['-0e0', '0'],
    receives: 'number',
    form: 'rounded',
    ...onMysql,
    isCrossKind: false,
  })),
];

const bits: readonly ColumnCase[] = [1, 2, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 53, 63, 64].map((size) => ({
  type: 'BIT(n)',
  sql: `BIT(${size})`,
  values: [`b'${'1'.repeat(size)}'`, `b'1${'0'.repeat(size - 1)}'`, "b'0'", "b'1'"],
  receives: 'Uint8Array',
  form: 'plain',
  remark: 'n bits in (n + 7) / 8 bytes, the highest byte first.',
  example: 0,
}));

export const numberCases: readonly ColumnCase[] = [
  ...integerCases(),
  ...bigint,
  ...decimals,
  {
    type: 'DECIMAL(p,s)',
    sql: 'DECIMAL(12,3) ZEROFILL',
    values: ['12.5', '0', '999999999.999'],
    receives: 'string',
    form: 'zerofill',
  },
  ...floats,
  ...bits,
];
