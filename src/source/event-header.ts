import { crc32 } from 'node:zlib';

/**
 * The common header of a binlog event (MySQL internals, "Binary Log Event Header"): 19 bytes behind the packet's marker byte.
 * All numbers are little-endian.
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

/** A packet of mysql2 that holds one event. */
export interface EventPacket {
  readonly buffer: Buffer;
  /** Of the marker byte. */
  readonly offset: number;
  /** Behind the last byte. */
  readonly end: number;
}

/** Offset of the event's body from the packet's marker byte. */
export const BODY = 20;

export function readEventHeader({ buffer, offset }: EventPacket): EventHeader {
  return {
    time: buffer.readUInt32LE(offset + 1) * 1000,
    type: buffer.readUInt8(offset + 5),
    serverId: buffer.readUInt32LE(offset + 6),
    size: buffer.readUInt32LE(offset + 10),
    nextPosition: buffer.readUInt32LE(offset + 14),
    flags: buffer.readUInt16LE(offset + 18),
  };
}

/** LOG_EVENT_ARTIFICIAL_F: made by the dump thread, not in the file. */
export const ARTIFICIAL_FLAG = 0x20;
/** LOG_EVENT_IGNORABLE_F: a reader that does not know the type may pass it by. */
const IGNORABLE_FLAG = 0x80;

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
  PREVIOUS_GTIDS: 35,
  PARTIAL_UPDATE_ROWS: 39,
  TRANSACTION_PAYLOAD: 40,
  BINLOG_CHECKPOINT: 161,
  MARIADB_GTID_LIST: 163,
} as const;

/**
 * What is done with an event type:
 * decode   zongji decodes it;
 * place    it says where the stream stands: a rotation or a heartbeat;
 * rows     the same, when its table is wanted;
 * move     it holds nothing for us but its end, which is a place between transactions;
 * pass     it holds nothing for us: annotations, session variables of statements, files of LOAD DATA in statement format (the
 *          statement itself follows and is judged), group replication's bookkeeping;
 * refuse   everything else: what is not known is not passed by.
 */
export type EventUse = 'decode' | 'place' | 'rows' | 'move' | 'pass' | 'refuse';

const decode = [2, 16, 19, 33, 34, 38, 42, 162, 165];
const rows = [23, 24, 25, 30, 31, 32, 39, 166, 167, 168, 169, 170, 171];
const move = [3, 35, 161, 163];
const pass = [5, 9, 11, 13, 14, 15, 17, 18, 28, 29, 36, 37, 41, 160, 164];

const uses: readonly EventUse[] = Array.from({ length: 256 }, (_, type) => {
  if (decode.includes(type)) return 'decode';
  if (rows.includes(type)) return 'rows';
  if (type === EventType.ROTATE || type === EventType.HEARTBEAT) return 'place';
  if (move.includes(type)) return 'move';
  return pass.includes(type) ? 'pass' : 'refuse';
});

export function useOfEvent({ type, flags }: EventHeader): EventUse {
  const use = uses[type] ?? 'refuse';
  return use === 'refuse' && (flags & IGNORABLE_FLAG) !== 0 ? 'pass' : use;
}

/** The table id that a table map or a rows event begins with. */
export function readTableId({ buffer, offset }: EventPacket): number {
  return buffer.readUIntLE(offset + BODY, 6);
}

/**
 * The place that a ROTATE event names. Like a heartbeat it may be made by the dump thread, with a checksum or without, whatever the
 * events of the file have: so whether it ends in one is seen by whether it does.
 */
export function readRotate(packet: EventPacket): { readonly file: string; readonly offset: number } {
  const { buffer, offset } = packet;
  const body = offset + BODY;
  return { file: buffer.toString('utf8', body + 8, endOf(packet)), offset: Number(buffer.readBigUInt64LE(body)) };
}

/** The place that a heartbeat names. MariaDB puts an offset of more than 32 bits before the file's name, and 0 into the header. */
export function readHeartbeat(packet: EventPacket, header: EventHeader): { readonly file: string; readonly offset: number } {
  const body = packet.offset + BODY;
  const isWide = header.nextPosition === 0;
  return {
    file: packet.buffer.toString('utf8', isWide ? body + 8 : body, endOf(packet)),
    offset: isWide ? Number(packet.buffer.readBigUInt64LE(body)) : header.nextPosition,
  };
}

function endOf({ buffer, offset, end }: EventPacket): number {
  const checksumAt = end - 4;
  return crc32(buffer.subarray(offset + 1, checksumAt)) === buffer.readUInt32LE(checksumAt) ? checksumAt : end;
}

/** What to say of an event that is refused. */
export function whyRefused(type: number): string {
  switch (type) {
    case EventType.TRANSACTION_PAYLOAD:
      return 'a compressed transaction, which cannot be decoded: SET GLOBAL binlog_transaction_compression = OFF, reconnect the writers';
    case EventType.PARTIAL_UPDATE_ROWS:
      return "an update that logs parts of JSON values, which cannot be decoded: SET GLOBAL binlog_row_value_options = '', reconnect the writers";
    case EventType.INCIDENT:
      return 'an incident: the server says that it lost events here';
    default:
      return `an event of type ${type}, which is not known`;
  }
}
