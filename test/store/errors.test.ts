import { describe, expect, it } from 'vitest';
import { CodedError } from '../../src/lib/error.ts';
import { errnoOf, headOf, toStoreError } from '../../src/store/errors.ts';

const driverError = (fields: object, message = 'said the server') => Object.assign(new Error(message), fields);

describe("a server's error", () => {
  it.each([
    [1040, 'STORE_UNREACHABLE', 'retry'],
    [1053, 'STORE_UNREACHABLE', 'retry'],
    [1205, 'STORE_CONFLICT', 'retry'],
    [1213, 'STORE_CONFLICT', 'retry'],
    [1317, 'STORE_TIMEOUT', 'retry'],
    [3024, 'STORE_TIMEOUT', 'retry'],
    [1021, 'STORE_FULL', 'retry'],
    [1114, 'STORE_FULL', 'retry'],
    [1045, 'STORE_ACCESS_DENIED', 'stop'],
    [1142, 'STORE_ACCESS_DENIED', 'stop'],
    [1836, 'STORE_READ_ONLY', 'retry'],
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

  it.each([
    [3, "Error writing file './binlog.000002' (Errcode: 28 - No space left on device)"],
    [1026, 'Error writing file \'t\' (errno: 28 "No space left on device")'],
    [1030, 'Got error 28 from storage engine'],
    [1030, 'Got error 122 - "Disk quota exceeded" from storage engine'],
    [1180, 'Got error 28 "No space left on device" during COMMIT'],
  ])('%d that carries the system’s own error of a full disk is STORE_FULL', (errno, message) => {
    expect(toStoreError(driverError({ errno }, message))).toMatchObject({ code: 'STORE_FULL', class: 'retry' });
    expect(toStoreError(driverError({ errno: 1030 }, 'Got error 168 from storage engine')).code).toBe('STORE_STATEMENT');
  });

  it('names the statement and the table that a session waited for, and none of its values', () => {
    const sql = "INSERT INTO `store`.`orders` (`id`, `note`) VALUES (1, 'secret')";
    expect(toStoreError(driverError({ errno: 1205 }), { sql }).message).toBe(
      'said the server [1205]; statement: INSERT INTO `store`.`orders`',
    );
    expect(headOf("UPDATE `t` SET a = 'secret'")).toBe('UPDATE `t`');
    expect(headOf("DELETE FROM `t`\nWHERE a = 'secret'")).toBe('DELETE FROM `t`');
    expect(headOf('COMMIT')).toBe('COMMIT');
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
