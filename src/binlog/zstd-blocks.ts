import { Cursor } from './cursor.ts';
import { MalformedEvent } from './malformed.ts';

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** What a decoder should support at least and zstd's own refuses beyond (RFC 8878, section 3.1.1.1.2; ZSTD_WINDOWLOG_LIMIT_DEFAULT). */
const WINDOW_MAX = 128 * 1024 * 1024;

const CHECKSUM_FLAG = 0x04;
const SINGLE_SEGMENT_FLAG = 0x20;
/** Bytes of a dictionary's id, and of the content's size, by their flags. */
const DICTIONARY_ID_SIZES = [0, 1, 2, 4];
const CONTENT_SIZE_SIZES = [0, 2, 4, 8];

/**
 * Cuts zstd frames into pieces of one block each (RFC 8878), the frame's header with its first, its checksum with its last: what is
 * decompressed of a piece is never more than a block, 128 KB.
 */
export function* zstdBlocks(payload: Buffer): Generator<Buffer, void> {
  const cursor = new Cursor(payload);
  while (cursor.left > 0) {
    let start = cursor.at;
    const magic = cursor.u32();
    if ((magic & 0xff_ff_ff_f0) >>> 0 === SKIPPABLE_MAGIC) {
      cursor.take(cursor.u32());
      continue;
    }
    if (magic !== MAGIC) throw new MalformedEvent('a compressed transaction that is no zstd');
    const hasChecksum = readFrameHeader(cursor);
    for (let isLast = false; !isLast;) {
      const header = cursor.uint(3);
      const isRunLength = ((header >> 1) & 3) === 1;
      isLast = (header & 1) === 1;
      cursor.take(isRunLength ? 1 : header >> 3);
      if (isLast && hasChecksum) cursor.take(4);
      yield payload.subarray(start, cursor.at);
      start = cursor.at;
    }
  }
}

/** Moves behind a frame's header; gives whether the frame ends in a checksum. */
function readFrameHeader(cursor: Cursor): boolean {
  const flags = cursor.u8();
  const isSingle = (flags & SINGLE_SEGMENT_FLAG) !== 0;
  let window = 0;
  if (!isSingle) {
    const descriptor = cursor.u8();
    const base = 2 ** (10 + (descriptor >> 3));
    window = base + (base / 8) * (descriptor & 7);
  }
  cursor.take(DICTIONARY_ID_SIZES[flags & 3] ?? 0);
  const contentFlag = flags >> 6;
  const sizeBytes = contentFlag === 0 && isSingle ? 1 : (CONTENT_SIZE_SIZES[contentFlag] ?? 0);
  const start = cursor.take(sizeBytes);
  if (isSingle)
    window = sizeBytes === 8 ? Number(cursor.buffer.readBigUInt64LE(start)) : cursor.buffer.readUIntLE(start, sizeBytes);
  if (window > WINDOW_MAX) throw new MalformedEvent(`a compressed transaction that needs a window of ${window} bytes`);
  return (flags & CHECKSUM_FLAG) !== 0;
}
