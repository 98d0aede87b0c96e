import { describe, expect, it } from 'vitest';
import { mayOn, quoteAccount } from '../../src/cli/check/grants.ts';
import { excessGrants } from '../../src/cli/check/held-grants.ts';

const grants = (...lines: string[]) => ({ account: 'kis@%', lines });

describe('what is more than an account needs', () => {
  const needs = [{ privileges: ['SELECT', 'CREATE'], on: { database: 'kisflow' }, why: '' }];
  const own = 'GRANT SELECT, CREATE, DROP ON `kisflow`.* TO `kis`@`%`';

  it('is told by privilege and place', () => {
    expect(excessGrants(grants(own), needs)).toEqual(['DROP ON `kisflow`.*']);
  });

  it('is not what rebuilds need, of an account that was given the right to make shadows', () => {
    const shadows = 'GRANT SELECT, CREATE, DROP, EVENT ON `kisflow\\_kis\\_%`.* TO `kis`@`%`';
    const rebuilds = [
      { privileges: ['SELECT', 'CREATE', 'DROP'], on: { database: 'kisflow\\_kis\\_%', isPattern: true as const }, why: '' },
      { privileges: ['DROP'], on: { database: 'kisflow' }, why: '' },
    ];
    expect(excessGrants(grants(own), needs, rebuilds)).toEqual(['DROP ON `kisflow`.*']);
    expect(excessGrants(grants(own, shadows), needs, rebuilds)).toEqual(['EVENT ON `kisflow\\_kis\\_%`.*']);
  });
});

describe('what SHOW GRANTS allows', () => {
  it('a right on everything is a right on each database', () => {
    expect(mayOn(grants('GRANT SELECT, INSERT ON *.* TO `kis`@`%`'), 'INSERT', 'shop')).toBe(true);
    expect(mayOn(grants("GRANT ALL PRIVILEGES ON *.* TO `kis`@`%` IDENTIFIED BY PASSWORD '*1'"), 'DELETE', 'shop')).toBe(true);
  });

  it('a right on one database is none on another, nor on all', () => {
    const lines = grants('GRANT USAGE ON *.* TO `kis`@`%`', 'GRANT SELECT ON `shop`.* TO `kis`@`%`');
    expect(mayOn(lines, 'SELECT', 'shop')).toBe(true);
    expect(mayOn(lines, 'SELECT', 'school')).toBe(false);
    expect(mayOn(lines, 'SELECT', '*')).toBe(false);
    expect(mayOn(lines, 'INSERT', 'shop')).toBe(false);
  });

  it('names of databases are patterns, and a backslash takes that from them', () => {
    expect(mayOn(grants('GRANT SELECT ON `shop_%`.* TO `kis`@`%`'), 'SELECT', 'shop_12')).toBe(true);
    expect(mayOn(grants('GRANT SELECT ON `kis\\_flow`.* TO `kis`@`%`'), 'SELECT', 'kis_flow')).toBe(true);
    expect(mayOn(grants('GRANT SELECT ON `kis\\_flow`.* TO `kis`@`%`'), 'SELECT', 'kisxflow')).toBe(false);
  });

  it('with roles, and with rights on single tables or columns, the lines do not say for certain', () => {
    expect(mayOn(grants('GRANT USAGE ON *.* TO `kis`@`%`', 'GRANT `app`@`%` TO `kis`@`%`'), 'SELECT', 'shop')).toBeUndefined();
    expect(mayOn(grants('GRANT SELECT ON `shop`.`orders` TO `kis`@`%`'), 'SELECT', 'shop')).toBeUndefined();
    expect(mayOn(grants('GRANT SELECT (`a`, `b`) ON `shop`.`orders` TO `kis`@`%`'), 'SELECT', 'shop')).toBe(false);
  });

  it('an account is quoted as GRANT takes it', () => {
    expect(quoteAccount("o'neil@10.0.%")).toBe("'o''neil'@'10.0.%'");
  });
});
