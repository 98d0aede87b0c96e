import { expect, it } from 'vitest';
import type { Key } from '../../src/snapshot/contract.ts';
import { boundSql, orderByKey, readAreUpTo, selectAreUpTo, whereKey } from '../../src/snapshot/key-sql.ts';
import { eachServer } from '../support/servers.ts';
import { collationsOf, describeKey, hostileTexts, openAsk, readKeyRow, sqlText, type Ask } from './key-tables.ts';

interface Example {
  /** Types of the key's columns; DESC behind one. */
  readonly types: readonly string[];
  /** Their values for the number n. */
  readonly insert: string;
  readonly after: Key;
  readonly upTo: Key;
}

const text = (collation: string) => `varchar(20) CHARACTER SET ${collation.split('_', 1)[0]} COLLATE ${collation}`;
const examples: readonly Example[] = [
  { types: ['int'], insert: 'n', after: [100], upTo: [500] },
  { types: ['int DESC'], insert: 'n', after: [500], upTo: [100] },
  { types: ['int', 'int DESC'], insert: 'n DIV 10, n MOD 10', after: [10, 5], upTo: [50, 7] },
  { types: ['int', 'int', 'int', 'int'], insert: 'n DIV 100, n DIV 10 MOD 10, n MOD 10, n', after: [1, 2, 3, 4], upTo: [5, 7, 1, 1] },
  { types: ['bigint unsigned'], insert: '18446744073709551615 - n', after: ['18446744073709551000'], upTo: ['18446744073709551500'] },
  { types: ['decimal(20,5)'], insert: 'n', after: ['5.00000'], upTo: ['100.50000'] },
  { types: ['float'], insert: 'n / 10', after: [0.1], upTo: [50.3] },
  { types: [text('latin1_swedish_ci'), 'int DESC'], insert: "CONCAT('a', n DIV 100), n", after: ['a1', 5], upTo: ['A4', 7] },
  { types: [text('utf8mb4_unicode_ci')], insert: "CONCAT('a', n)", after: ['a1'], upTo: ['a4'] },
  { types: [text('utf8mb4_bin')], insert: "CONCAT('a', n)", after: ['a1'], upTo: ['a4'] },
  { types: [text('gbk_chinese_ci')], insert: "CONCAT('中', n)", after: ['中1'], upTo: ['中4'] },
  { types: ['binary(16)'], insert: "CONCAT('a', n)", after: [Buffer.from('a1'.padEnd(16, '\0'))], upTo: [Buffer.from('a4'.padEnd(16, '\0'))] },
  { types: ['varbinary(16)'], insert: "CONCAT('a', n)", after: [Buffer.from('a1')], upTo: [Buffer.from('a4')] },
  { types: ['datetime(6)'], insert: "'2020-01-01 01:00:00' + INTERVAL n SECOND", after: ['2020-01-01 01:00:09.000000'], upTo: ['2020-01-01 01:09:00.000000'] },
  { types: ['timestamp'], insert: "'2020-01-01 01:00:00' + INTERVAL n SECOND", after: ['2020-01-01 01:00:09'], upTo: ['2020-01-01 01:09:00'] },
  { types: ['time'], insert: 'SEC_TO_TIME(n * 3600)', after: ['05:00:00'], upTo: ['100:00:00'] },
  { types: ['year', 'int'], insert: '1901 + n DIV 100, n', after: [1902, 150], upTo: [1907, 0] },
  { types: ["enum('z','y','x','w')", 'int'], insert: 'n MOD 4 + 1, n', after: ['z', 100], upTo: ['x', 7] },
  { types: ["set('z','y','x')", 'int'], insert: 'n MOD 8, n', after: ['', 70], upTo: ['y', 7] },
]; // prettier-ignore
const mariadbExamples: readonly Example[] = [
  { types: ['uuid'], insert: "CONCAT('00000000-0000-0000-0000-', LPAD(n, 12, '0'))", after: ['00000000-0000-0000-0000-000000000100'], upTo: ['00000000-0000-0000-0000-000000000500'] },
  { types: ['inet6'], insert: "CONCAT('::', n)", after: ['::100'], upTo: ['::500'] },
  { types: [text('utf8mb4_general_nopad_ci')], insert: "CONCAT('a', n)", after: ['a1'], upTo: ['a4'] },
]; // prettier-ignore

