import { describe, expect, it } from 'vitest';
import { identify, writeKeyLiteral } from '../../src/connector/mysql-key.ts';
import { writeJsonLiteral, writeLiteral } from '../../src/connector/mysql-literal.ts';
import type { ColumnKind, TableColumn } from '../../src/connector/mysql-table.ts';

const column = (kind: ColumnKind, collation = '', scale = 0): TableColumn => ({
  name: 'k',
  sql: '`k`',
  kind,
  scale,
  collation,
  isGenerated: false,
  isInvisible: false,
  isRequired: false,
  isStrictEnum: false,
});

describe('SQL text of a value', () => {
  it.each([
    ['plain', "'plain'"],
    ["it's \\ \0", "'it\\'s \\\\ \\0'"],
    ['😀 é', "'😀 é'"],
    [-1.5e300, '-1.5e+300'],
    [-0, '-0e0'],
    [12345678901234567890n, '12345678901234567890'],
    [true, 'TRUE'],
    [null, 'NULL'],
    [Buffer.from([0, 255]), "x'00ff'"],
    [new Date(Date.UTC(2024, 1, 29, 1, 2, 3, 4)), "'2024-02-29 01:02:03.004'"],
    [{ a: "x'y" }, `'{"a":"x\\'y"}'`],
    [[1, 2n], `'[1,"2"]'`],
  ])('%o is %s', (value, sql) => {
    expect(writeLiteral(value)).toBe(sql);
  });

  it.each([[Number.NaN], [Infinity], [new Date(Number.NaN)], ['half \ud83d'], [Symbol('s')], [() => 1]])(
    '%s is refused',
    (value) => {
      expect(() => writeLiteral(value)).toThrow(expect.objectContaining({ code: 'STORE_CONSTRAINT', class: 'row' }));
    },
  );

  it('a JSON column takes a string as JSON text and everything else as a value', () => {
    expect(['[1]', 5, true, { a: 1 }, null].map(writeJsonLiteral)).toEqual(["'[1]'", "'5'", "'true'", `'{"a":1}'`, 'NULL']);
    const circular: { self?: unknown } = {};
    circular.self = circular;
    for (const value of [circular, { toJSON: () => undefined }]) expect(() => writeJsonLiteral(value)).toThrow(/JSON/);
  });

  it('a key is compared in the type of its column', () => {
    expect(writeKeyLiteral(column('integer'), '9007199254740993')).toBe('9007199254740993');
    expect(writeKeyLiteral(column('integer'), '12abc')).toBe("'12abc'");
    expect(writeKeyLiteral(column('text'), 12)).toBe("'12'");
    expect(writeKeyLiteral(column('decimal'), '1.50')).toBe('1.50');
  });

  it('values that may be one key to the server have one identity, or none', () => {
    const ci = column('text', 'utf8mb4_0900_ai_ci');
    expect(identify(column('integer'), '7')).toBe(identify(column('integer'), 7n));
    expect(identify(ci, 'Ab-1')).toBe(identify(ci, 'aB-1'));
    expect([identify(ci, 'é'), identify(ci, 'a '), identify(ci, ''), identify(column('text', 'utf8mb4_roman_ci'), 'u')]).toEqual(
      Array(4).fill(undefined),
    );
    const bin = column('text', 'utf8mb4_bin');
    expect([identify(bin, 'É'), identify(bin, 'A'), identify(bin, 'a'), identify(bin, 'a ')]).toEqual(['É', 'A', 'a', undefined]);
    expect([identify(column('integer'), '07'), identify(column('integer'), true), identify(column('float'), 1)]).toEqual(
      Array(3).fill(undefined),
    );
    expect([
      identify(column('decimal', '', 2), '1.50'),
      identify(column('decimal', '', 2), '1.5'),
      identify(column('decimal', '', 2), '-0.00'),
    ]).toEqual(['1.50', undefined, undefined]);
    expect([identify(column('datetime'), '2024-01-01 00:00:00'), identify(column('datetime'), '2024-01-01')]).toEqual([
      '2024-01-01 00:00:00',
      undefined,
    ]);
  });
});
