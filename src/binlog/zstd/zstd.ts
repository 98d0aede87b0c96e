import { Cursor } from '../cursor.ts';
import { MalformedEvent } from '../malformed.ts';
import type { HuffmanTable } from './zstd-entropy.ts';
import { BLOCK_MAX, readLiterals } from './zstd-literals.ts';
import { readSequences, type SequenceTables } from './zstd-sequences.ts';

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** What a decoder should support at least and zstd's own refuses beyond (RFC 8878, section 3.1.1.1.2; ZSTD_WINDOWLOG_LIMIT_DEFAULT). */
const WINDOW_MAX = 128 * 1024 * 1024;

const CHECKSUM_FLAG = 0x04;
const RESERVED_FLAG = 0x08;
const SINGLE_SEGMENT_FLAG = 0x20;
/** Bytes of a dictionary's id, and of the content's size, by their flags. */
const DICTIONARY_ID_SIZES = [0, 1, 2, 4];
const CONTENT_SIZE_SIZES = [0, 2, 4, 8];
const BlockType = { RAW: 0, RUN: 1, COMPRESSED: 2 } as const;

/**
 * Decompresses zstd frames (RFC 8878) a block at a time, 128 KB at most; throws where they become more than `size` bytes. What it holds is
 * what matches may reach back to: the frame's window, whatever that says never more than twice what has come out and is to come next.
 * Broken bytes are refused in the time of a whole block: lengths are held against the block's size before anything is copied. A frame's
 * own checksum is not looked at: the event has one.
 */
export function* unzstd(payload: Buffer, size: number): Generator<Buffer, void> {
  const cursor = new Cursor(payload);
  let left = size;
  while (cursor.left > 0) {
    const magic = cursor.u32();
    if ((magic & 0xff_ff_ff_f0) >>> 0 === SKIPPABLE_MAGIC) cursor.take(cursor.u32());
    else if (magic === MAGIC) left = yield* readFrame(cursor, left);
    else throw new MalformedEvent('a compressed transaction that is no zstd');
  }
}

/** Gives how many bytes are left of those that may come. */
function* readFrame(cursor: Cursor, size: number): Generator<Buffer, number> {
  const { window, hasChecksum } = readFrameHeader(cursor);
  const frame = new Frame(window, size);
  for (let isLast = false; !isLast;) {
    const header = cursor.uint(3);
    isLast = (header & 1) === 1;
    const type = (header >> 1) & 3;
    const blockSize = header >> 3;
    if (blockSize > BLOCK_MAX) throw new MalformedEvent(`a zstd block of ${blockSize} bytes`);
    if (type === BlockType.RAW) yield frame.raw(cursor.bytes(blockSize));
    else if (type === BlockType.RUN) yield frame.raw(Buffer.alloc(blockSize, cursor.u8()));
    else if (type === BlockType.COMPRESSED) yield frame.compressed(new Cursor(cursor.bytes(blockSize)));
    else throw new MalformedEvent('a zstd block of a kind that is not known');
  }
  if (hasChecksum) cursor.take(4);
  return frame.left;
}

function readFrameHeader(cursor: Cursor): { readonly window: number; readonly hasChecksum: boolean } {
  const flags = cursor.u8();
  if ((flags & RESERVED_FLAG) !== 0) throw new MalformedEvent('a zstd frame of a kind that is not known');
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
  if (isSingle) {
    const size = sizeBytes === 8 ? Number(cursor.buffer.readBigUInt64LE(start)) : cursor.buffer.readUIntLE(start, sizeBytes);
    window = sizeBytes === 2 ? size + 256 : size;
  }
  if (window > WINDOW_MAX) throw new MalformedEvent(`a compressed transaction that needs a window of ${window} bytes`);
  return { window, hasChecksum: (flags & CHECKSUM_FLAG) !== 0 };
}

/** What the blocks of a frame have in common. */
class Frame {
  readonly #window: number;
  /** What may still come out. */
  left: number;
  /** What has come out, as far back as the window; grows with it. */
  #out = Buffer.alloc(0);
  #end = 0;
  #tree: HuffmanTable | undefined;
  readonly #tables: SequenceTables = {};
  /** The last three offsets. */
  #last = [1, 4, 8];

  constructor(window: number, size: number) {
    this.#window = window;
    this.left = size;
  }

  raw(bytes: Buffer): Buffer {
    if (bytes.length > this.left) throw tooLarge();
    this.left -= bytes.length;
    this.#makeRoom(bytes.length);
    bytes.copy(this.#out, this.#end);
    this.#end += bytes.length;
    return bytes;
  }

  compressed(cursor: Cursor): Buffer {
    const room = Math.min(BLOCK_MAX, this.left);
    this.#makeRoom(room);
    const start = this.#end;
    const { bytes, tree } = readLiterals(cursor, this.#tree);
    this.#tree = tree;
    let used = 0;
    readSequences(cursor, this.#tables, (literals, match, offset) => {
      if (used + literals > bytes.length || this.#end - start + literals + match > room) throw tooLarge();
      if (literals > 0) bytes.copy(this.#out, this.#end, used, used + literals);
      used += literals;
      this.#end += literals;
      this.#repeat(match, this.#offsetOf(offset, literals));
    });
    if (this.#end - start + bytes.length - used > room) throw tooLarge();
    this.#end += bytes.copy(this.#out, this.#end, used);
    this.left -= this.#end - start;
    // The room is moved and written again.
    return Buffer.from(this.#out.subarray(start, this.#end));
  }

  /** 1 to 3 are the last offsets; without literals before it, the first of them is the second one, and so on (section 3.1.1.5). */
  #offsetOf(written: number, literals: number): number {
    const [first = 1, second = 4, third = 8] = this.#last;
    const which = written > 3 ? 4 : written + (literals === 0 ? 1 : 0);
    if (which === 1) return first;
    const offset = written > 3 ? written - 3 : which === 2 ? second : which === 3 ? third : first - 1;
    this.#last = which === 2 ? [offset, first, third] : [offset, first, second];
    return offset;
  }

  #repeat(size: number, offset: number): void {
    const out = this.#out;
    const from = this.#end - offset;
    if (offset < 1 || offset > this.#window || from < 0) throw new MalformedEvent('a zstd block that reaches back too far');
    if (offset >= size) out.copyWithin(this.#end, from, from + size);
    else for (let nth = 0; nth < size; nth += 1) out[this.#end + nth] = out[from + nth] ?? 0;
    this.#end += size;
  }

  /** Leaves out what no match may reach, or grows. */
  #makeRoom(size: number): void {
    if (this.#end + size <= this.#out.length) return;
    const kept = Math.min(this.#window, this.#end);
    if (this.#end - kept >= kept && kept + size <= this.#out.length) {
      this.#out.copyWithin(0, this.#end - kept, this.#end);
    } else {
      const grown = Buffer.allocUnsafeSlow(kept === 0 ? size : (kept + size) * 2);
      this.#out.copy(grown, 0, this.#end - kept, this.#end);
      this.#out = grown;
    }
    this.#end = kept;
  }
}

function tooLarge(): MalformedEvent {
  return new MalformedEvent('a compressed transaction that becomes more than it says');
}
