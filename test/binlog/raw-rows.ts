import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { createConnection } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import type { SqlAddress } from '../../src/embedded/server.ts';

/** A JSON value of an after-image that stands as changes of the before-image's (binlog_row_value_options=PARTIAL_JSON). */
export interface RawDiffs {
  readonly diffs: Buffer;
}

/** A column's bytes as the log has them, without the length before JSON: INT as its number, JSON as its binary form. */
export type RawValue = number | Buffer | RawDiffs | null | undefined;

export interface RawChange {
  readonly before: readonly RawValue[];
  readonly after: readonly RawValue[];
}

const TABLE_MAP = 19;
const WRITE_ROWS = 30;
const UPDATE_ROWS = 31;
const PARTIAL_UPDATE_ROWS = 39;
/** Column types that these tables have. */
const LONG = 3;
const JSON_TYPE = 245;

const DUMP_COMMAND = 0x12;
const NON_BLOCKING = 1;

interface RawPacket {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
  isEOF(): boolean;
  isError(): boolean;
  asError(encoding: string): Error;
}

/** What a command of mysql2 works with; its types leave this out. */
interface RawConnection {
  _resetSequenceId(): void;
  writePacket(packet: object): void;
  addCommand(command: { execute(packet: RawPacket | undefined): boolean }): void;
}

export interface BinlogPlace {
  readonly file: string;
  readonly offset: number;
}

export async function binlogEnd(connection: Connection): Promise<BinlogPlace> {
  const [rows] = await connection.query('SHOW BINARY LOG STATUS');
  const [status] = Array.isArray(rows) ? rows : [];
  if (status === undefined || !('File' in status && 'Position' in status)) throw new Error('no binary log');
  return { file: String(status['File']), offset: Number(status['Position']) };
}

/** The changes since the place of the tables of this schema that have columns of INT and JSON only. */
export async function readRawChanges(server: SqlAddress, schema: string, from: BinlogPlace): Promise<RawChange[]> {
  const types = new Map<number, readonly number[]>();
  const changes: RawChange[] = [];
  for (const event of await dumpEvents(server, from)) {
    const type = event.readUInt8(4);
    const body = event.subarray(19);
    if (type === TABLE_MAP) readTableMap(body, schema, types);
    const columns = [WRITE_ROWS, UPDATE_ROWS, PARTIAL_UPDATE_ROWS].includes(type) ? types.get(body.readUIntLE(0, 6)) : undefined;
    if (columns !== undefined) changes.push(...readRows(body, type, columns));
  }
  return changes;
}

/** Every event from a place to the log's end, without checksums: an event whose last four bytes are its checksum ends in one. */
async function dumpEvents({ host, port, user, password }: SqlAddress, { file, offset }: BinlogPlace): Promise<Buffer[]> {
  const connection = createConnection({ host, port, user, password });
  try {
    await connection.promise().query('SET @source_binlog_checksum = @@GLOBAL.binlog_checksum');
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the commands' side of a connection, of which mysql2 has no types
    return await dump(connection as unknown as RawConnection, file, offset);
  } finally {
    connection.destroy();
  }
}

function dump(connection: RawConnection, file: string, offset: number): Promise<Buffer[]> {
  const request = Buffer.alloc(15 + file.length);
  request.writeUInt8(DUMP_COMMAND, 4);
  request.writeUInt32LE(offset, 5);
  request.writeUInt16LE(NON_BLOCKING, 9);
  request.writeUInt32LE(randomInt(3_000_000_000, 4_294_967_295), 11); // two readers of one id push each other out
  request.write(file, 15, 'latin1');
  const events: Buffer[] = [];
  return new Promise((resolve, reject) => {
    connection.addCommand({
      execute(packet) {
        if (packet === undefined) {
          connection._resetSequenceId();
          connection.writePacket(new RequestPacket(request));
          return false;
        }
        if (packet.isError()) reject(packet.asError('utf8'));
        else if (packet.isEOF()) resolve(events);
        else events.push(withoutChecksum(Buffer.from(packet.buffer.subarray(packet.offset + 1, packet.end))));
        return packet.isError() || packet.isEOF();
      },
    });
  });
}

function withoutChecksum(event: Buffer): Buffer {
  const at = event.length - 4;
  return crc32(event.subarray(0, at)) === event.readUInt32LE(at) ? event.subarray(0, at) : event;
}

/** A packet to send, as mysql2 wants it: four bytes of header before the content. */
class RequestPacket {
  readonly buffer: Buffer;
  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }
  length(): number {
    return this.buffer.length;
  }
  writeHeader(sequenceId: number): void {
    this.buffer.writeUIntLE(this.buffer.length - 4, 0, 3);
    this.buffer.writeUInt8(sequenceId, 3);
  }
}

function readTableMap(body: Buffer, schema: string, types: Map<number, readonly number[]>): void {
  const schemaEnd = 9 + body.readUInt8(8);
  if (body.toString('utf8', 9, schemaEnd) !== schema) return;
  const tableEnd = schemaEnd + 2 + body.readUInt8(schemaEnd + 1);
  const count = body.readUInt8(tableEnd + 1);
  const columns = [...body.subarray(tableEnd + 2, tableEnd + 2 + count)];
  if (columns.every((type) => type === LONG || type === JSON_TYPE)) types.set(body.readUIntLE(0, 6), columns);
}

/** Columns that an image leaves out (binlog_row_image=MINIMAL) are undefined. */
function readRows(body: Buffer, type: number, columns: readonly number[]): RawChange[] {
  const isSet = (start: number, bit: number) => (body.readUInt8(start + (bit >> 3)) & (1 << (bit & 7))) !== 0;
  const bitmap = Math.ceil(columns.length / 8);
  const isUpdate = type !== WRITE_ROWS;
  const beforeHas = 8 + body.readUInt16LE(8) + 1;
  const afterHas = isUpdate ? beforeHas + bitmap : beforeHas;
  let at = afterHas + bitmap;
  const readImage = (has: number, isPartial: (json: number) => boolean): RawValue[] => {
    const nulls = at;
    at += Math.ceil(columns.filter((_, i) => isSet(has, i)).length / 8);
    let json = 0;
    let present = 0;
    return columns.map((column, i): RawValue => {
      const isDiffs = column === JSON_TYPE && isPartial(json++);
      if (!isSet(has, i)) return undefined;
      if (isSet(nulls, present++)) return null;
      at += 4;
      if (column === LONG) return body.readInt32LE(at - 4);
      const start = at;
      at += body.readUInt32LE(start - 4);
      const bytes = body.subarray(start, at);
      return isDiffs ? { diffs: bytes } : bytes;
    });
  };
  const changes: RawChange[] = [];
  while (at < body.length) {
    const before = isUpdate ? readImage(beforeHas, () => false) : [];
    let isPartial = (_json: number) => false;
    if (type === PARTIAL_UPDATE_ROWS && body.readUInt8(at++) === 1) {
      const bits = at;
      at += Math.ceil(columns.filter((column) => column === JSON_TYPE).length / 8);
      isPartial = (json) => isSet(bits, json);
    }
    changes.push({ before, after: readImage(afterHas, isPartial) });
  }
  if (at !== body.length) throw new Error(`rows that end ${at - body.length} bytes behind their event`);
  return changes;
}