eachServer((flavour, server) => {
  it('a range is read from the index of the key and nothing is sorted', async () => {
    const ask = await openAsk(server);
    for (const [number, example] of [...examples, ...(flavour === 'mariadb' ? mariadbExamples : [])].entries()) {
      const name = `t${number}`;
      const key = await makeExample(ask, name, example);
      for (const range of [{ after: example.after, upTo: example.upTo }, { after: example.after }, { upTo: example.upTo }]) {
        const about = `${example.types.join(', ')} ${Object.keys(range).join(' ')}`;
        const where = whereKey(key, range);
        const [plan] = await ask(
          `EXPLAIN FORMAT=TRADITIONAL SELECT * FROM ${name} FORCE INDEX (PRIMARY) WHERE ${where} ORDER BY ${orderByKey(key)} LIMIT 50`,
        );
        expect({ type: plan?.['type'], key: plan?.['key'], about }).toEqual({ type: 'range', key: 'PRIMARY', about });
        expect(String(plan?.['Extra']), about).not.toMatch(/filesort|temporary/);
        await expectFewReads(ask, { sql: boundSql({ table: name, key, index: 'PRIMARY', rowsMax: 50, ...range }), about });
      }
    }
  });

  it('a key that is not in the table is placed as the column places it, whatever its text is', { timeout: 60_000 }, async () => {
    const ask = await openAsk(server, 'NO_BACKSLASH_ESCAPES');
    for (const [number, collation] of collationsOf(flavour).entries()) {
      const name = `c${number}`;
      await ask(`CREATE TABLE ${name} (c ${text(collation)} NOT NULL, id INT NOT NULL)`);
      await ask(`INSERT IGNORE INTO ${name} VALUES ${hostileTexts.map((value, id) => `(${sqlText(value)}, ${id})`).join(', ')}`);
      const key = await describeKey(ask, name, [false]);
      const keys = (await ask(`SELECT c, id FROM ${name} ORDER BY id`)).map((row) => readKeyRow(row, key));
      const pairs = await ask(
        `SELECT bound.id AS bound, GROUP_CONCAT(t.c <= bound.c ORDER BY t.id SEPARATOR '') AS answer, GROUP_CONCAT(t.c > bound.c ORDER BY t.id SEPARATOR '') AS behind ` +
          `FROM ${name} AS bound JOIN ${name} AS t GROUP BY bound.id ORDER BY bound.id`,
      );
      const places = keys.map((_, place) => place).filter((place) => place % 3 === number % 3);
      for (const place of places) {
        const bound = keys[place] ?? [];
        const about = `${collation} ${JSON.stringify(bound)}`;
        const [row] = await ask(
          `SELECT (${selectAreUpTo(key, keys, bound)}) AS answer, (${behind(name, whereKey(key, { after: bound }))}) AS behind`,
        );
        expect({ about, ...row }).toEqual({ about, answer: pairs[place]?.['answer'], behind: pairs[place]?.['behind'] });
      }
    }
  });

  it('no key gets out of its constant', async () => {
    const ask = await openAsk(server, 'NO_BACKSLASH_ESCAPES');
    const column = { name: 'a`b', type: 'varchar(20)', charset: 'utf8mb4', collation: 'utf8mb4_bin', isDescending: false };
    const typed = (type: string) => [{ name: 'c', type, charset: '', collation: '', isDescending: false }];
    for (const value of ["\\' OR 1=1 -- ", "' OR '", '\\', '\0', "'; DROP TABLE x; --"]) {
      const [row] = await ask(selectAreUpTo([column], [[value], [`${value}~`]], [value]));
      expect(readAreUpTo(row?.['answer'], 2)).toEqual([true, false]);
      for (const type of [
        'int',
        'decimal(5,2)',
        'double',
        'float',
        'date',
        'timestamp',
        'time',
        'year',
        'uuid',
        'inet6',
        "enum('a')",
        'bit(3)',
        'json',
        'binary(2)',
      ]) {
        expect(() => whereKey(typed(type), { after: [value] }), type).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
      }
    }
    expect(() => whereKey([column], { after: [] })).toThrow(/0 values for 1 column/);
    expect(() => readAreUpTo('1', 2)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    expect((await ask(selectAreUpTo([column], [], ['a'])))[0]?.['answer']).toBe('');
  });
});

function behind(table: string, where: string): string {
  return `SELECT GROUP_CONCAT(${where} ORDER BY id SEPARATOR '') FROM ${table}`;
}

async function makeExample(ask: Ask, name: string, { types, insert }: Example) {
  const columns = types.map((type, index) => `c${index} ${type.replace(' DESC', '')} NOT NULL`);
  const primary = types.map((type, index) => `c${index}${type.endsWith(' DESC') ? ' DESC' : ''}`);
  await ask(
    `CREATE TABLE ${name} (${columns.join(', ')}, id VARCHAR(50) NOT NULL DEFAULT 'x', PRIMARY KEY (${primary.join(', ')}))`,
  );
  const names = types.map((_, index) => `c${index}`).join(', ');
  await ask(
    `INSERT INTO ${name} (${names}) WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 600) SELECT ${insert} FROM s`,
  );
  await ask(`ANALYZE TABLE ${name}`);
  return describeKey(
    ask,
    name,
    types.map((type) => type.endsWith(' DESC')),
  );
}

/** A bound of 50 rows reads these, perhaps once more to sort them, and the last of the range, whatever the range holds. */
async function expectFewReads(ask: Ask, { sql, about }: { sql: string; about: string }): Promise<void> {
  const reads = async () => {
    const rows = await ask(
      "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_next', 'Handler_read_prev', 'Handler_read_rnd_next', 'Handler_read_key')",
    );
    return rows.reduce((sum, row) => sum + Number(row['Value']), 0);
  };
  const before = await reads();
  await ask(sql);
  expect((await reads()) - before, about).toBeLessThan(130);
}
