import { decompress } from 'fzstd';
import { describe, expect, it } from 'vitest';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { eventsOfPayload } from '../../src/binlog/payload.ts';
import { unzstd } from '../../src/binlog/zstd/zstd.ts';
import { randomFrom } from './breaking.ts';
import { seed } from './fuzz.ts';
import { recorded } from './recorded.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const PAYLOAD = 40;
const RAW = 0;
const RUN = 1;
const COMPRESSED = 2;

/** A block with its header; of a run, `size` is what it becomes. */
function block(type: number, bytes: readonly number[], { isLast = true, size = bytes.length } = {}): number[] {
  const header = (size << 3) | (type << 1) | (isLast ? 1 : 0);
  return [header & 255, (header >> 8) & 255, (header >> 16) & 255, ...bytes];
}

/** A frame of a window of 1 KB, or of another descriptor. */
const frame = (blocks: readonly number[], window = 0) => Buffer.from([...MAGIC, 0, window, ...blocks]);

const whole = (payload: Buffer, size = 2 ** 20) => Buffer.concat([...unzstd(payload, size)]);

describe('zstd', () => {
  it('raw blocks, runs, several frames, and frames that are to be skipped', () => {
    const one = frame([...block(RAW, [1, 2, 3], { isLast: false }), ...block(RUN, [7], { size: 5 })]);
    const skipped = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]);
    const two = frame(block(RAW, [4]));
    expect([...whole(Buffer.concat([one, skipped, two]))]).toEqual([1, 2, 3, 7, 7, 7, 7, 7, 4]);
  });

  it('what the server compressed becomes what another decoder makes of it', () => {
    const payloads = recorded('mysql').filter((event) => event[4] === PAYLOAD);
    expect(payloads.length).toBeGreaterThan(1);
    for (const event of payloads) {
      const at = event.indexOf(Buffer.from(MAGIC));
      const bytes = event.subarray(at, event.length - 4);
      expect(whole(bytes).equals(Buffer.from(decompress(bytes)))).toBe(true);
    }
  });

  it('L3: what lies about its size or its window, or is of no known kind, is refused', () => {
    const refused = (payload: Buffer, size?: number) => expect(() => whole(payload, size)).toThrow(MalformedEvent);
    refused(frame(block(RUN, [0], { size: 100 })), 99);
    refused(frame(block(RAW, [1, 2, 3])), 2);
    refused(frame(block(RUN, [0], { size: 128 * 1024 + 1 })));
    refused(frame(block(3, [])));
    // A window of 256 MB; a single segment of 2^40 bytes; a reserved bit.
    refused(frame(block(RAW, [1]), 18 << 3));
    refused(Buffer.from([...MAGIC, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, ...block(RAW, [1])]));
    refused(Buffer.from([...MAGIC, 0x08, 0, ...block(RAW, [1])]));
    refused(Buffer.from([1, 2, 3, 4, 5]));
    for (const payload of [frame(block(RAW, [1, 2, 3])), frame(block(RUN, [1], { size: 9 }))]) {
      for (let length = 1; length < payload.length; length += 1) refused(payload.subarray(0, length));
    }
  });

  it('a window is not made before something fills it', () => {
    const before = process.memoryUsage().arrayBuffers;
    // 128 MB each; nothing is let go while they are read.
    const frames = Array.from({ length: 64 }, () => unzstd(frame(block(RAW, [1, 2]), 17 << 3), 1000));
    expect(frames.flatMap((pieces) => [...pieces]).length).toBe(64);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  it('L3: trees and sequences without an end are refused at once', () => {
    // One symbol has all states of the weights' table, so that no bit is ever read.
    const tree = [4, 0xf0, 0x03, 0xff, 0x80];
    const endless = [COMPRESSED | (1 << 4), 0, 1, ...tree];
    const many = [0, 0xff, 0xff, 0xff, 0x54, 35, 31, 52, 0xff, 0xff, 0xff];
    const startedAt = performance.now();
    for (const bytes of [endless, many]) expect(() => whole(frame(block(COMPRESSED, bytes)))).toThrow(MalformedEvent);
    expect(performance.now() - startedAt).toBeLessThan(200);
  });

  it(`L3: a compressed transaction with any bytes changed is refused or read (seed ${seed})`, () => {
    const random = randomFrom(seed);
    const payloads = recorded('mysql').filter((event) => event[4] === PAYLOAD);
    let refused = 0;
    for (let round = 0; round < 5000; round += 1) {
      const event = payloads[round % payloads.length] ?? Buffer.alloc(0);
      const body = Buffer.from(event.subarray(19, event.length - 4));
      for (let times = random(3); times >= 0; times -= 1) body[random(body.length)] = random(256);
      const startedAt = performance.now();
      try {
        for (const inner of eventsOfPayload(body)) expect(inner.length).toBeGreaterThan(18);
      } catch (error) {
        if (!(error instanceof MalformedEvent)) throw error;
        refused += 1;
      }
      expect(performance.now() - startedAt).toBeLessThan(1000);
    }
    expect(refused).toBeGreaterThan(1000);
  });
});
