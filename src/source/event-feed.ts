import type { AnyBinlogEvent } from '@vlasky/zongji';
import { CodedError } from '../lib/error.ts';
import {
  EventType,
  readEventHeader,
  readHeartbeat,
  readRotate,
  readTableId,
  useOfEvent,
  whyRefused,
  type EventHeader,
  type EventPacket,
} from './event-header.ts';
import { readExecuteLoadQuery } from './load-query.ts';
import { toChangeGroup, type RowsEvent } from './row-group.ts';
import type { TableMaps } from './table-map.ts';
import type { TransactionAssembler } from './transaction-assembler.ts';
import { isEvent } from './zongji-event.ts';

/** The binlog goes on with other checksums than this connection was made for: it must be made anew. */
export class ChecksumChanged extends Error {
  readonly hasChecksum: boolean;

  constructor(hasChecksum: boolean) {
    super('the checksums of the binlog change');
    this.hasChecksum = hasChecksum;
  }
}

export interface EventFeedOptions {
  readonly assembler: TransactionAssembler;
  readonly tables: TableMaps;
  /** Whether zongji takes the last four bytes of each event for a checksum. */
  readonly hasChecksum: () => boolean;
  /** Called where table ids begin anew. */
  readonly onNewFile: () => void;
  /** The time in a file's first event: when the file was begun. */
  readonly onFormat: ((time: number) => void) | undefined;
}

/**
 * What is done with each event, in two steps: `needsDecoding` looks at the packet before zongji has it, moves the assembler on and
 * settles what the header alone can settle; `take` gets the decoded event. Both throw at what cannot be read.
 */
export class EventFeed {
  readonly #options: EventFeedOptions;
  #header: EventHeader | undefined;

  constructor(options: EventFeedOptions) {
    this.#options = options;
  }

  needsDecoding(packet: EventPacket): boolean {
    const { assembler } = this.#options;
    const header = readEventHeader(packet);
    this.#header = header;
    if (header.type === EventType.FORMAT_DESCRIPTION) this.#onFormat(header, packet);
    else if (header.type !== EventType.HEARTBEAT) assembler.advance(header);
    const use = useOfEvent(header);
    switch (use) {
      case 'decode':
        return header.type !== EventType.TABLE_MAP || this.#isNewTable(packet);
      case 'place':
        if (header.type === EventType.ROTATE) this.#onRotate(header, packet);
        else this.#onHeartbeat(header, packet);
        return false;
      case 'rows':
        return this.#isWanted(header, packet);
      case 'move':
        if (assembler.isBetween && header.nextPosition > 0) assembler.moveTo(header, assembler.file, assembler.offset);
        return false;
      case 'pass':
        if (header.type === EventType.EXECUTE_LOAD_QUERY) this.#onLoad(header, packet);
        return false;
      case 'refuse':
        throw this.undecodable(whyRefused(header.type));
      default:
        return use satisfies never;
    }
  }

  take(event: AnyBinlogEvent): void {
    const header = this.#header;
    if (header === undefined) throw this.undecodable('an event came without its packet');
    const { assembler, tables } = this.#options;
    // By how often they come.
    if (isEvent(event, 'WriteRows') || isEvent(event, 'UpdateRows') || isEvent(event, 'DeleteRows')) this.#takeRows(header, event);
    else if (isEvent(event, 'TableMap')) tables.add(event);
    else if (isEvent(event, 'Xid')) assembler.commit(header);
    else if (isEvent(event, 'Query')) assembler.query(header, event.schema, event.query);
    else if (isEvent(event, 'Gtid')) assembler.begin(header, { gtid: event.gtid, isOpen: false, isXa: false });
    else if (isEvent(event, 'AnonymousGtid')) assembler.begin(header, { gtid: '', isOpen: false, isXa: false });
    else if (isEvent(event, 'MariadbGtid')) {
      assembler.begin(header, { gtid: event.gtid, isOpen: !event.standalone, isXa: event.preparedXa });
    } else if (isEvent(event, 'XaPrepare')) assembler.xaPrepare(header, event.onePhase);
    else throw this.undecodable(`an event that nothing here takes (${event.getTypeName()})`);
  }

  /** The error that ends a read at the event in hand. */
  undecodable(what: string, cause?: unknown): CodedError {
    const { place } = this.#options.assembler;
    return new CodedError('SOURCE_UNDECODABLE', `${what} (at ${place})`, { cause, details: { position: place } });
  }

  #onFormat(header: EventHeader, packet: EventPacket): void {
    // The dump repeats it, without a position of its own, when it begins inside a file.
    if (header.nextPosition > 0) this.#options.assembler.advance(header);
    this.#options.onFormat?.(header.time);
    // Its last five bytes: the checksum algorithm of the events that follow (0 none, 1 CRC32), and a checksum in any case.
    const hasChecksum = packet.buffer.readUInt8(packet.end - 5) === 1;
    if (hasChecksum !== this.#options.hasChecksum()) throw new ChecksumChanged(hasChecksum);
  }

  #isNewTable(packet: EventPacket): boolean {
    const { tables, hasChecksum } = this.#options;
    const bodyEnd = packet.end - (hasChecksum() ? 4 : 0);
    if (tables.isKnown(packet, bodyEnd)) return false;
    tables.note(packet, bodyEnd);
    return true;
  }

  #isWanted(header: EventHeader, packet: EventPacket): boolean {
    const { tables } = this.#options;
    const id = readTableId(packet);
    if (tables.get(id) !== undefined) {
      if (header.type === EventType.PARTIAL_UPDATE_ROWS) throw this.undecodable(whyRefused(header.type));
      return true;
    }
    // 0xffffff marks the end of a statement and holds no rows.
    if (tables.has(id) || id === 0xff_ff_ff) return false;
    throw this.undecodable('rows of a table that no table map described');
  }

  #onLoad(header: EventHeader, packet: EventPacket): void {
    const { schema, text } = readExecuteLoadQuery(packet, this.#options.hasChecksum());
    this.#options.assembler.query(header, schema, text);
  }

  #takeRows(header: EventHeader, event: RowsEvent): void {
    const { tables, assembler } = this.#options;
    const table = tables.get(event.tableId);
    if (table !== undefined) assembler.rows(header, toChangeGroup(event, table, tables.inexact(event.tableId)));
  }

  #onRotate(header: EventHeader, packet: EventPacket): void {
    const { file, offset } = readRotate(packet);
    this.#options.assembler.rotate(header, file, offset);
    this.#options.tables.clear();
    this.#options.onNewFile();
  }

  /** Sent when nothing else is: also behind transactions that the server left out, so that an idle reader reaches the end. */
  #onHeartbeat(header: EventHeader, packet: EventPacket): void {
    const { isBetween, file, offset } = this.#options.assembler;
    const heard = readHeartbeat(packet, header);
    const place = heard.offset > 2 ** 32 ? heard.offset : offset - (offset % 2 ** 32) + heard.offset;
    if (isBetween && heard.file === file && place > offset) this.#options.assembler.moveTo(header, file, place);
  }
}
