import { EventType } from '../binlog/event-header.ts';
import { MalformedEvent } from '../binlog/malformed.ts';
import { readTableId, readTableName } from '../binlog/table-map.ts';
import type { TableFilter } from './contract.ts';
import { EventPipe } from './event-pipe.ts';
import type { InnerEvents } from './inner-events.ts';
import type { BinlogPlace } from './table-definitions.ts';
import type { PreparedSource, XaGroups } from './xa-groups.ts';

/** The first group of an XA transaction. */
interface Prepared {
  readonly at: BinlogPlace;
  /** Its events, without those of tables that nobody wanted then; undefined: they are read again. */
  events: Buffer[] | undefined;
  bytes: number;
  /** Whether the rows of a table id are kept. */
  readonly tables: Map<number, boolean>;
  /** The tables that nobody wanted. */
  readonly passedBy: Map<string, { readonly schema: string; readonly name: string }>;
}

export interface PreparedTransactionsOptions {
  readonly wants: TableFilter;
  readonly source: PreparedSource;
  /** How much is held of all of them, in bytes of the binlog. */
  readonly bytesMax?: number;
  /** And of how many. */
  readonly countMax?: number;
}

const PIPE_BYTES = 512 * 1024;
const HEADER_SIZE = 19;
const TYPE_AT = 4;
/** What a name costs, and a map's entry. */
const ENTRY_BYTES = 200;

/**
 * The XA transactions that one connection has seen prepared, until their end. All of it is a cache of what the binlog itself says: what is
 * not there (too large, too old, prepared before this connection began) is read again where the transaction is committed. So no state has to
 * be kept with a position between the two, and nothing here has to be right about what will be wanted by then: the events are kept as
 * they are, and go the way of all events once the transaction is committed.
 *
 *   begin ─> keep … ─> prepare ─────> held ──> commit: the events, unless a table that was passed by is wanted now
 *                         │            │ bytesMax, oldest first
 *                         └─ large ──> place ─> commit: the events, from a second connection that begins at the place
 *                                    unknown ─> commit: the place is searched for, backwards
 */
export class PreparedTransactions implements XaGroups {
  readonly #options: PreparedTransactionsOptions;
  readonly #bytesMax: number;
  readonly #countMax: number;
  readonly #byXid = new Map<string, Prepared>();
  readonly #closing = new AbortController();
  #open: Prepared | undefined;
  #bytes = 0;
  #source: BinlogPlace = { file: '', offset: 0 };
  #reading: Promise<void> = Promise.resolve();

  constructor(options: PreparedTransactionsOptions) {
    this.#options = options;
    this.#bytesMax = options.bytesMax ?? 16 * 1024 * 1024;
    this.#countMax = options.countMax ?? 10_000;
  }

  get source(): BinlogPlace {
    return this.#source;
  }

  /** Bytes of events that are held. */
  get heldBytes(): number {
    return this.#bytes;
  }

  begin(at: BinlogPlace): void {
    this.abandon();
    this.#open = { at, events: [], bytes: 0, tables: new Map(), passedBy: new Map() };
  }

