import {
  bareEvent,
  EventType,
  readBody,
  readEventHeader,
  useOfEvent,
  whyRefused,
  type EventHeader,
} from '../binlog/event-header.ts';
import { readGtid, readMariadbGtid, readTaggedGtid } from '../binlog/gtid-event.ts';
import { RefusedEvent } from '../binlog/malformed.ts';
import { eventsOfPayload } from '../binlog/payload.ts';
import { readFormatDescription, readHeartbeat, readRotate } from '../binlog/place-event.ts';
import { readQuery, type QueryText } from '../binlog/query-event.ts';
import { readXaPrepare, readXid } from '../binlog/xa-event.ts';
import type { Flavour } from '../binlog/flavour.ts';
import type { TableRows } from '../binlog/table-rows.ts';
import { CodedError } from '../lib/error.ts';
import type { InnerEvents } from './inner-events.ts';
import { readStatement } from './statement.ts';
import type { TableMaps } from './table-maps.ts';
import type { TransactionAssembler } from './transaction-assembler.ts';
import type { XaGroups } from './xa-groups.ts';

export interface EventFeedOptions {
  readonly assembler: TransactionAssembler;
  readonly tables: TableMaps;
  readonly xa: XaGroups;
  /** Nothing may be taken before this resolves. */
  readonly onWait: (ready: Promise<void>) => void;
  /** Each statement of the binlog, with where it begins. */
  readonly onStatement: ((statement: { schema: string; text: string; file: string; offset: number }) => void) | undefined;
  /** The time in a file's first event: when the file was begun. */
  readonly onFormat: ((time: number) => void) | undefined;
}

/** Decodes each event and moves the assembler on. Throws at what cannot be read. */
export class EventFeed {
  readonly #options: EventFeedOptions;
  #flavour: Flavour = 'mysql';
  #hasChecksum = false;
  /** The events are those of an XA transaction, before it is known whether it is committed. */
  #isXa = false;
  /** The end of the XA transaction that takes effect here; its events are being taken. */
  #xaCommit: EventHeader | undefined;

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
    const body = readBody(event, header, this.#hasChecksum);
    if (header.type === EventType.TRANSACTION_PAYLOAD) return eventsOfPayload(body);
    return this.#takeBody(header, body, event);
  }

  /**
   * Takes an event that was within another one, without a checksum, and without a place of its own; or one of an XA transaction. What is
   * within it goes before the next one.
   */
  takeInner(event: Buffer): InnerEvents | undefined {
    const header = readEventHeader(event);
    const commit = this.#xaCommit;
    return this.#takeBody(commit === undefined ? header : { ...header, time: commit.time }, readBody(event, header, false), event);
  }

  /** The error that ends a read at the event in hand. */
  undecodable(what: string, cause?: unknown): CodedError {
    const place = this.#options.assembler.place.text;
    const { file, offset } = this.#options.xa.source;
    const where = this.#xaCommit === undefined ? place : `${place}, in the XA transaction that was prepared at ${file}:${offset}`;
    return new CodedError('SOURCE_UNDECODABLE', `${what} (at ${where})`, { cause, details: { position: place } });
  }

  #takeBody(header: EventHeader, body: Buffer, event: Buffer): InnerEvents | undefined {
    const { assembler } = this.#options;
    const use = useOfEvent(header);
    switch (use) {
      case 'rows':
        if (!this.#isXa) return this.#takeRows(header, body);
        this.#keepXa(event, body);
        return undefined;
      case 'take':
        return this.#takeKnown(header, body, event);
      case 'move':
        if (assembler.isBetween && header.nextPosition > 0) assembler.moveTo(header, assembler.place.file, assembler.place.offset);
        return undefined;
      case 'pass':
        return undefined;
      case 'refuse':
        throw new RefusedEvent(whyRefused(header.type));
      default:
        return use satisfies never;
    }
  }

