import { EventType, readBody, readEventHeader, useOfEvent, whyRefused, type EventHeader } from '../binlog/event-header.ts';
import { isOnePhase, readGtid, readMariadbGtid, readTaggedGtid } from '../binlog/gtid-event.ts';
import { MalformedEvent } from '../binlog/malformed.ts';
import { eventsOfPayload } from '../binlog/payload.ts';
import { readFormatDescription, readHeartbeat, readRotate } from '../binlog/place-event.ts';
import { readQuery } from '../binlog/query-event.ts';
import type { Flavour } from '../binlog/flavour.ts';
import { CodedError } from '../lib/error.ts';
import type { TableMaps } from './table-maps.ts';
import type { TransactionAssembler } from './transaction-assembler.ts';

export interface EventFeedOptions {
  readonly assembler: TransactionAssembler;
  readonly tables: TableMaps;
  /** Nothing may be taken before this resolves. */
  readonly onWait: (ready: Promise<void>) => void;
  /** Each statement of the binlog, with where it begins. */
  readonly onStatement: ((statement: { schema: string; text: string; file: string; offset: number }) => void) | undefined;
  /** The time in a file's first event: when the file was begun. */
  readonly onFormat: ((time: number) => void) | undefined;
}

/** Events within an event, which are to be taken one by one, in order. */
export type InnerEvents = Iterator<Buffer, void>;

/** Decodes each event and moves the assembler on. Throws at what cannot be read. */
export class EventFeed {
  readonly #options: EventFeedOptions;
  #flavour: Flavour = 'mysql';
  #hasChecksum = false;

  constructor(options: EventFeedOptions) {
    this.#options = options;
  }

  /** Takes an event of the stream; gives the events within it, which must be handed to `takeInner` before the next one of the stream. */
  take(event: Buffer): InnerEvents | undefined {
    const { assembler } = this.#options;
    const header = readEventHeader(event);
    if (header.type === EventType.FORMAT_DESCRIPTION) {
      this.#takeFormat(header, event);
      return undefined;
    }
    if (header.type !== EventType.HEARTBEAT) assembler.advance(header);
    const body = readBody(event, header.type, this.#hasChecksum);
    if (header.type === EventType.TRANSACTION_PAYLOAD) return eventsOfPayload(body);
    this.#takeBody(header, body);
    return undefined;
  }

  /** Takes an event that was within another one: without a checksum, and without a place of its own. */
  takeInner(event: Buffer): void {
    const header = readEventHeader(event);
    this.#takeBody(header, readBody(event, header.type, false));
  }

  /** The error that ends a read at the event in hand. */
  undecodable(what: string, cause?: unknown): CodedError {
    const { place } = this.#options.assembler;
    return new CodedError('SOURCE_UNDECODABLE', `${what} (at ${place})`, { cause, details: { position: place } });
  }

  #takeBody(header: EventHeader, body: Buffer): void {
    const { assembler } = this.#options;
    const use = useOfEvent(header);
    switch (use) {
      case 'rows':
        return this.#takeRows(header, body);
      case 'take':
        return this.#takeKnown(header, body);
      case 'move':
        if (assembler.isBetween && header.nextPosition > 0) assembler.moveTo(header, assembler.file, assembler.offset);
        return;
      case 'pass':
        return;
      case 'refuse':
        throw new MalformedEvent(whyRefused(header.type));
      default:
        use satisfies never;
    }
  }

  #takeKnown(header: EventHeader, body: Buffer): void {
    const { assembler } = this.#options;
    switch (header.type) {
      case EventType.TABLE_MAP:
        return this.#takeTableMap(body);
      case EventType.XID:
        return assembler.commit(header);
      case EventType.QUERY:
      case EventType.QUERY_COMPRESSED:
      case EventType.EXECUTE_LOAD_QUERY:
        return this.#takeQuery(header, body);
      case EventType.GTID:
        return assembler.begin(header, readGtid(body));
      case EventType.GTID_TAGGED:
        return assembler.begin(header, readTaggedGtid(body));
      case EventType.ANONYMOUS_GTID:
        return assembler.begin(header, { gtid: '', isOpen: false, isXa: false });
      case EventType.MARIADB_GTID:
        return assembler.begin(header, readMariadbGtid(body, header.serverId));
      case EventType.XA_PREPARE:
        return assembler.xaPrepare(header, isOnePhase(body));
      case EventType.ROTATE:
        return this.#takeRotate(header, body);
      case EventType.HEARTBEAT:
        return this.#takeHeartbeat(header, body);
      default:
        throw new MalformedEvent(whyRefused(header.type));
    }
  }

  #takeFormat(header: EventHeader, event: Buffer): void {
    const { flavour, hasChecksum } = readFormatDescription(event);
    // The dump repeats it, without a position of its own, when it begins inside a file.
    if (header.nextPosition > 0) this.#options.assembler.advance(header);
    this.#options.onFormat?.(header.time);
    this.#flavour = flavour;
    this.#hasChecksum = hasChecksum;
  }

  #takeTableMap(body: Buffer): void {
    const { tables, assembler, onWait } = this.#options;
    const ready = tables.note(body, this.#flavour, () => assembler.mapPlace);
    if (ready !== undefined) onWait(ready);
  }

  #takeQuery(header: EventHeader, body: Buffer): void {
    const { assembler, tables, onStatement } = this.#options;
    const { schema, text } = readQuery(header.type, body, this.#flavour);
    tables.onStatement(schema, text);
    if (onStatement !== undefined) onStatement({ schema, text, file: assembler.file, offset: assembler.eventStart });
    assembler.query(header, schema, text);
  }

  #takeRows(header: EventHeader, body: Buffer): void {
    const { tables, assembler } = this.#options;
    const rows = tables.rowsOf(body);
    if (rows === undefined) return;
    for (const group of tables.current(body, rows.read(header.type, body))) assembler.rows(header, group);
  }

  #takeRotate(header: EventHeader, body: Buffer): void {
    const { file, offset } = readRotate(body);
    this.#options.assembler.rotate(header, file, offset);
    this.#options.tables.clear();
  }

  /** Sent when nothing else is: also behind transactions that the server left out, so that an idle reader reaches the end. */
  #takeHeartbeat(header: EventHeader, body: Buffer): void {
    const { isBetween, file, offset } = this.#options.assembler;
    const heard = readHeartbeat(body, header);
    const place = heard.offset > 2 ** 32 ? heard.offset : offset - (offset % 2 ** 32) + heard.offset;
    if (isBetween && heard.file === file && place > offset) this.#options.assembler.moveTo(header, file, place);
  }
}
