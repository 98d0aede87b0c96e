import { describe, expect, it } from 'vitest';
import { CodedError } from '../../src/lib/error.ts';
import { errnoOf, toStoreError } from '../../src/store/errors.ts';

const driverError = (fields: object, message = 'said the server') => Object.assign(new Error(message), fields);

describe("a server's error", () => {
  it.each([
    [1040, 'STORE_UNREACHABLE', 'retry'],
    [1053, 'STORE_UNREACHABLE', 'retry'],
    [1205, 'STORE_TIMEOUT', 'retry'],
    [1213, 'STORE_TIMEOUT', 'retry'],
    [1045, 'STORE_ACCESS_DENIED', 'stop'],
    [1142, 'STORE_ACCESS_DENIED', 'stop'],
    [1836, 'STORE_READ_ONLY', 'stop'],
    [1049, 'STORE_TABLE_MISSING', 'stop'],
    [1146, 'STORE_TABLE_MISSING', 'stop'],
    [1054, 'STORE_COLUMN_UNKNOWN', 'stop'],
    [1062, 'STORE_CONSTRAINT', 'row'],
    [1153, 'STORE_CONSTRAINT', 'row'],
    [3819, 'STORE_CONSTRAINT', 'row'],
    [4025, 'STORE_CONSTRAINT', 'row'],
    [1064, 'STORE_STATEMENT', 'stop'],
  ])('%d is %s, class %s', (errno, code, kind) => {
    expect(toStoreError(driverError({ errno }))).toMatchObject({ code, class: kind, details: { errno } });
  });

  it('1290 is read-only only where it says so', () => {
    const said = (option: string) => `The MySQL server is running with the ${option} option so it cannot execute this statement`;
    expect(toStoreError(driverError({ errno: 1290 }, said('--super-read-only'))).code).toBe('STORE_READ_ONLY');
    expect(toStoreError(driverError({ errno: 1290 }, said('--secure-file-priv'))).code).toBe('STORE_STATEMENT');
  });

  it('a socket error is STORE_UNREACHABLE, whatever negative number it carries', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'PROTOCOL_CONNECTION_LOST']) {
      expect(toStoreError(driverError({ code, errno: -111 }))).toMatchObject({ code: 'STORE_UNREACHABLE', class: 'retry' });
    }
    expect(toStoreError(driverError({ fatal: true }))).toMatchObject({ code: 'STORE_UNREACHABLE' });
  });

  it('says what was done and, for a refused statement, its beginning; never all of it', () => {
    const sql = `SELECT ${'secret '.repeat(1000)}`;
    const error = toStoreError(driverError({ errno: 1064, sql }), { doing: 'Reading t', sql });
    expect(error.message).toMatch(/^Reading t: said the server \[1064\]; statement: SELECT secret .*…$/);
    expect(error.message.length).toBeLessThan(500);
    expect(error.cause).not.toHaveProperty('sql');
    expect(errnoOf(error)).toBe(1064);
  });

  it('is wrapped once', () => {
    const error = new CodedError('STORE_TIMEOUT', 'late');
    expect(toStoreError(error)).toBe(error);
  });
});
