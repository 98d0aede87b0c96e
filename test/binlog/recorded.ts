import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { MalformedEvent } from '../../src/binlog/malformed.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { EventFeed } from '../../src/source/event-feed.ts';
import type { InnerEvents } from '../../src/source/inner-events.ts';
import { PreparedTransactions } from '../../src/source/prepared-transactions.ts';
import type { PreparedSource } from '../../src/source/xa-groups.ts';
import type { TableDefinition } from '../../src/source/table-definition.ts';
import { TableMaps } from '../../src/source/table-maps.ts';
import { TransactionAssembler } from '../../src/source/transaction-assembler.ts';
import { flatten, type FlatChange } from '../source/reading.ts';

/** What the servers sent; see scripts/binlog-fixtures.ts. */
export const recordings = ['mysql', 'mysql-plain', 'mariadb', 'mariadb-plain'] as const;
export type Recording = (typeof recordings)[number];

export const SIZE_AT = 9;
const TYPE_AT = 4;
const HEADER_SIZE = 19;
const ROTATE = 4;
const FORMAT_DESCRIPTION = 15;
/** What begins a transaction: GTID events of both servers. */
const begins = [33, 34, 42, 162];

/** The events of a recording. */
export function recorded(name: Recording): Buffer[] {
  const bytes = readFileSync(join(import.meta.dirname, 'fixtures', `${name}.bin`));
  const events: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + SIZE_AT)) {
    events.push(bytes.subarray(at, at + bytes.readUInt32LE(at + SIZE_AT)));
  }
  return events;
}

export const typeOf = (event: Buffer) => event[TYPE_AT] ?? 0;

/** One transaction, with what must come before it to be read: the place, as a dump begins with it, and the file's format. */
export interface Segment {
  readonly name: string;
  readonly head: readonly Buffer[];
  readonly events: readonly Buffer[];
}

export function segmentsOf(name: Recording): Segment[] {
  const all = recorded(name);
  const format = all.find((event) => typeOf(event) === FORMAT_DESCRIPTION);
  if (format === undefined) throw new Error(`${name} has no format description`);
  const segments: { name: string; head: Buffer[]; events: Buffer[] }[] = [];
  let offset = 4;
  for (const event of all) {
    const isFileEvent = typeOf(event) === ROTATE || typeOf(event) === FORMAT_DESCRIPTION;
    if (begins.includes(typeOf(event)) || (isFileEvent && segments.length > 0)) {
      segments.push({ name: `${name} ${segments.length}`, head: [rotateTo(offset), withoutPlace(format)], events: [] });
    }
    segments.at(-1)?.events.push(event);
    offset = event.readUInt32LE(13) === 0 ? offset + event.length : event.readUInt32LE(13);
    if (typeOf(event) === FORMAT_DESCRIPTION) offset = event.readUInt32LE(13);
  }
  return segments;
}

/** The artificial event that a dump begins with; without a checksum. */
function rotateTo(offset: number): Buffer {
  const event = Buffer.alloc(HEADER_SIZE + 8 + 13);
  event.writeUInt8(ROTATE, TYPE_AT);
  event.writeUInt32LE(event.length, SIZE_AT);
  event.writeUInt16LE(0x20, 17);
  event.writeUInt32LE(offset, HEADER_SIZE);
  event.write('binlog.000001', HEADER_SIZE + 8);
  return event;
}

function withoutPlace(format: Buffer): Buffer {
  const copy = Buffer.from(format);
  copy.writeUInt32LE(0, 13);
  return withChecksum(copy);
}

/** The event with the size and the checksum that its bytes ask for. */
export function withChecksum(event: Buffer): Buffer {
  event.writeUInt32LE(crc32(event.subarray(0, event.length - 4)), event.length - 4);
  return event;
}

export function withSize(event: Buffer): Buffer {
  event.writeUInt32LE(event.length, SIZE_AT);
  return event;
}

const column = (name: string, type: string, charset = 'binary', digits = 0) => ({ name, type, charset, digits });

