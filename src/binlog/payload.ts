import { Cursor } from './cursor.ts';
import { MalformedEvent } from './malformed.ts';
import { unzstd } from './zstd/zstd.ts';

/** Fields of a TRANSACTION_PAYLOAD, and its values of COMPRESSION_TYPE (MySQL libs/mysql/binlog/event/codecs). */
const Field = { END: 0, SIZE: 1, COMPRESSION: 2, UNCOMPRESSED_SIZE: 3 } as const;
const Compression = { ZSTD: 0, NONE: 255 } as const;

const HEADER_SIZE = 19;
const SIZE_AT = 9;

/**
 * The events of a compressed transaction (binlog_transaction_compression), one at a time and in order: only a block of zstd (128 KB) and
 * the event in hand are in memory, whatever the transaction's size. They have no checksums.
 */
export function* eventsOfPayload(body: Buffer): Generator<Buffer, void> {
  const { compression, size, payload } = readPayload(body);
  const pieces = compression === Compression.NONE ? [payload] : unzstd(payload, size);
  let seen = 0;
  /** Bytes that are not a whole event yet. */
  let waiting: Buffer[] = [];
  let waitingSize = 0;
  let needed = HEADER_SIZE;
  for (const piece of pieces) {
    seen += piece.length;
    if (seen > size) throw new MalformedEvent(`a compressed transaction becomes more than ${size} bytes`);
    waiting.push(piece);
    waitingSize += piece.length;
    if (waitingSize < needed) continue;
    let rest = waiting.length === 1 ? piece : Buffer.concat(waiting);
    for (needed = neededFor(rest); rest.length >= needed; needed = neededFor(rest)) {
      yield rest.subarray(0, needed);
      rest = rest.subarray(needed);
    }
    const missing = needed - rest.length;
    if (missing > size - seen && rest.length > 0)
      throw new MalformedEvent(`an event of ${needed} bytes, ${size - seen} of which are left`);
    waiting = rest.length === 0 ? [] : [rest];
    waitingSize = rest.length;
  }
  if (waitingSize > 0) throw new MalformedEvent(`a compressed transaction ends inside an event, ${waitingSize} bytes of it`);
  if (seen !== size) throw new MalformedEvent(`a compressed transaction became ${seen} bytes, not ${size}`);
}

/** How many bytes the first event has; those of a header where that is not whole yet. */
function neededFor(bytes: Buffer): number {
  if (bytes.length < HEADER_SIZE) return HEADER_SIZE;
  const size = bytes.readUInt32LE(SIZE_AT);
  if (size < HEADER_SIZE) throw new MalformedEvent(`an event of ${size} bytes in a compressed transaction`);
  return size;
}

function readPayload(body: Buffer): { readonly compression: number; readonly size: number; readonly payload: Buffer } {
  const cursor = new Cursor(body);
  let compression: number = Compression.NONE;
  let payloadSize: number | undefined;
  let size: number | undefined;
  for (;;) {
    const type = cursor.lengthEncoded();
    if (type === Field.END) break;
    const field = new Cursor(cursor.bytes(cursor.lengthEncoded()));
    if (type === Field.SIZE) payloadSize = field.lengthEncoded();
    else if (type === Field.COMPRESSION) compression = field.lengthEncoded();
    else if (type === Field.UNCOMPRESSED_SIZE) size = field.lengthEncoded();
  }
  if (compression !== Compression.ZSTD && compression !== Compression.NONE) {
    throw new MalformedEvent(`a transaction compressed by the method ${compression}, which is not known`);
  }
  const payload = cursor.bytes(payloadSize ?? cursor.left);
  return { compression, size: size ?? payload.length, payload };
}
