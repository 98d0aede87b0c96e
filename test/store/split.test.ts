import { describe, expect, it } from 'vitest';
import { splitStatements } from '../../src/store/split.ts';

const texts = (file: string): string[] => splitStatements(file).map(({ sql }) => sql);

describe('splitting a migration', () => {
  it('cuts at semicolons and keeps the line on which each statement begins', () => {
    const file = '\uFEFF-- tables\r\n\r\nCREATE TABLE a (i INT);\r\n\r\n  CREATE TABLE b\r\n  (i INT)\r\n;\r\nDROP TABLE a';
    expect(splitStatements(file)).toEqual([
      { sql: 'CREATE TABLE a (i INT)', line: 3 },
      { sql: 'CREATE TABLE b\n  (i INT)', line: 5 },
      { sql: 'DROP TABLE a', line: 8 },
    ]);
  });

  it('never cuts inside a string, a quoted name or a comment', () => {
    const whole = [
      "INSERT INTO a VALUES ('x;y', 'it''s; \\'; ', \"q;\\\"\"\";\")",
      'SELECT `a;b``c;` FROM t',
      'SELECT 1 /* one; two */ + 2 -- three; four\n + 3 # five; six\n + 4',
      'SELECT 1 --2;'.slice(0, -1),
      '/*!50000 SET @a = 1; */',
    ];
    expect(texts(whole.join(';\n'))).toEqual(whole);
  });

  it('leaves out comments between statements and statements that are nothing', () => {
    expect(texts('/* a; b */;\n;;\n# only a remark\n-- and one more\n')).toEqual([]);
    expect(texts('-- before\n/* it */ SELECT 1; -- after')).toEqual(['SELECT 1']);
  });

  it('cuts where a DELIMITER line says, until the next one', () => {
    const trigger = 'CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.i = 1; SET NEW.j = 2; END';
    const file = `SELECT 1;\nDELIMITER $$\n${trigger}$$\nSELECT 2 $$\n  delimiter ;\nSELECT 3;`;
    expect(texts(file)).toEqual(['SELECT 1', trigger, 'SELECT 2', 'SELECT 3']);
  });

  it('gives an unfinished string to the server whole', () => {
    expect(texts("SELECT 1; SELECT 'a; SELECT 2;")).toEqual(['SELECT 1', "SELECT 'a; SELECT 2;"]);
  });
});
