import { describe, expect, it } from 'vitest';
import { flipped, hasChecksums, randomFrom, segments } from './breaking.ts';
import { fuzz, seed } from './fuzz.ts';
import { isRefusal, outcomeOf, recorded, recordings, withChecksum, withSize, type Segment } from './recorded.ts';

const nothing = () => {};

describe(`L3: what the servers sent, broken (seed ${seed}),`, () => {
  it('is read whole where it is whole', async () => {
    for (const name of recordings) {
      const { error, changes } = await outcomeOf(recorded(name), nothing);
      expect(error, name).toBeUndefined();
      expect(changes.length, name).toBeGreaterThan(5);
    }
    for (const { name, head, events } of segments) {
      const { error } = await outcomeOf([...head, ...events], nothing);
      expect(error, name).toBeUndefined();
    }
  });

  it('with a checksum that is not that of its bytes is always refused', async () => {
    const random = randomFrom(seed);
    for (const segment of segments.filter(hasChecksums)) {
      // Events that the dump thread makes have a checksum or none: place-event.test.ts is about those.
      for (const [at, event] of segment.events.entries()) {
        for (let times = 0; times < 4 && event.readUInt32LE(0) > 0; times += 1) {
          const wrong = flipped(event, random);
          const { error } = await outcomeOf([...segment.head, ...segment.events.with(at, wrong)], nothing);
          expect(wrong.equals(event) || isRefusal(error), `${segment.name}, event ${at}`).toBe(true);
        }
      }
    }
  });

  it('and cut at any length is refused, or its bytes were of no use', async () => {
    for (const segment of segments) {
      for (const [at, event] of segment.events.entries()) {
        const step = Math.ceil(event.length / 80);
        for (let length = 0; length < event.length; length += step) await cutTo(segment, at, length);
      }
    }
  });

  it('in any way, with checksums that are right, is refused or read: no other error, no hang, no memory without end', async () => {
    const { refused, read } = await fuzz({ ms: 4000, rounds: 20_000 });
    expect(refused).toBeGreaterThan(500);
    expect(read).toBeGreaterThan(100);
  });
});

/** As it is, with a size that says so, and with a checksum besides. */
async function cutTo(segment: Segment, at: number, length: number): Promise<void> {
  const cut = Buffer.from((segment.events[at] ?? Buffer.alloc(0)).subarray(0, length));
  const forms: Buffer[] = [cut];
  if (length >= 23) forms.push(withSize(Buffer.from(cut)), withChecksum(withSize(Buffer.from(cut))));
  for (const [form, bytes] of forms.entries()) {
    const { error } = await outcomeOf([...segment.head, ...segment.events.with(at, bytes)], nothing);
    const what = `${segment.name}, event ${at}, ${length} bytes, form ${form}`;
    if (form === 0) expect(isRefusal(error), what).toBe(true);
    else if (error !== undefined && !isRefusal(error)) throw new Error(what, { cause: error });
  }
}
