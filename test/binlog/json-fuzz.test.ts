import { expect, it } from 'vitest';
import { applyJsonDiffs } from '../../src/binlog/json/json-diff.ts';
import { jsonText } from '../../src/binlog/json/json-text.ts';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { seed } from './json-arbitrary.ts';
import { changes, documents } from './json-samples.ts';

/** No broken document may take longer: a whole one of 66 KB takes less than a millisecond. */
const LONGEST_MS = 1000;

/** Numbers below `limit`, the same for the same seed (mulberry32). */
function randomFrom(start: number): (limit: number) => number {
  let state = start;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** The bytes with some of them changed, more often at the beginning, where the tables are; now and then cut short. */
function broken(bytes: Buffer, random: (limit: number) => number): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = random(4); i >= 0 && copy.length > 0; i--) {
    const at = random(2) === 0 ? random(Math.min(copy.length, 64)) : random(copy.length);
    copy[at] = random(3) === 0 ? (copy[at] ?? 0) ^ (1 << random(8)) : random(256);
  }
  return random(4) === 0 ? copy.subarray(0, random(copy.length + 1)) : copy;
}

/** Runs it, and gives whether it was refused; fails on any other error, and on what takes too long. */
function isRefused(run: () => string, what: string): boolean {
  const startedAt = performance.now();
  try {
    expect(typeof run()).toBe('string');
    return false;
  } catch (error) {
    if (!(error instanceof MalformedEvent)) throw new Error(`${what}: not a MalformedEvent`, { cause: error });
    return true;
  } finally {
    expect(performance.now() - startedAt, what).toBeLessThan(LONGEST_MS);
  }
}

it('broken JSON is refused or read, in bounded time', () => {
  const random = randomFrom(seed);
  let refused = 0;
  for (let round = 0; round < 30_000; round++) {
    const document = documents[round % documents.length] ?? Buffer.alloc(0);
    if (document.length > 10_000 && round % 20 !== 3) continue;
    const bytes = broken(document, random);
    if (isRefused(() => jsonText(bytes, 0, bytes.length), `seed ${seed}, round ${round}`)) refused++;
  }
  expect(refused).toBeGreaterThan(5000);
});

it('broken changes of broken JSON are refused or applied, in bounded time', () => {
  const random = randomFrom(seed);
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const change = changes[round % changes.length];
    if (change === undefined || (change.before.length > 10_000 && round % 20 !== 3)) continue;
    const before = random(2) === 0 ? change.before : broken(change.before, random);
    const diffs = random(3) === 0 ? change.diffs : broken(change.diffs, random);
    if (isRefused(() => applyJsonDiffs({ before, diffs }), `seed ${seed}, round ${round}`)) refused++;
  }
  expect(refused).toBeGreaterThan(3000);
});

it('every truncation of every document is refused', () => {
  for (const document of documents) {
    const step = Math.ceil(document.length / 2000);
    for (let length = 1; length < document.length; length += step) {
      expect(isRefused(() => jsonText(document, 0, length), `${length} bytes`)).toBe(true);
    }
  }
});
