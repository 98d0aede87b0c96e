import { describe, expect, it } from 'vitest';
import { orderInMemory } from '../../src/snapshot/key-order.ts';
import type { Key, KeyColumn } from '../../src/snapshot/contract.ts';
import { identityOf, keyOf, readKey, writeKey } from '../../src/snapshot/key-text.ts';

const column = (type: string, isDescending = false): KeyColumn => ({ name: 'k', type, charset: '', collation: '', isDescending });

/** No two of them are the same key. */
const keys: readonly Key[] = [
  [1], [-0], [0], ['1'], [1n], [true], ['true'], [''], ['a'], [Buffer.from('a')], ['a '], ['sa'], ['18446744073709551615'], [18446744073709551615n],
  [Buffer.alloc(0)], [Buffer.from([0, 255])], ['\0'], ['\ud83d'], ['😀'], ['{"$bigint":"1"}'], [0.1], [1e-45], [1.7976931348623157e308],
  ['a', 'b'], ['ab', ''], ['', 'ab'], ['a', 'sb'], ['1:sa'], [1, 2], [12, ''], [1, '2'], [Buffer.from('a'), 'b'], ['a', 'b', 'c'],
]; // prettier-ignore

describe('texts of keys', () => {
  it('two keys have one identity, or one text, only if they are the same in type and value', () => {
    expect(new Set(keys.map(identityOf)).size).toBe(keys.length);
    expect(new Set(keys.map(writeKey)).size).toBe(keys.length);
  });

  it('a key that was written is read again as it was', () => {
    for (const key of keys) {
      const read = readKey(writeKey(key));
      expect(read).toEqual(key);
      expect(identityOf(read ?? [])).toBe(identityOf(key));
      expect(writeKey(read ?? [])).toBe(writeKey(key));
    }
  });

  it('a text that is no key is not read', () => {
    const texts = [
      '',
      '[',
      '{}',
      '[]',
      'null',
      '1',
      '[null]',
      '[[1]]',
      '[{"$binary":"?"}]',
      '[{"$bigint":"x"}]',
      '[{"a":1}]',
      '[{"$number":"NaN"}]',
    ];
    expect(texts.map(readKey)).toEqual(texts.map(() => undefined));
  });

  it('a row without a column of its key is a fault', () => {
    expect(keyOf({ a: 1, k: 'x' }, [column('int')])).toEqual(['x']);
    for (const row of [{}, { k: null }, { k: undefined }]) {
      expect(() => keyOf(row, [column('int')])).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    }
  });
});

describe('order of keys in memory', () => {
  it.each<[string, Key]>([
    ['bigint', ['-9223372036854775808', -1, 0, '9007199254740993', '9223372036854775807']],
    ['decimal(10,2)', ['-10.00', '-2.50', '-2.49', '0.00', '0.10', '9.99', '10.00']],
    ['decimal(10,2)', ['1', '1.01', '1.1', '2.000']],
    ['time', ['-838:59:59', '-00:00:01', '00:00:00', '09:00:00', '100:00:00', '100:00:00.5']],
    [
      'datetime(6)',
      ['0000-00-00 00:00:00.000000', '2024-01-01 00:00:00', '2024-01-01 00:00:00.000001', '9999-12-31 23:59:59.999999'],
    ],
    ["enum('z','a')", ['', 'z', 'a']],
    ["set('z','a')", ['', 'z', 'a', 'z,a']],
    ['varbinary(3)', [Buffer.from([]), Buffer.from([0]), Buffer.from([0, 0]), Buffer.from([127]), Buffer.from([255])]],
    ['bit(9)', [Buffer.from([0, 255]), Buffer.from([1, 0])]],
  ])('%s', (type, values) => {
    const [up, down] = [orderInMemory([column(type)]), orderInMemory([column(type, true)])];
    for (const [i, a] of values.entries()) {
      for (const [j, b] of values.entries()) {
        expect(Math.sign(up?.([a], [b]) ?? Number.NaN), `${String(a)} ${String(b)}`).toBe(Math.sign(i - j));
        expect(Math.sign(down?.([a], [b]) ?? Number.NaN)).toBe(Math.sign(j - i) + 0);
      }
    }
  });

  it('is not known where a collation or the server decides', () => {
    for (const type of ['varchar(5)', 'char(36)', 'text', 'uuid', 'inet4', 'inet6', 'json', 'vector(3)', 'point']) {
      expect(orderInMemory([column('int'), column(type)]), type).toBeUndefined();
    }
  });
});
