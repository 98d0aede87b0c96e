import { crc32 } from 'node:zlib';
import { ARTIFICIAL_FLAG, EventType, isIntact, offsetBehind, readEventHeader, type EventHeader } from '../binlog/event-header.ts';
import { MalformedEvent } from '../binlog/malformed.ts';
import { CodedError } from '../lib/error.ts';

const FILE_START = 4;
const NEXT_POSITION_AT = 13;
const BODY_AT = 19;

/**
 * A dump that begins at a file's start, made to look like one that begins at a place in it: COM_BINLOG_DUMP has 32 bits for the place, and
 * COM_BINLOG_DUMP_GTID, which has 64, is refused without gtid_mode=ON (MySQL sql/rpl_source.cc, sql/rpl_binlog_sender.cc). What lies
 * before the place is passed by, of which only the headers are read.
 *
 *   rotate to the file (artificial) ─> format description ─> passed by … ─> the place: everything as it comes
 */
export class FarStart {
  readonly #place: { readonly file: string; readonly offset: number };
  #offset = FILE_START;
  #isThere = false;

  constructor(place: { readonly file: string; readonly offset: number }) {
    this.#place = place;
  }

  /** Gives the event as the dump that is wanted would have it, or undefined for one that it would not have. */
  take(event: Buffer): Buffer | undefined {
    if (this.#isThere) return event;
    const header = readEventHeader(event);
    if ((header.flags & ARTIFICIAL_FLAG) !== 0) return header.type === EventType.ROTATE ? this.#rotateToPlace(event) : undefined;
    if (header.type === EventType.HEARTBEAT) return undefined;
    this.#move(header);
    return header.type === EventType.FORMAT_DESCRIPTION ? withoutPlace(event) : undefined;
  }

  #move(header: EventHeader): void {
    const { file, offset } = this.#place;
    this.#offset = offsetBehind(this.#offset, header);
    if (this.#offset === offset) this.#isThere = true;
    if (this.#offset <= offset && header.type !== EventType.ROTATE) return;
    throw new CodedError('SOURCE_POSITION_INVALID', `no event begins at ${file}:${offset}`);
  }

  #rotateToPlace(event: Buffer): Buffer {
    if (event.length < BODY_AT + 8) throw new MalformedEvent(`a rotation of ${event.length} bytes`);
    const copy = Buffer.from(event);
    copy.writeBigUInt64LE(BigInt(this.#place.offset), BODY_AT);
    return isIntact(event) ? withChecksum(copy) : copy;
  }
}

/** As the dump repeats it in front of a place inside a file. */
function withoutPlace(event: Buffer): Buffer {
  const copy = Buffer.from(event);
  copy.writeUInt32LE(0, NEXT_POSITION_AT);
  return isIntact(event) ? withChecksum(copy) : copy;
}

function withChecksum(event: Buffer): Buffer {
  event.writeUInt32LE(crc32(event.subarray(0, event.length - 4)), event.length - 4);
  return event;
}
