import { describe, expect, test } from 'vitest';
import { parseRedisAddress } from '../../src/connector/redis-address.ts';
import { RedisKey } from '../../src/connector/redis-key.ts';
import type { Row } from '../../src/row/change.ts';
import { readDocument, readField, writeDocument, writeField } from '../../src/connector/redis-value.ts';

function makeKey(key: string, params: Record<string, string> = {}): RedisKey {
  return new RedisKey({ name: 'c', type: 'redis', addrs: '', key, params });
}

describe('the key of a row', () => {
  test.each<[string, string, Record<string, string>, Row, string]>([
    ['a prefix and the primary key', 'stu_score12_avg_', { primary_key: 'stu_id' }, { stu_id: 101 }, 'stu_score12_avg_101'],
    ['id when nothing is said', 'stu:', {}, { id: 'a:b%' }, 'stu:a:b%'],
    ['a template', 'stu:{stu_id}:avg', {}, { stu_id: 101 }, 'stu:101:avg'],
    ['several columns behind a prefix', 'o:', { primary_key: 'shop, id' }, { shop: 'a', id: 7 }, 'o:a:7'],
    ['several columns of a template', '{shop}/{id}', {}, { shop: 'a:b', id: 7 }, 'a:b/7'],
  ])('%s', (_what, key, params, row, expected) => {
    expect(makeKey(key, params).keyOf(row, 'c')).toBe(expected);
  });

  test('two rows never share a key, whatever is in their values', () => {
    const key = makeKey('o:{shop}:{id}-{part}');
    const values = ['', 'a', ':', 'a:', ':a', '-', 'a-', '-a', ':-', '%', '%3a', '%2d', '%25', '3a'];
    const keys = values.flatMap((shop) => values.flatMap((id) => values.map((part) => key.keyOf({ shop, id, part }, 'c'))));
    expect(new Set(keys).size).toBe(values.length ** 3);
  });

  test.each([['{a}{b}'], ['{a}x{b}'], ['{a}%{b}']])('a template in which rows could share a key is CONFIG_INVALID: %s', (key) => {
    expect(() => makeKey(key)).toThrow(/separator/);
  });

  test('a row without a column of its key is STORE_KEY_MISSING of class row', () => {
    expect(() => makeKey('o:', { primary_key: 'shop,id' }).keyOf({ shop: 'a', id: null }, 'c')).toThrow(
      expect.objectContaining({ code: 'STORE_KEY_MISSING', class: 'row' }),
    );
  });
});

describe('an address', () => {
  test.each([
    ['127.0.0.1:6379', { host: '127.0.0.1', port: 6379, user: '', password: '', db: 0, tls: 'off' }],
    ['redis://:p%40ss@h/3', { host: 'h', port: 6379, password: 'p@ss', db: 3, tls: 'off' }],
    ['rediss://me:secret@h:7000', { user: 'me', password: 'secret', port: 7000, db: 0, tls: 'verify' }],
    ['rediss://h?ssl=encrypt', { tls: 'encrypt' }],
    ['redis://[::1]:6380', { host: '::1', port: 6380 }],
  ])('%s', (text, expected) => {
    expect(parseRedisAddress(text, 'c')).toMatchObject(expected);
  });

  test.each([
    [''],
    ['10.0.0.1:6379,10.0.0.2:6379'],
    ['mysql://me:secret@h'],
    ['redis://:secret@h/x'],
    ['redis://:secret@h?ssl=maybe'],
  ])('that is none is CONFIG_INVALID and shows no password: %j', (text) => {
    const parse = (): unknown => parseRedisAddress(text, 'c');
    expect(parse).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(parse).not.toThrow(/secret/);
  });
});

describe('values', () => {
  test('a document keeps types, texts and bytes', () => {
    const row = { n: 76.666_666_666_666_67, s: '007.10', b: Buffer.from([0, 255]), t: true, none: null, deep: { list: [1, 'a'] } };
    expect(readDocument(writeDocument(row))).toEqual(row);
    expect(readDocument(writeDocument({ gone: undefined, big: 9_007_199_254_740_993n, small: 7n }))).toEqual({
      big: '9007199254740993',
      small: 7,
    });
  });

  test.each([['[1]'], ['7'], ['{'], ['null']])('what is no JSON object is no document: %s', (text) => {
    expect(readDocument(text)).toBeUndefined();
  });

  test('a number that is none is ROW_INVALID, in both kinds', () => {
    expect(() => writeDocument({ n: Number.NaN })).toThrow(expect.objectContaining({ code: 'ROW_INVALID', class: 'row' }));
    expect(() => writeField(Number.POSITIVE_INFINITY, 'n')).toThrow(/the field n/i);
  });

  test('a field is a text, and bytes that are no text stay bytes', () => {
    expect(writeField(76.5, 'n')).toBe('76.5');
    expect(writeField(true, 't')).toBe('1');
    expect(readField(Buffer.from('naïve 🙂'))).toBe('naïve 🙂');
    expect(readField(Buffer.from([195, 40]))).toEqual(Buffer.from([195, 40]));
  });
});
