import { describe, expect, it } from 'vitest';
import { planWrites, ShapeCache } from '../../src/connector/mysql-plan.ts';
import type { SaveMode } from '../../src/connector/mysql-shape.ts';
import { buildStatements } from '../../src/connector/mysql-statements.ts';
import type { ColumnKind, TableColumn, TableDefinition } from '../../src/connector/mysql-table.ts';
import { makeChange, type Row } from '../../src/row/change.ts';

const column = (name: string, kind: ColumnKind, more: Partial<TableColumn> = {}): TableColumn => ({
  name,
  sql: `\`${name}\``,
  kind,
  scale: 0,
  collation: kind === 'text' ? 'utf8mb4_general_ci' : '',
  isGenerated: false,
  isInvisible: false,
  isRequired: false,
  isStrictEnum: false,
  ...more,
});

function table(columns: readonly TableColumn[], key: readonly string[], hasSecondaryUnique = false): TableDefinition {
  const primaryKey = columns.filter(({ name }) => key.includes(name));
  return { id: 's.t', sql: '`s`.`t`', columns: new Map(columns.map((each) => [each.name, each])), primaryKey, hasSecondaryUnique };
}

const byNumber = table([column('id', 'integer'), column('a', 'integer'), column('b', 'text')], ['id']);
const byText = table([column('code', 'text'), column('a', 'integer')], ['code']);

async function statements(
  definition: TableDefinition,
  rows: readonly unknown[],
  mode: SaveMode = 'insert',
  maxPacketBytes = 1 << 24,
): Promise<readonly string[]> {
  const writes = await planWrites(new ShapeCache(definition), rows, mode);
  return buildStatements(definition, writes, { mode, dialect: 'values', maxPacketBytes }).map(({ sql }) => sql);
}

/** The same, without the part that all upserts share. */
const upserts = async (definition: TableDefinition, rows: readonly unknown[]): Promise<readonly string[]> =>
  (await statements(definition, rows, 'upsert')).map((sql) => sql.replace(/ ON DUPLICATE.*/, ''));

const change = (before: Row | null, after: Row | null) =>
  makeChange({
    op: before === null ? 'insert' : after === null ? 'delete' : 'update',
    table: 's.x',
    before,
    after,
    key: ['id'],
    position: 'f:1',
    time: 0,
  });