  keep(event: Buffer): undefined {
    const open = this.#open;
    if (open?.events === undefined || !this.#isWanted(open, event)) return;
    open.events.push(event);
    open.bytes += event.length + ENTRY_BYTES;
    this.#bytes += event.length + ENTRY_BYTES;
    // One alone may not push out all the others.
    if (open.bytes > this.#bytesMax / 4) this.#drop(open);
    this.#makeRoom();
  }

  prepare(xid: string): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    this.#forget(xid);
    this.#byXid.set(xid, open);
    this.#makeRoom();
  }

  abandon(): void {
    if (this.#open !== undefined) this.#drop(this.#open);
    this.#open = undefined;
  }

  commitOpen(): InnerEvents {
    const open = this.#open;
    this.#open = undefined;
    return this.#eventsOf(open, () => Promise.reject(new MalformedEvent('no XA transaction is open')));
  }

  commit(xid: string, at: BinlogPlace): InnerEvents {
    const prepared = this.#byXid.get(xid);
    this.#byXid.delete(xid);
    return this.#eventsOf(prepared, (signal) => this.#find(xid, at, signal));
  }

  rollBack(xid: string): void {
    this.#forget(xid);
  }

  /** Ends what is being read again. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reading;
  }

  *#eventsOf(prepared: Prepared | undefined, find: (signal: AbortSignal) => Promise<BinlogPlace>): InnerEvents {
    if (prepared !== undefined) {
      const { at, events } = prepared;
      const isLacking = [...prepared.passedBy.values()].some(({ schema, name }) => this.#options.wants(schema, name));
      this.#drop(prepared);
      this.#source = at;
      if (events !== undefined && !isLacking) {
        yield* events;
        return;
      }
    }
    const { signal } = this.#closing;
    const pipe = new EventPipe(PIPE_BYTES);
    const read = async (): Promise<void> => {
      const at = prepared?.at ?? (await find(signal));
      this.#source = at;
      await this.#options.source.read(at, (event) => pipe.push(event), signal);
    };
    this.#reading = read().then(
      () => pipe.end(),
      (error: unknown) => pipe.fail(error),
    );
    yield* pipe.events();
  }

  /** What else the search came by is kept: many may be waiting for their end where a read begins. */
  async #find(xid: string, before: BinlogPlace, signal: AbortSignal): Promise<BinlogPlace> {
    const found = await this.#options.source.find(xid, before, signal);
    const at = found.get(xid);
    if (at === undefined) throw new Error(`a search without an end for ${xid}`);
    for (const [other, place] of found) {
      if (this.#byXid.size >= this.#countMax) break;
      if (other === xid || this.#byXid.has(other)) continue;
      this.#byXid.set(other, { at: place, events: undefined, bytes: 0, tables: new Map(), passedBy: new Map() });
    }
    return at;
  }

  /** Whether an event is kept: statements are, and rows of tables that are wanted now. */
  #isWanted(open: Prepared, event: Buffer): boolean {
    const type = event.readUInt8(TYPE_AT);
    if (type === EventType.QUERY || type === EventType.QUERY_COMPRESSED || type === EventType.EXECUTE_LOAD_QUERY) return true;
    const body = event.subarray(HEADER_SIZE);
    const id = readTableId(body);
    if (type !== EventType.TABLE_MAP) return open.tables.get(id) ?? true;
    const { schema, name } = readTableName(body);
    const isWanted = this.#options.wants(schema, name);
    open.tables.set(id, isWanted);
    if (!isWanted && !open.passedBy.has(`${schema}.${name}`)) {
      open.passedBy.set(`${schema}.${name}`, { schema, name });
      open.bytes += ENTRY_BYTES;
      this.#bytes += ENTRY_BYTES;
    }
    return isWanted;
  }

  /** Forgets the events of the oldest, and the oldest places: whatever is forgotten is found again. */
  #makeRoom(): void {
    if (this.#bytes > this.#bytesMax) {
      for (const prepared of this.#byXid.values()) {
        if (prepared.bytes > 0) this.#drop(prepared);
        if (this.#bytes <= this.#bytesMax) break;
      }
    }
    for (const xid of this.#byXid.keys()) {
      if (this.#byXid.size <= this.#countMax) break;
      this.#forget(xid);
    }
  }

  #forget(xid: string): void {
    const prepared = this.#byXid.get(xid);
    if (prepared !== undefined) this.#drop(prepared);
    this.#byXid.delete(xid);
  }

  /** Leaves only its place. */
  #drop(prepared: Prepared): void {
    prepared.events = undefined;
    this.#bytes -= prepared.bytes;
    prepared.bytes = 0;
    prepared.tables.clear();
    prepared.passedBy.clear();
  }
}