  #takeKnown(header: EventHeader, body: Buffer, event: Buffer): InnerEvents | undefined {
    switch (header.type) {
      case EventType.TABLE_MAP:
        if (this.#isXa) this.#keepXa(event, body);
        else this.#options.tables.note(body, this.#flavour);
        return undefined;
      case EventType.XID:
        if (this.#isXa) return this.#commitXa(header, this.#options.xa.commitOpen());
        this.#options.assembler.commit(header);
        return undefined;
      case EventType.QUERY:
      case EventType.QUERY_COMPRESSED:
      case EventType.EXECUTE_LOAD_QUERY:
        return this.#takeQuery(header, body, event);
      case EventType.XA_PREPARE:
        return this.#takeXaPrepare(header, body);
      case EventType.ROTATE:
        this.#takeRotate(header, body);
        return undefined;
      case EventType.HEARTBEAT:
        this.#takeHeartbeat(header, body);
        return undefined;
      default:
        this.#takeBeginning(header, body);
        return undefined;
    }
  }

  #takeBeginning(header: EventHeader, body: Buffer): void {
    const { assembler } = this.#options;
    switch (header.type) {
      case EventType.GTID:
        return assembler.begin(header, readGtid(body));
      case EventType.GTID_TAGGED:
        return assembler.begin(header, readTaggedGtid(body));
      case EventType.ANONYMOUS_GTID:
        return assembler.begin(header, { gtid: '', isOpen: false });
      case EventType.MARIADB_GTID: {
        const gtid = readMariadbGtid(body, header.serverId);
        assembler.begin(header, gtid);
        if (gtid.isXa) this.#beginXa();
        return;
      }
      default:
        throw new RefusedEvent(whyRefused(header.type));
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

  #takeQuery(header: EventHeader, body: Buffer, event: Buffer): InnerEvents | undefined {
    const { assembler, tables, onStatement } = this.#options;
    const { schema, text } = readQuery(header.type, body, this.#flavour);
    tables.onStatement(schema, text);
    if (onStatement !== undefined) onStatement({ schema, text, ...assembler.place.event });
    if (this.#isXa || text.startsWith('XA')) return this.#takeXaQuery(header, { schema, text }, () => this.#keepXa(event, body));
    assembler.query(header, schema, text);
    return undefined;
  }

  #takeXaQuery(header: EventHeader, { schema, text }: QueryText, keep: () => void): InnerEvents | undefined {
    const { assembler, xa } = this.#options;
    const { kind, subject } = readStatement(text);
    switch (kind) {
      case 'xa-commit':
      case 'commit':
        if (this.#isXa) return this.#commitXa(header, xa.commitOpen());
        if (kind === 'xa-commit') return this.#commitXa(header, xa.commit(readXid(subject), assembler.place.rows.transaction));
        break;
      case 'xa-rollback':
      case 'rollback':
        if (this.#isXa) this.#abandonXa();
        else if (kind === 'xa-rollback') xa.rollBack(readXid(subject));
        break;
      case 'xa-start':
        assembler.query(header, schema, text);
        if (!this.#isXa) this.#beginXa();
        return undefined;
      case 'begin':
      case 'xa-end':
        break;
      case 'savepoint':
      case 'rollback-to':
      case 'change':
      case 'definition':
      case 'other':
        if (!this.#isXa) break;
        keep();
        return undefined;
      default:
        kind satisfies never;
    }
    assembler.query(header, schema, text);
    return undefined;
  }

  #takeXaPrepare(header: EventHeader, body: Buffer): InnerEvents | undefined {
    const { assembler, xa } = this.#options;
    const { isOnePhase, xid } = readXaPrepare(body);
    if (isOnePhase) return this.#commitXa(header, xa.commitOpen());
    this.#isXa = false;
    xa.prepare(xid);
    assembler.commit(header);
    return undefined;
  }

  #beginXa(): void {
    const { assembler, xa } = this.#options;
    this.#isXa = true;
    xa.begin(assembler.place.rows.transaction);
  }

  #abandonXa(): void {
    this.#isXa = false;
    this.#options.xa.abandon();
  }

  #keepXa(event: Buffer, body: Buffer): void {
    const enough = this.#options.xa.keep(bareEvent(event, body));
    if (enough !== undefined) this.#options.onWait(enough);
  }

  /** The transaction's events stand in front of its end. */
  *#commitXa(header: EventHeader, events: InnerEvents): Generator<Buffer | Promise<void>, void> {
    const { assembler } = this.#options;
    this.#isXa = false;
    this.#xaCommit = header;
    assembler.open(header);
    for (let next = events.next(); next.done !== true; next = events.next()) yield next.value;
    this.#xaCommit = undefined;
    assembler.commit(header);
  }

  #takeRows(header: EventHeader, body: Buffer): InnerEvents | undefined {
    const { tables, assembler, xa } = this.#options;
    const rows = tables.rowsOf(body);
    if (rows !== undefined) {
      this.#takeGroups(rows, header, body);
      return undefined;
    }
    const at = () => (this.#xaCommit === undefined ? assembler.place.rows : { ...xa.source, transaction: xa.source });
    const ready = tables.prepare(body, at);
    return ready === undefined ? undefined : this.#takeRowsAfter(ready, header, body);
  }

  /** The rows follow once their table's definition is there. */
  *#takeRowsAfter(ready: Promise<void>, header: EventHeader, body: Buffer): Generator<Promise<void>, void> {
    yield ready;
    const rows = this.#options.tables.rowsOf(body);
    if (rows !== undefined) this.#takeGroups(rows, header, body);
  }

  #takeGroups(rows: TableRows, header: EventHeader, body: Buffer): void {
    const { tables, assembler } = this.#options;
    for (const group of tables.current(body, rows.read(header.type, body))) assembler.rows(header, group);
  }

  #takeRotate(header: EventHeader, body: Buffer): void {
    const { file, offset } = readRotate(body);
    this.#options.assembler.rotate(header, file, offset);
    if (this.#isXa && this.#options.assembler.isBetween) this.#abandonXa();
    this.#options.tables.clear();
  }

  /** Sent when nothing else is: also behind transactions that the server left out, so that an idle reader reaches the end. */
  #takeHeartbeat(header: EventHeader, body: Buffer): void {
    const { isBetween, place: here } = this.#options.assembler;
    const { file, offset } = here;
    const heard = readHeartbeat(body, header);
    const place = heard.offset > 2 ** 32 ? heard.offset : offset - (offset % 2 ** 32) + heard.offset;
    if (isBetween && heard.file === file && place > offset) this.#options.assembler.moveTo(header, file, place);
  }
}
