import { describe, expect, it } from 'vitest';
import { maskStatement, mayTouch, readStatement } from '../../src/source/statement.ts';

const wantsShopItem = (schema: string, table: string) => schema === 'shop' && table === 'item';

describe('the kind of a statement', () => {
  it.each([
    ['BEGIN', 'begin'],
    ['START TRANSACTION', 'begin'],
    ['COMMIT', 'commit'],
    ['ROLLBACK', 'rollback'],
    ['SAVEPOINT `s`', 'savepoint'],
    ['ROLLBACK TO `s`', 'rollback-to'],
    ['ROLLBACK TO SAVEPOINT `s`', 'rollback-to'],
    ["XA START X'7831',X'',1", 'xa-start'],
    ["XA END X'7831',X'',1", 'xa-end'],
    ["XA COMMIT X'7831',X'',1", 'xa-commit'],
    ["XA ROLLBACK X'7831',X'',1", 'xa-rollback'],
    ['insert into t values (1)', 'change'],
    ['/* who */ -- why\n /*!50100 UPDATE */ t SET a = 1', 'change'],
    ['# a line\nDELETE FROM t', 'change'],
    ['WITH x AS (SELECT 1) DELETE FROM t', 'change'],
    ['SET STATEMENT max_statement_time = 1 FOR INSERT INTO t VALUES (1)', 'change'],
    ['LOAD DATA INFILE "x" INTO TABLE t', 'change'],
    ['SELECT f()', 'change'],
    ['CREATE TABLE t AS SELECT * FROM u', 'change'],
    ['CREATE TABLE t (`select` INT) START TRANSACTION', 'definition'],
    ['CREATE OR REPLACE VIEW v AS SELECT 1', 'definition'],
    ['TRUNCATE t', 'definition'],
    ['ALTER TABLE t ADD c INT', 'definition'],
    ['FLUSH TABLES', 'other'],
    ['', 'other'],
    ['# Dummy event', 'other'],
  ])('%j is %s', (text, kind) => expect(readStatement(text).kind).toBe(kind));

  it('gives the savepoint’s name and the XA transaction’s id', () => {
    expect(readStatement('SAVEPOINT `a b`').subject).toBe('a b');
    expect(readStatement('ROLLBACK TO `a b`').subject).toBe('a b');
    expect(readStatement("XA COMMIT X'78',X'',1").subject).toBe(readStatement("XA START X'78',X'',1").subject);
  });
});

describe('L3: a statement that may touch a wanted table is found', () => {
  it.each([
    ['insert into item values (1)', 'shop'],
    ['INSERT INTO `item` VALUES (1)', 'shop'],
    ['update shop.item set a = 1', 'other'],
    ['UPDATE `shop` . `item` SET a = 1', 'other'],
    ['DELETE a FROM x.y a JOIN shop.item b', ''],
    ['UPDATE "shop"."item" SET a = 1', ''],
    ['REPLACE INTO/* x */shop.item SELECT 1', ''],
    ['CALL p()', ''],
    ['UPDATE gr\ufffde SET a = 1', 'other'],
    ['UPDATE SHOP.Item SET a = 1', ''],
    ['ANALYZE UPDATE item SET a = 1', 'shop'],
  ])('%j in %j', (text, schema) => expect(mayTouch(text, schema, wantsShopItem)).toBe(true));

  it.each([
    ['insert into item values (1)', 'other'],
    ["insert into log values ('shop.item')", 'shop'],
    ['insert into log values (1) -- item', 'shop'],
    ['update other.item set a = 1', 'shop'],
    ['insert into items values (1)', 'shop'],
    ['insert into items values ("gr\ufffde")', 'shop'],
  ])('and %j in %j is let pass', (text, schema) => expect(mayTouch(text, schema, wantsShopItem)).toBe(false));
});

it('a statement is shown without its literals', () => {
  const shown = maskStatement("INSERT INTO `t` (a) VALUES ('se''cret', 42, \"hidden\", x'ff') /* private */");
  expect(shown).not.toMatch(/secret|se|42|hidden|ff|private/);
  expect(shown).toContain('INSERT INTO `t`');
  expect(maskStatement(`INSERT INTO t VALUES (${'a, '.repeat(500)})`).length).toBeLessThan(220);
});
