import { describe, expect, it } from 'vitest';
import { CodedError, describeError } from '../../src/lib/error.ts';
import { maskPasswords } from '../../src/lib/mask.ts';
import { readMysqlAddress } from '../../src/lib/mysql-address.ts';
import { isLoopback } from '../../src/lib/tls.ts';
import { visible, visibleLines } from '../../src/lib/visible.ts';
import { check } from '../../src/cli/check.ts';
import { status } from '../../src/cli/status.ts';
import { formatTable } from '../../src/cli/table.ts';
import { runCommand } from '../cli/run-command.ts';

describe('secrets in texts', () => {
  it.each([
    ['cannot reach mysql://kis:s3cret@db:3306/x now', 'cannot reach mysql://kis:***@db:3306/x now'],
    ['redis://:s3%40cret@h', 'redis://:***@h'],
    ['two: mysql://a:s3cret@h and "rediss://b:s3@cret@h/1"', 'two: mysql://a:***@h and "rediss://b:***@h/1"'],
    ['https://api.example/x?token=s3cret&y=1', 'https://api.example/x?token=***&y=1'],
    ['https://host:8080/a@b', 'https://host:8080/a@b'],
    ['mysql://user@host/db', 'mysql://user@host/db'],
    ['write mysql://user:password@host:3306/db', 'write mysql://user:password@host:3306/db'],
    ['no address', 'no address'],
  ])('%s', (text, masked) => expect(maskPasswords(text)).toBe(masked));

  it('an error and its causes hold no password of an address, whoever wrote them', () => {
    const cause = new Error('connect mysql://u:s3cret@h failed');
    const error = new CodedError('FUNCTION_FAILED', `failed: ${cause.message}`, { cause });
    expect(error.message).toBe('failed: connect mysql://u:***@h failed');
    expect(error.stack).not.toContain('s3cret');
    expect(describeError(error)).not.toContain('s3cret');
    expect(describeError(cause)).not.toContain('s3cret');
  });
});

describe('addresses in the wrong place of a document', () => {
  const files = {
    'conf/x.yml': 'kistype: global\nstore: mysql://u:s3cret@h/db\nredis: redis://:s3cret@h\nstop_deadline: mysql://u:s3cret@h\n',
  };

  it('are quoted without their passwords, by check and by every other command', async () => {
    for (const json of [true, false]) {
      const { code, out } = await runCommand(check, { files, json });
      expect(code).toBe(78);
      expect(out).toContain(':***@h');
      expect(out).not.toContain('s3cret');
    }
    const failure: unknown = await runCommand(status, { files }).catch((error: unknown) => error);
    expect(describeError(failure)).toContain(':***@h');
    expect(describeError(failure)).not.toContain('s3cret');
  });
});

describe('addresses', () => {
  it('what is wrong with one is said without its password', () => {
    const wrong = [
      'mysql://u:12?s3cret&x@h/db',
      'mysql://u:1#s3cret@h/db',
      'mysql://u:s3cret%zz@h/db',
      'mysql://u:s3cret@h:port/db',
      'http://u:s3cret@h/db',
      's3cret',
      'mysql://u:s3cret@h/db?ssl=yes',
      'mysql://u:s3cret@h/db?sslmode=verify',
      'mysql://u:s3cret@h/db?ssl=verify&ssl=off',
      'mysql://u:s3cret@h/db?ssl_ca=/x',
      'mysql://u:s3cret@h/db?ssl=encrypt&ssl_ca=/x',
      'mysql://u:s3cret@h/db?ssl=verify&ssl_cert=/x',
      'mysql://u:s3cret@h/db?ssl_cert=/x&ssl_key=/y',
    ];
    const said = wrong.map(readMysqlAddress);
    expect(said.filter((each) => typeof each !== 'string' || each.includes('s3cret'))).toEqual([]);
    expect(said[7]).toBe('has the unknown parameter sslmode; it takes ssl, ssl_ca, ssl_cert, ssl_key');
  });

  it('percent-encoding is undone in user, password and database', () => {
    expect(readMysqlAddress('mysql://a%40b:p%2Fs%25s%3F@[::1]:3307/d%20b?ssl=verify&ssl_ca=%2Fx%20y')).toEqual({
      host: '::1',
      port: 3307,
      user: 'a@b',
      password: 'p/s%s?',
      database: 'd b',
      tls: 'verify',
      tlsFiles: { ca: '/x y' },
    });
  });

  it('this machine is known by its names', () => {
    expect(['localhost', '127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'].filter((host) => !isLoopback(host))).toEqual([]);
    expect(['127.example.com', '10.0.0.1', 'localhost.example', '0.0.0.0'].filter(isLoopback)).toEqual([]);
  });
});

describe('control characters', () => {
  const evil = 'a\u001b[2Jb\r\nc\u0007\u009bm\u202ed\u007f';

  it('are written out where a terminal would obey them', () => {
    expect(visible(evil)).toBe(String.raw`a\x1b[2Jb\r\nc\x07\u009bm\u202ed\u007f`);
    expect(visibleLines('a\n\tb\r\u001b')).toBe(`a\n\tb${String.raw`\r\x1b`}`);
    expect(visible('Grüße 🎉 名前')).toBe('Grüße 🎉 名前');
  });

  it('a JSON document means the same afterwards', () => {
    const text = JSON.stringify({ evil });
    expect(JSON.parse(visibleLines(text))).toEqual({ evil });
  });

  it('a cell of a table is one line', () => {
    const table = formatTable([{ title: 'name' }, { title: 'value' }], [[evil, 'x\ny']]);
    expect(table.split('\n').length).toBe(2);
    // oxlint-disable-next-line no-control-regex -- none is left
    expect(table).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});
