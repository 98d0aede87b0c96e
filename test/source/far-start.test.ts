import { describe, expect, it } from 'vitest';
import { ARTIFICIAL_FLAG, EventType } from '../../src/binlog/event-header.ts';
import { FarStart } from '../../src/source/far-start.ts';

const BODY_AT = 19;

interface EventFields {
  readonly type?: number;
  readonly flags?: number;
  /** Its low 32 bits are what the event has. */
  readonly next?: number;
  readonly body?: Buffer;
}

function eventOf({ type = 2, flags = 0, next = 0, body = Buffer.alloc(0) }: EventFields): Buffer {
  const event = Buffer.concat([Buffer.alloc(BODY_AT), body]);
  event.writeUInt32LE(1000, 0);
  event.writeUInt8(type, 4);
  event.writeUInt32LE(event.length, 9);
  event.writeUInt32LE(next % 2 ** 32, 13);
  event.writeUInt16LE(flags, 17);
  return event;
}

const start = Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('b.000001')]);
const rotate = eventOf({ type: EventType.ROTATE, flags: ARTIFICIAL_FLAG, body: start });
const format = eventOf({ type: EventType.FORMAT_DESCRIPTION, next: 126 });
const far = 5_000_000_000;

describe('a dump that begins behind 4 GiB', () => {
  it('is one from the start of the file, of which the place is changed and what lies before it is left out', () => {
    const dump = new FarStart({ file: 'b.000001', offset: far });
    const rotated = dump.take(rotate);
    expect(rotated?.readBigUInt64LE(BODY_AT)).toBe(BigInt(far));
    expect(rotated?.toString('utf8', BODY_AT + 8)).toBe('b.000001');
    expect(dump.take(format)?.readUInt32LE(13)).toBe(0);
    expect(dump.take(eventOf({ next: 3_000_000_000 }))).toBeUndefined();
    // Nor what the dump thread says of itself on the way.
    expect(dump.take(eventOf({ type: EventType.HEARTBEAT, next: 3_000_000_000 }))).toBeUndefined();
    expect(dump.take(eventOf({ next: far }))).toBeUndefined();
    const first = eventOf({ next: far + 19 });
    expect(dump.take(first)).toBe(first);
    const rotation = eventOf({ type: EventType.ROTATE, next: far + 50, body: start });
    expect(dump.take(rotation)).toBe(rotation);
  });

  it('counts by their sizes events that say no place', () => {
    const dump = new FarStart({ file: 'b.000001', offset: far });
    dump.take(eventOf({ next: 4_000_000_000 }));
    dump.take(eventOf({ next: far - 38 }));
    expect(dump.take(eventOf({}))).toBeUndefined();
    expect(dump.take(eventOf({}))).toBeUndefined();
    expect(dump.take(eventOf({}))).toBeDefined();
  });

  it('L3: is refused where no event begins at the place, and where the file ends before it', () => {
    const over = new FarStart({ file: 'b.000001', offset: far });
    over.take(eventOf({ next: 4_000_000_000 }));
    expect(() => over.take(eventOf({ next: far + 1 }))).toThrow(expect.objectContaining({ code: 'SOURCE_POSITION_INVALID' }));
    const short = new FarStart({ file: 'b.000001', offset: far });
    const rotation = eventOf({ type: EventType.ROTATE, next: 200, body: start });
    expect(() => short.take(rotation)).toThrow(expect.objectContaining({ code: 'SOURCE_POSITION_INVALID' }));
  });
});
