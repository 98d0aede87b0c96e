import { onMariadb, type ColumnCase } from './column-case.ts';

const digits = [0, 1, 2, 3, 4, 5, 6];

const dates: ColumnCase = {
  type: 'DATE',
  sql: 'DATE',
  values: [
    "'2024-02-29'",
    "'0000-00-00'",
    "'9999-12-31'",
    "'1000-01-01'",
    "'0001-01-01'",
    "'0000-01-01'",
    "'2023-02-31'",
    "'2023-00-00'",
    "'2023-11-00'",
    "'0000-00-31'",
    "'1582-10-10'",
  ],
  receives: 'string',
  form: 'plain',
  remark: 'As the server prints it; zero and invalid dates that a server has kept come as they are, which no Date can hold.',
};

const dateTimes: readonly ColumnCase[] = digits.map((n) => ({
  type: 'DATETIME(n)',
  sql: `DATETIME(${n})`,
  values: [
    "'2024-02-29 23:59:58.123456'",
    "'0000-00-00 00:00:00'",
    "'9999-12-31 23:59:59.000001'",
    "'1000-01-01 00:00:00.5'",
    "'0001-01-01 00:00:00'",
    "'2023-02-31 12:00:00.9'",
    "'2023-00-10 00:00:01'",
    "'0000-01-01 00:00:00.000001'",
    "'2024-03-10 02:30:00'",
    "'1969-12-31 23:59:59.999'",
  ],
  receives: 'string',
  form: 'plain',
  remark: 'As the server prints it, with n digits behind the second.',
  example: 0,
}));

const timestamps: readonly ColumnCase[] = digits.map((n) => ({
  type: 'TIMESTAMP(n)',
  sql: `TIMESTAMP(${n}) NULL DEFAULT NULL`,
  values: [
    "'2024-03-10 02:30:00.987654'",
    "'2024-03-10 03:30:00'",
    "'2024-11-03 01:30:00'",
    "'2024-10-27 02:30:00.25'",
    "'0000-00-00 00:00:00'",
    'FROM_UNIXTIME(1)',
    'FROM_UNIXTIME(2147483647)',
    'FROM_UNIXTIME(2147483647.999999)',
    'FROM_UNIXTIME(951827696.100)',
    'FROM_UNIXTIME(1711846800)',
    'FROM_UNIXTIME(1711850399.9)',
  ],
  receives: 'string',
  form: 'plain',
  remark: "In UTC, whatever the server's or the writer's time zone: `new Date(value.replace(' ', 'T') + 'Z')`.",
  example: 9,
}));

const times: readonly ColumnCase[] = digits.map((n) => ({
  type: 'TIME(n)',
  sql: `TIME(${n})`,
  values: [
    "'26:03:04.5'",
    "'838:59:59'",
    "'-838:59:59'",
    "'00:00:00'",
    "'-00:00:01'",
    "'-00:00:00.5'",
    "'-00:00:00.000001'",
    "'-12:34:56.654321'",
    "'-838:59:58.999999'",
    "'100:00:00.1'",
    "'23:59:59.999999'",
    "'-00:00:01.01'",
    "'-01:00:00'",
    "'-00:59:59.99'",
  ],
  receives: 'string',
  form: 'plain',
  remark: 'From -838:59:59 to 838:59:59, with n digits behind the second.',
  example: 0,
}));

export const timeCases: readonly ColumnCase[] = [
  dates,
  ...dateTimes,
  ...timestamps,
  ...times,
  {
    type: 'TIMESTAMP(n)',
    sql: 'TIMESTAMP(6) NULL',
    values: ['FROM_UNIXTIME(0.5)'],
    receives: 'string',
    form: 'plain',
    ...onMariadb,
    isCrossKind: false,
  },
  {
    type: 'YEAR',
    sql: 'YEAR',
    values: ['2024', '1901', '2155', '0', "'0000'", "'0'", '70', '69'],
    receives: 'number',
    form: 'plain',
  },
  { type: 'YEAR', sql: 'YEAR(2)', values: ['24', '70', '69', '99'], receives: 'number', form: 'year2', ...onMariadb },
];
