import { crc32 } from 'node:zlib';
import { MalformedEvent } from './malformed.ts';

/**
 * The common header of a binlog event (MySQL internals, "Binary Log Event Header"): 19 bytes. All numbers are little-endian.
 */
export interface EventHeader {
  readonly type: number;
  /** When the event's statement began, in milliseconds since 1970; 0 in artificial events. */
  readonly time: number;
  readonly serverId: number;
  /** The whole event's bytes, header and checksum included. */
  readonly size: number;
  /** The low 32 bits of the offset behind the event; 0 where the server gives none (inside MariaDB's transactions). */
  readonly nextPosition: number;
  readonly flags: number;
}

const HEADER_SIZE = 19;
const CHECKSUM_SIZE = 4;
const SIZE_AT = 9;

export function readEventHeader(event: Buffer): EventHeader {
  if (event.length < HEADER_SIZE) throw new MalformedEvent(`an event of ${event.length} bytes`);
  const size = event.readUInt32LE(SIZE_AT);
  if (size !== event.length) throw new MalformedEvent(`an event of ${event.length} bytes that says it has ${size}`);
  return {
    time: event.readUInt32LE(0) * 1000,
    type: event.readUInt8(4),
    serverId: event.readUInt32LE(5),
    size,
    nextPosition: event.readUInt32LE(13),
    flags: event.readUInt16LE(17),
  };
}

/** An event's body, without its checksum: `hasChecksum` says whether the file's events end in one. Throws where it is wrong. */
export function readBody(event: Buffer, { type, time }: EventHeader, hasChecksum: boolean): Buffer {
  const end = event.length - CHECKSUM_SIZE;
  // Made by the dump thread (its time is 0), with a checksum or without, whatever the events of the file have: it is seen by whether it is
  // right. Where it is wrong, its bytes stand behind the file's name, which is refused then (place-event.ts).
  if (time === 0 && (type === EventType.ROTATE || type === EventType.HEARTBEAT)) {
    return event.subarray(HEADER_SIZE, isIntact(event) ? end : event.length);
  }
  if (!hasChecksum) return event.subarray(HEADER_SIZE);
  checkIntact(event);
  return event.subarray(HEADER_SIZE, end);
}

/** Throws where an event's last four bytes are not the CRC32 of those before them. */
export function checkIntact(event: Buffer): void {
  if (!isIntact(event)) throw new MalformedEvent("the event's checksum is not that of its bytes");
}

/** Whether an event's last four bytes are the CRC32 of those before them. */
export function isIntact(event: Buffer): boolean {
  const end = event.length - CHECKSUM_SIZE;
  if (end < HEADER_SIZE) return false;
  return crc32(event.subarray(0, end)) === event.readUInt32LE(end);
}

const TWO_TO_32 = 2 ** 32;

/** The offset behind an event that begins at `offset`, of which the server gives 32 bits, or none: then its size says it. */
export function offsetBehind(offset: number, { nextPosition, size }: EventHeader): number {
  if (nextPosition === 0) return offset + size;
  const widened = offset - (offset % TWO_TO_32) + nextPosition;
  return widened < offset ? widened + TWO_TO_32 : widened;
}

/** A copy of an event without its checksum. */
export function bareEvent(event: Buffer, body: Buffer): Buffer {
  const bare = Buffer.concat([event.subarray(0, HEADER_SIZE), body]);
  bare.writeUInt32LE(bare.length, SIZE_AT);
  return bare;
}

/** LOG_EVENT_ARTIFICIAL_F: made by the dump thread, not in the file. */
export const ARTIFICIAL_FLAG = 0x20;
/** LOG_EVENT_IGNORABLE_F: a reader that does not know the type may pass it by. */
export const IGNORABLE_FLAG = 0x80;

/** Type codes: MySQL libs/mysql/binlog/event/binlog_event.h, MariaDB sql/log_event.h. */
export const EventType = {
  QUERY: 2,
  STOP: 3,
  ROTATE: 4,
  FORMAT_DESCRIPTION: 15,
  XID: 16,
  EXECUTE_LOAD_QUERY: 18,
  TABLE_MAP: 19,
  INCIDENT: 26,
  HEARTBEAT: 27,
  GTID: 33,
  ANONYMOUS_GTID: 34,
  PREVIOUS_GTIDS: 35,
  XA_PREPARE: 38,
  PARTIAL_UPDATE_ROWS: 39,
  TRANSACTION_PAYLOAD: 40,
  GTID_TAGGED: 42,
  BINLOG_CHECKPOINT: 161,
  MARIADB_GTID: 162,
  MARIADB_GTID_LIST: 163,
  QUERY_COMPRESSED: 165,
} as const;

/**
 * What is done with an event type:
 * take     it says something of a transaction, of the file or of a table;
 * rows     it holds rows, which are read where their table is wanted;
 * move     it holds nothing for us but its end, which is a place between transactions;
 * pass     it holds nothing for us: annotations, session variables of statements, files of LOAD DATA in statement format (the
 *          statement itself follows and is judged), group replication's bookkeeping;
 * refuse   everything else: what is not known is not passed by.
 */
export type EventUse = 'take' | 'rows' | 'move' | 'pass' | 'refuse';

const take = [2, 4, 15, 16, 18, 19, 27, 33, 34, 38, 40, 42, 162, 165];
const rows = [23, 24, 25, 30, 31, 32, 39, 166, 167, 168, 169, 170, 171];
const move = [3, 35, 161, 163];
const pass = [5, 9, 11, 13, 14, 17, 28, 29, 36, 37, 41, 160, 164];

const uses: readonly EventUse[] = Array.from({ length: 256 }, (_, type) => {
  if (take.includes(type)) return 'take';
  if (rows.includes(type)) return 'rows';
  if (move.includes(type)) return 'move';
  return pass.includes(type) ? 'pass' : 'refuse';
});

export function useOfEvent({ type, flags }: EventHeader): EventUse {
  const use = uses[type] ?? 'refuse';
  return use === 'refuse' && (flags & IGNORABLE_FLAG) !== 0 ? 'pass' : use;
}

/** What to say of an event that is refused. */
export function whyRefused(type: number): string {
  return type === EventType.INCIDENT
    ? 'an incident: the server says that it lost events here'
    : `an event of type ${type}, which is not known`;
}
