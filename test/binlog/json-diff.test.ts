import { describe, expect, it } from 'vitest';
import { applyJsonDiffs } from '../../src/binlog/json/json-diff.ts';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { changes, documents } from './json-samples.ts';

/** A string shorter than 128 bytes as binary JSON. */
const jsonString = (text: string) => Buffer.from([12, text.length, ...Buffer.from(text)]);

type Change = readonly ['replace' | 'insert' | 'remove', path: string, value?: Buffer];

function diffsOf(...all: readonly Change[]): Buffer {
  return Buffer.concat(
    all.map(([operation, path, value]) => {
      const head = Buffer.from([{ replace: 0, insert: 1, remove: 2 }[operation], path.length, ...Buffer.from(path, 'latin1')]);
      return value === undefined ? head : Buffer.concat([head, Buffer.from([value.length]), value]);
    }),
  );
}

/** Arrays within arrays, with an object in the innermost: 'no changes' below prints it. */
const [, , nested = Buffer.alloc(0)] = documents;
const x = jsonString('x');
const apply = (...all: readonly Change[]) => applyJsonDiffs({ before: nested, diffs: diffsOf(...all) });
const é = 'é'.repeat(70);

describe('changes of parts of JSON values', () => {
  it('the changes that a server logged give what it printed', () => {
    const texts = changes.map((change) => applyJsonDiffs(change));
    expect(texts[0]).toContain('"city": "Bonn"');
    expect(texts[1]).toBe(
      '{"id": 17, "new": [1, 2], "paid": false, "email": "c17@example.com", "lines": [{"sku": "A-17", "price": 9.99}, ' +
        '{"qty": 1, "sku": "B-7", "price": 120}, {"sku": "C"}], "total": 1251.5, "address": {"city": "Bonn", "street": "Main Street 5", ' +
        '"country": null}, "customer": "customer 17"}',
    );
    expect(texts[2]?.slice(0, 44)).toBe('{"a": "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz');
    expect(texts[2]?.slice(-38)).toBe('zzz", "k": 1, "o": {"x": 1, "y z": 2}}');
  });

  it('no changes leave the value as it is', () => {
    expect(apply()).toBe(`[[[[[[1, -70000, {"": {}, "k": []}]]]], "${é}", true, false, null, 3000000000]]`);
    expect(applyJsonDiffs({ before: Buffer.alloc(0), diffs: Buffer.alloc(0) })).toBe('null');
  });

  it('a new member comes where MySQL has it: by its length, then by its bytes', () => {
    const path = '$[0][0][0][0][0][2]';
    const names = ['aa', 'l', '"2"', '__proto__', '"10"', 'j'];
    const text = apply(...names.map((name) => ['insert', `${path}.${name}`, x] as const));
    expect(text).toContain('{"": {}, "2": "x", "j": "x", "k": [], "l": "x", "10": "x", "aa": "x", "__proto__": "x"}');
  });

  it('elements move when one is inserted or removed, and one behind the last is appended', () => {
    const deep = '$[0][0][0][0][0]';
    const text = apply(
      ['insert', `${deep}[0]`, x],
      ['remove', `${deep}[2]`],
      ['insert', `${deep}[99]`, jsonString('end')],
      ['replace', `${deep}[last-1]`, jsonString('mid')],
      ['remove', '$[0][last]'],
    );
    expect(text).toBe(`[[[[[["x", 1, "mid", "end"]]]], "${é}", true, false, null]]`);
  });

  it('changes that do not fit the value before are refused', () => {
    const wrong: readonly Change[] = [
      ['replace', '$', x],
      ['replace', '$.a', x],
      ['replace', '$[1]', x],
      ['remove', '$[0][99]'],
      ['remove', '$[0][last-99]'],
      ['insert', '$[0][1].a', x],
      ['insert', '$[0][0][0][0][0][2].k', x],
      ['insert', '$[9][0]', x],
      ['remove', '$[0][0][0][0][0][2].none'],
    ];
    for (const change of wrong) expect(() => apply(change), change[1]).toThrow(MalformedEvent);
    expect(() => applyJsonDiffs({ before: Buffer.alloc(0), diffs: diffsOf(['replace', '$.a', x]) })).toThrow(MalformedEvent);
  });

  it('bytes that are no changes are refused', () => {
    const paths = ['', 'a', '$.', '$[', '$[x]', '$[1', '$."a', '$.*', '$[*]', '$**.a', '$."\\x"', '$[99999999999]'];
    for (const path of paths) expect(() => apply(['replace', path, x]), path).toThrow(MalformedEvent);
    const bytes = [
      [3, 1, 0x24],
      [0],
      [0, 251],
      [0, 255],
      [0, 252, 1],
      [0, 254, 255, 255, 255, 255, 255, 255, 255, 255],
      [2, 4, 0x24],
      [0, 4, 0x24, 0x5b, 0x30, 0x5d],
    ];
    for (const diffs of bytes)
      expect(() => applyJsonDiffs({ before: nested, diffs: Buffer.from(diffs) }), diffs.join()).toThrow(MalformedEvent);
  });

  it('a path of many megabytes is refused like any other that is none', () => {
    for (const unit of ['a', '\\', ' ', '"']) {
      const path = Buffer.from(`$."${unit.repeat(20_000_001)}`);
      const length = Buffer.alloc(9, 254);
      length.writeBigUInt64LE(BigInt(path.length), 1);
      const diffs = Buffer.concat([Buffer.from([2]), length, path]);
      expect(() => applyJsonDiffs({ before: nested, diffs }), unit).toThrow(MalformedEvent);
    }
  });
});
