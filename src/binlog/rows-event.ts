import { inflateSync } from 'node:zlib';
import type { Row } from '../row/change.ts';
import { Cursor } from './cursor.ts';
import { EventType } from './event-header.ts';
import { MalformedEvent } from './malformed.ts';
import { inflateTo } from './text-values.ts';

/** The beginning of a rows event: which columns its images hold, and the images themselves. */
export interface RowsBody {
  readonly op: 'insert' | 'update' | 'delete';
  /** A bit a column, the lowest first: which are in the only image, or in the one before an update. */
  readonly present: Buffer;
  /** The same of the image after an update. */
  readonly presentAfter: Buffer | undefined;
  readonly columnCount: number;
  /** The images, one behind the other. */
  readonly images: Cursor;
}

type Kind = { readonly op: RowsBody['op']; readonly isVersion2: boolean; readonly isCompressed: boolean };

const plain1 = (op: RowsBody['op']): Kind => ({ op, isVersion2: false, isCompressed: false });
const plain2 = (op: RowsBody['op']): Kind => ({ op, isVersion2: true, isCompressed: false });
const packed1 = (op: RowsBody['op']): Kind => ({ op, isVersion2: false, isCompressed: true });
const packed2 = (op: RowsBody['op']): Kind => ({ op, isVersion2: true, isCompressed: true });

/** MySQL's version 1 (which MariaDB writes) and 2, and MariaDB's compressed ones (log_bin_compress) of both. */
const kinds: ReadonlyMap<number, Kind> = new Map([
  [23, plain1('insert')],
  [24, plain1('update')],
  [25, plain1('delete')],
  [30, plain2('insert')],
  [31, plain2('update')],
  [32, plain2('delete')],
  [EventType.PARTIAL_UPDATE_ROWS, plain2('update')],
  [166, packed1('insert')],
  [167, packed1('update')],
  [168, packed1('delete')],
  [169, packed2('insert')],
  [170, packed2('update')],
  [171, packed2('delete')],
]);

/** A rows event up to its first image (MySQL libs/mysql/binlog/event/rows_event.h). `body` has no header and no checksum. */
export function readRowsBody(type: number, body: Buffer): RowsBody {
  const kind = kinds.get(type);
  if (kind === undefined) throw new MalformedEvent(`${type} is no type of a rows event`);
  const cursor = new Cursor(body, 8); // table id (6), flags (2)
  if (kind.isVersion2) {
    const extra = cursor.u16();
    if (extra < 2) throw new MalformedEvent(`extra data of ${extra} bytes, its own length included`);
    cursor.take(extra - 2);
  }
  const columnCount = cursor.lengthEncoded();
  const present = cursor.bytes((columnCount + 7) >> 3);
  const presentAfter = kind.op === 'update' ? cursor.bytes((columnCount + 7) >> 3) : undefined;
  const images = kind.isCompressed ? new Cursor(inflateEventPart(cursor.bytes(cursor.left))) : cursor;
  return { op: kind.op, present, presentAfter, columnCount, images };
}

/**
 * A part of an event that MariaDB compressed (sql/log_event.cc, binlog_buf_uncompress): a byte with bit 7 set, the algorithm in bits 4 to
 * 6 (0: zlib) and the size of the big-endian length behind it in bits 0 to 2.
 */
export function inflateEventPart(part: Buffer): Buffer {
  const header = part[0] ?? 0;
  const lengthSize = header & 7;
  if ((header & 0xf0) !== 0x80 || lengthSize < 1 || lengthSize > 4 || part.length < 1 + lengthSize) {
    throw new MalformedEvent(`a compressed event part begins with ${header}`);
  }
  const size = part.readUIntBE(1, lengthSize);
  return inflateTo(size, () => inflateSync(part.subarray(1 + lengthSize), { maxOutputLength: Math.max(1, size) }));
}

/** All images, each by the one reader. */
export function readImages(images: Cursor, read: (cursor: Cursor) => Row): Row[] {
  const rows: Row[] = [];
  while (images.at < images.end) rows.push(read(images));
  return rows;
}
