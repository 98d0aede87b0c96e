import { Cursor } from './cursor.ts';
import { checkIntact, type EventHeader } from './event-header.ts';
import { MalformedEvent } from './malformed.ts';
import type { Flavour } from './flavour.ts';

/** What a file's first event says of the events behind it. */
export interface FormatDescription {
  readonly flavour: Flavour;
  /** Whether they end in a CRC32. */
  readonly hasChecksum: boolean;
}

/** binlog_checksum_alg: 0 none, 1 CRC32. */
const CRC32 = 1;

/**
 * FORMAT_DESCRIPTION: binlog version (2), server version (50), time (4), header size (1), sizes of post-headers; last, the checksum
 * algorithm of the events that follow, and a checksum in any case (MySQL libs/mysql/binlog/event/control_events.h).
 */
export function readFormatDescription(event: Buffer): FormatDescription {
  const cursor = new Cursor(event, 19);
  const version = cursor.u16();
  if (version !== 4) throw new MalformedEvent(`a binlog of version ${version}`);
  const server = cursor.utf8(50);
  const headerSize = new Cursor(event, cursor.at + 4).u8();
  if (headerSize !== 19) throw new MalformedEvent(`a binlog whose events have headers of ${headerSize} bytes`);
  const algorithm = event.readUInt8(event.length - 5);
  // Without checksums the dump thread leaves the event's own as it was when it clears the event's flags and place.
  if (algorithm === CRC32) checkIntact(event);
  if (algorithm > CRC32) throw new MalformedEvent(`a binlog with checksums of the kind ${algorithm}`);
  return { flavour: /mariadb/i.test(server) ? 'mariadb' : 'mysql', hasChecksum: algorithm === CRC32 };
}

export interface Place {
  readonly file: string;
  readonly offset: number;
}

/** The place that a ROTATE event names. */
export function readRotate(body: Buffer): Place {
  const cursor = new Cursor(body);
  return { offset: readOffset(cursor), file: readFile(cursor) };
}

/** The place that a heartbeat names. MariaDB puts an offset of more than 32 bits before the file's name, and 0 into the header. */
export function readHeartbeat(body: Buffer, header: EventHeader): Place {
  const cursor = new Cursor(body);
  const offset = header.nextPosition === 0 ? readOffset(cursor) : header.nextPosition;
  return { offset, file: readFile(cursor) };
}

function readOffset(cursor: Cursor): number {
  const offset = cursor.u64();
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new MalformedEvent(`a file's offset of ${offset}`);
  return Number(offset);
}

/** The rest is a binlog file's name, which ends in its number. */
function readFile(cursor: Cursor): string {
  const file = cursor.utf8(cursor.left);
  if (!/^\P{C}+\.\d+$/u.test(file)) throw new MalformedEvent('the name of a binlog file that is none');
  return file;
}
