import { deflateSync, inflateSync } from 'node:zlib';
import { eventsOfPayload } from '../../src/binlog/payload.ts';
import { recordings, segmentsOf, SIZE_AT, typeOf, withChecksum, withSize, type Segment } from './recorded.ts';

export type Random = (limit: number) => number;

/** Numbers below `limit`, the same for the same seed (mulberry32). */
export function randomFrom(start: number): Random {
  let state = start;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

export const segments: readonly Segment[] = recordings.flatMap(segmentsOf);

/** Whether the events of a segment's file end in checksums. */
export const hasChecksums = (segment: Segment) => !segment.name.includes('plain');

const HEADER_SIZE = 19;
const FORMAT_DESCRIPTION = 15;
/** Of whole events: none of a binlog's are empty, and a number at the edges of its type is met more often than by chance. */
const edges = [0, 1, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff];

/** Some bytes of an event's body changed, more often at its beginning, where the lengths are; now and then cut, grown or spliced. */
function brokenBody(body: Buffer, random: Random): Buffer {
  const other = segments[random(segments.length)]?.events ?? [];
  const donor = other[random(other.length)] ?? body;
  switch (random(12)) {
    case 0:
      return body.subarray(0, random(body.length + 1));
    case 1:
      return Buffer.concat([body, Buffer.alloc(random(40), random(256))]);
    case 2: {
      const at = random(body.length + 1);
      return Buffer.concat([body.subarray(0, at), donor.subarray(HEADER_SIZE + random(donor.length))]);
    }
    case 3: {
      const at = random(body.length + 1);
      return Buffer.concat([body.subarray(0, at), body.subarray(Math.min(body.length, at + 1 + random(8)))]);
    }
    default: {
      const copy = Buffer.from(body);
      for (let times = random(4); times >= 0 && copy.length > 0; times -= 1) {
        const at = random(2) === 0 ? random(Math.min(copy.length, 80)) : random(copy.length);
        const kind = random(3);
        copy[at] = kind === 0 ? (copy[at] ?? 0) ^ (1 << random(8)) : kind === 1 ? (edges[random(edges.length)] ?? 0) : random(256);
      }
      return copy;
    }
  }
}

const PAYLOAD = 40;
/** MariaDB's compressed rows of version 1: 166 inserts, 167 updates, 168 deletes. */
const PACKED_ROWS = [166, 167, 168];

/** What is within a compressed event, broken, and compressed again (or not at all): checksums and compression hide nothing of it. */
function brokenWithin(type: number, body: Buffer, random: Random): Buffer {
  if (type === PAYLOAD) {
    const inner = [...eventsOfPayload(body)];
    const at = random(inner.length);
    const event = inner[at] ?? body;
    const whole = Buffer.concat([event.subarray(0, HEADER_SIZE), brokenBody(event.subarray(HEADER_SIZE), random)]);
    if (random(8) > 0) withSize(whole);
    // Field 2 is the compression, and 255 none; the others may be left out.
    return Buffer.concat([Buffer.from([2, 3, 0xfc, 0xff, 0, 0]), ...inner.with(at, whole)]);
  }
  // Table id and flags (8), how many columns (1), which of them; the part's header and its length (1 or 2 here).
  const bitmap = ((body[8] ?? 0) + 7) >> 3;
  const start = 9 + bitmap * (type === 167 ? 2 : 1);
  const images = inflateSync(body.subarray(start + 1 + ((body[start] ?? 0) & 7)));
  const changed = brokenBody(images, random);
  const size = Buffer.alloc(5, 0x84);
  size.writeUInt32BE(random(8) === 0 ? random(2 ** 32) : changed.length, 1);
  return Buffer.concat([body.subarray(0, start), size, deflateSync(changed)]);
}

/** An event broken so that its size and its checksum are right. */
export function broken(event: Buffer, segment: Segment, random: Random): Buffer {
  const hasChecksum = hasChecksums(segment) || typeOf(event) === FORMAT_DESCRIPTION;
  const end = event.length - (hasChecksum ? 4 : 0);
  const header = Buffer.from(event.subarray(0, HEADER_SIZE));
  if (random(8) === 0) header[random(HEADER_SIZE)] = random(256);
  // Another event of the same kind: a rows event as its old, its new or its compressed form, a statement as a compressed one.
  if (random(8) === 0) header[4] = typeOf(segments[random(segments.length)]?.events[0] ?? event) ^ random(4);
  const whatever = event.subarray(HEADER_SIZE, end);
  const isPacked = typeOf(event) === PAYLOAD || PACKED_ROWS.includes(typeOf(event));
  const body = isPacked && random(2) === 0 ? brokenWithin(typeOf(event), whatever, random) : brokenBody(whatever, random);
  const whole = withSize(Buffer.concat([header, body, Buffer.alloc(hasChecksum ? 4 : 0)]));
  return hasChecksum ? withChecksum(whole) : whole;
}

/** The segment's events with one of them broken, or put elsewhere, doubled, left out, or another transaction's put in its place. */
export function brokenSegment(segment: Segment, random: Random): Buffer[] {
  const events = [...segment.events];
  const at = random(events.length);
  const event = events[at];
  if (event === undefined) return events;
  const others = segments.filter((other) => hasChecksums(other) === hasChecksums(segment));
  const other = others[random(others.length)]?.events ?? events;
  switch (random(14)) {
    case 0:
      events.splice(at, 1);
      break;
    case 1:
      events.splice(at, 0, event);
      break;
    case 2:
      events.splice(at, 1);
      events.splice(random(events.length + 1), 0, event);
      break;
    case 3:
      events[at] = other[random(other.length)] ?? event;
      break;
    case 4: {
      // The maps of two tables, and rows read by the wrong one: as other tables' ids, as the event says.
      const map = other.find((some) => typeOf(some) === 19);
      const own = events.findIndex((some) => typeOf(some) === 19);
      const copy = Buffer.from(map ?? event);
      if (own >= 0 && map !== undefined) {
        events[own]?.copy(copy, HEADER_SIZE, HEADER_SIZE, HEADER_SIZE + 6);
        events[own] = hasChecksums(segment) ? withChecksum(copy) : copy;
      }
      break;
    }
    default:
      events[at] = broken(event, segment, random);
  }
  return events;
}

/** One bit of the event turned over, anywhere; its size and checksum are left as they were. */
export function flipped(event: Buffer, random: Random): Buffer {
  const copy = Buffer.from(event);
  const at = random(copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
  // A wrong size in the header is refused as that, not for its checksum.
  copy.writeUInt32LE(event.readUInt32LE(SIZE_AT), SIZE_AT);
  return copy;
}