describe('writes of one save', () => {
  it('rows with the same columns share one statement, in whatever order their fields are', async () => {
    expect(
      await statements(
        byNumber,
        [
          { id: 1, a: 2 },
          { a: 3, id: 2 },
        ],
        'upsert',
      ),
    ).toEqual(['INSERT INTO `s`.`t` (`id`,`a`) VALUES (1,2),(2,3) ON DUPLICATE KEY UPDATE `a`=VALUES(`a`)']);
  });

  it('a key is written once: later fields overlay earlier ones', async () => {
    expect(
      await upserts(byNumber, [
        { id: 1, a: 1 },
        { id: '1', b: 'x' },
        { id: 1, a: 2 },
        { id: 2, a: 9 },
      ]),
    ).toEqual(["INSERT INTO `s`.`t` (`id`,`a`,`b`) VALUES (1,2,'x')", 'INSERT INTO `s`.`t` (`id`,`a`) VALUES (2,9)']);
  });

  it('a delete forgets what came before it, and what comes after it starts from nothing', async () => {
    const rows = [
      change(null, { id: 1, a: 1 }),
      change({ id: 1, a: 1 }, null),
      change(null, { id: 1, b: 'x' }),
      change({ id: 2 }, null),
    ];
    expect(await upserts(byNumber, rows)).toEqual([
      'DELETE FROM `s`.`t` WHERE `id` IN (1,2)',
      "INSERT INTO `s`.`t` (`id`,`b`) VALUES (1,'x')",
    ]);
    expect(await upserts(byNumber, rows.slice(0, 2))).toEqual(['DELETE FROM `s`.`t` WHERE `id` IN (1)']);
  });

  it('a changed primary key removes the old row and writes the new one', async () => {
    expect(await upserts(byNumber, [change({ id: 1, a: 1 }, { id: 5, a: 1 })])).toEqual([
      'DELETE FROM `s`.`t` WHERE `id` IN (1)',
      'INSERT INTO `s`.`t` (`id`,`a`) VALUES (5,1)',
    ]);
  });

  it('texts that only the server can compare keep their order', async () => {
    const rows = [change(null, { code: 'a', a: 1 }), change({ code: 'A' }, null), change(null, { code: 'a', a: 2 })];
    expect(await upserts(byText, rows)).toEqual([
      "INSERT INTO `s`.`t` (`code`,`a`) VALUES ('a',1)",
      "DELETE FROM `s`.`t` WHERE `code` IN ('A')",
      "INSERT INTO `s`.`t` (`code`,`a`) VALUES ('a',2)",
    ]);
    expect(
      await upserts(byText, [
        { code: 'é', a: 1 },
        { code: 'x', a: 1 },
        { code: 'e', a: 2 },
      ]),
    ).toEqual(["INSERT INTO `s`.`t` (`code`,`a`) VALUES ('é',1),('x',1),('e',2)"]);
  });

  it('texts that surely differ are merged like numbers', async () => {
    expect(
      await upserts(byText, [
        { code: 'a', a: 1 },
        { code: 'b', a: 1 },
        { code: 'a', a: 2 },
      ]),
    ).toEqual(["INSERT INTO `s`.`t` (`code`,`a`) VALUES ('a',2),('b',1)"]);
  });

  it('with another unique key, rows are written in their order and none is left out', async () => {
    const unique = table([column('id', 'integer'), column('a', 'integer')], ['id'], true);
    expect(
      await upserts(unique, [
        { id: 1, a: 0 },
        { id: 2, a: 1 },
        { id: 1, a: 2 },
      ]),
    ).toEqual(['INSERT INTO `s`.`t` (`id`,`a`) VALUES (1,0),(2,1),(1,2)']);
  });

  it('generated columns and undefined fields are not written; a row that is nothing but its key is', async () => {
    const generated = table([column('id', 'integer'), column('a', 'integer', { isGenerated: true }), column('b', 'text')], ['id']);
    expect(await statements(generated, [{ id: 1, a: 2, b: undefined }], 'upsert')).toEqual([
      'INSERT INTO `s`.`t` (`id`) VALUES (1) ON DUPLICATE KEY UPDATE `id`=`s`.`t`.`id`',
    ]);
  });

  it('mode insert writes every row; mode update writes no new one', async () => {
    expect(
      await statements(
        byNumber,
        [
          { id: 1, a: 1 },
          { id: 1, a: 2 },
        ],
        'insert',
      ),
    ).toEqual(['INSERT INTO `s`.`t` (`id`,`a`) VALUES (1,1),(1,2)']);
    expect(await statements(byNumber, [{ id: 1, a: 1, b: 'x' }, { id: 1 }], 'update')).toEqual([
      "UPDATE `s`.`t` SET `a`=1,`b`='x' WHERE `id`=1",
    ]);
  });

  it('no statement is longer than the server takes, and a row that is too long is refused by itself', async () => {
    const rows = Array.from({ length: 200 }, (_, id) => ({ id, b: '€'.repeat(50) }));
    const made = await statements(byNumber, rows, 'upsert', 2048);
    expect(made.length).toBeGreaterThan(10);
    for (const sql of made) expect(Buffer.byteLength(sql)).toBeLessThan(2048);
    expect(made.join('').match(/€{50}/g)).toHaveLength(200);
    await expect(statements(byNumber, [{ id: 1, b: 'x'.repeat(4000) }], 'upsert', 2048)).rejects.toMatchObject({
      code: 'STORE_CONSTRAINT',
      class: 'row',
    });
  });

  it('what cannot be written is refused before anything is: key, column, row, value', async () => {
    const refused = (rows: readonly unknown[], definition = byNumber): Promise<unknown> =>
      statements(definition, rows, 'upsert').catch((error: unknown) => error);
    expect(await refused([{ a: 1 }])).toMatchObject({ code: 'STORE_KEY_MISSING', class: 'row' });
    expect(await refused([{ id: null, a: 1 }])).toMatchObject({ code: 'STORE_KEY_MISSING', class: 'row' });
    expect(await refused([{ id: 1 }], table([column('id', 'integer')], []))).toMatchObject({
      code: 'STORE_KEY_MISSING',
      class: 'stop',
    });
    expect(await refused([{ id: 1, colour: 1 }])).toMatchObject({
      code: 'STORE_COLUMN_UNKNOWN',
      class: 'stop',
      message: expect.stringContaining('colour'),
    });
    expect(await refused([7])).toMatchObject({ code: 'ROW_INVALID', class: 'row' });
    expect(await refused([{ id: 1, a: Number.NaN }])).toMatchObject({
      code: 'STORE_CONSTRAINT',
      class: 'row',
      details: { key: '1', field: 'a' },
    });
  });

  it('a long save is planned in slices, with other work between them, to the same statements', async () => {
    const rows = Array.from({ length: 3000 }, (_, at) => ({ id: at % 1700, a: at }));
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const made = await upserts(byNumber, rows);
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(4);
    const last = Array.from({ length: 1700 }, (_, id) => `(${id},${id < 1300 ? id + 1700 : id})`);
    expect(made).toEqual([`INSERT INTO \`s\`.\`t\` (\`id\`,\`a\`) VALUES ${last.join(',')}`]);
  });
});