/** The tables whose events do not say all of themselves, as the server would have described them. */
const definitions: Readonly<Record<string, TableDefinition>> = {
  plain: {
    columns: [column('id', 'int'), column('a', 'int'), column('b', 'text', 'utf8mb4'), column('größe', 'int')],
    primaryKey: ['id'],
    versions: undefined,
  },
  packed: {
    columns: [
      column('id', 'int'),
      column('v', 'varchar(500)', 'utf8mb4'),
      column('t', 'text', 'utf8mb4'),
      column('u', 'uuid'),
      column('i', 'inet6'),
    ],
    primaryKey: ['id'],
    versions: undefined,
  },
  olden: {
    columns: [
      column('id', 'int'),
      column('a', 'timestamp'),
      column('b', 'time'),
      column('c', 'datetime'),
      column('d', 'timestamp(3)', 'binary', 3),
      column('e', 'time(1)', 'binary', 1),
      column('f', 'datetime(6)', 'binary', 6),
    ],
    primaryKey: ['id'],
    versions: undefined,
  },
};

const describeTable = (_schema: string, table: string): Promise<TableDefinition> => {
  const found = definitions[table];
  if (found === undefined) throw new CodedError('SOURCE_ROW_METADATA', `${table} is not known`);
  return Promise.resolve(found);
};

export interface Outcome {
  /** Of whole transactions. */
  readonly changes: readonly FlatChange[];
  /** What ended it; undefined where all events were taken. */
  readonly error: unknown;
}

/** Nothing is there but what is fed: an XA transaction that was not seen prepared is purged. */
const nothingPrepared: PreparedSource = {
  find: (xid) => Promise.reject(new CodedError('SOURCE_PURGED', `${xid} was not fed`)),
  read: (at) => Promise.reject(new CodedError('SOURCE_PURGED', `${at.file}:${at.offset} was not fed`)),
};

/** Feeds the events through all that lies between a connection and a sink. */
export async function outcomeOf(events: Iterable<Buffer>, onEvent: (bytes: number, ms: number) => void): Promise<Outcome> {
  const changes: FlatChange[] = [];
  const assembler = new TransactionAssembler({
    server: 's',
    wants: wantsShop,
    emit: (part) => changes.push(...flatten(part.groups)),
    pieceBytes: 2 ** 30,
    skip: { gtid: '', count: 0 },
    logger: silentLogger,
  });
  let wait: Promise<void> | undefined;
  const feed = new EventFeed({
    assembler,
    tables: new TableMaps({
      wants: wantsShop,
      definitions: { describe: async ({ schema, table }) => describeTable(schema, table) },
    }),
    onWait: (ready) => {
      wait = ready;
    },
    xa: new PreparedTransactions({ wants: wantsShop, source: nothingPrepared }),
    onStatement: undefined,
    onFormat: undefined,
  });
  const timed = async <T>(bytes: number, work: () => T): Promise<T> => {
    const startedAt = performance.now();
    const result = work();
    onEvent(bytes, performance.now() - startedAt);
    if (wait !== undefined) await wait;
    wait = undefined;
    return result;
  };
  try {
    for (const event of events) {
      const inner = await timed(event.length, () => feed.take(event));
      if (inner !== undefined) await takeAll(inner);
    }
    return { changes, error: undefined };
  } catch (error) {
    return { changes, error };
  }

  async function takeAll(inner: InnerEvents): Promise<void> {
    for (;;) {
      const { value } = await timed(0, () => inner.next());
      if (value === undefined) return;
      if (value instanceof Promise) await value;
      else {
        const more = await timed(value.length, () => feed.takeInner(value));
        if (more !== undefined) await takeAll(more);
      }
    }
  }
}

const tables = new Set(['every', 'plain', 'copied', 'vectors', 'packed', 'olden', 'second']);

function wantsShop(schema: string, table: string): boolean {
  return schema === 'shop' && tables.has(table);
}

/** Whether it is one of the two ways in which events are refused. */
export function isRefusal(error: unknown): boolean {
  return error instanceof MalformedEvent || (error instanceof CodedError && error.code.startsWith('SOURCE_'));
}
