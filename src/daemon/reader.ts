import { deferred, sleep } from '../lib/abort.ts';
import { steadyNow } from '../lib/clock.ts';
import { gtidContains } from '../row/gtid.ts';
import { comparePositions, type Position } from '../row/position.ts';
import type { TransactionPart } from '../row/change.ts';
import type { ReaderState, Source, TransactionSink } from '../source/contract.ts';
import type { FlowFeed } from './feed.ts';
import { Progress } from './progress.ts';

export interface ReaderLimits {
  readonly source: Source;
  readonly hasGtid: boolean;
  /** For how much of each window a full feed may hold up the others of its reader before it gets a reader of its own. */
  readonly graceMs: number;
  readonly windowMs: number;
  /** A reader that is at most this far behind a feed may take it over. */
  readonly joinBytes: number;
}

export interface ReaderOptions extends ReaderLimits {
  /** A feed has held up the others for too long. */
  readonly onOverflow: (feed: FlowFeed) => void;
}

export interface ReaderView extends ReaderState {
  /** How long ago something was heard, while it is not connected; undefined: it is. */
  readonly lostMs: number | undefined;
}

/** One connection that reads the binlog for a set of feeds. */
export class Reader implements TransactionSink {
  readonly #options: ReaderOptions;
  readonly #feeds = new Set<FlowFeed>();
  readonly #stopping = new AbortController();
  readonly #stopped = deferred<void>();
  readonly #wanted = new Map<string, boolean>();
  readonly #columns = new Map<string, ReadonlySet<string> | undefined>();
  readonly #heldMs = new Map<FlowFeed, number>();
  #windowStart = 0;
  #progress: Progress | undefined;
  /** No part of a transaction was handed on, and none of its tables asked for, since the last one's end. */
  #isBetweenTransactions = true;
  /** The feeds whose tables this transaction is read for; others count from the next one on. */
  #filterFeeds: readonly FlowFeed[] = [];
  #state: ReaderState = { isConnected: false, lastEventAt: Date.now(), lastError: undefined };
  /** When something was last heard from the server, or the reader made. By steadyNow(). */
  #heardAt = steadyNow();
  ended: Promise<void> = Promise.resolve();

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  get feeds(): readonly FlowFeed[] {
    return [...this.#feeds];
  }

  get state(): ReaderView {
    return { ...this.#state, lostMs: this.#state.isConnected ? undefined : steadyNow() - this.#heardAt };
  }

  get isLive(): boolean {
    return this.#feeds.size > 0 && !this.#stopping.signal.aborted;
  }

  has(feed: FlowFeed): boolean {
    return this.#feeds.has(feed);
  }

  /**
   * Whether these feeds may join: they lack nothing that this reader has read already, and it is not so far behind them, nor so
   * held up by a slow feed of its own, that they would have to wait for it.
   */
  canTake(feeds: readonly FlowFeed[]): boolean {
    const progress = this.#progress;
    if (progress === undefined || !this.isLive || !this.#isBetweenTransactions) return false;
    if (this.feeds.some((feed) => feed.isFull)) return false;
    const read = progress.toPosition();
    return feeds.every((feed) => {
      const { received } = feed;
      if (feed.isFull || received.file !== read.file || received.offset - read.offset > this.#options.joinBytes) return false;
      if (this.#options.hasGtid) return gtidContains(received.gtid, read.gtid);
      return received.server === read.server && received.offset >= read.offset;
    });
  }

  take(feeds: readonly FlowFeed[]): void {
    for (const feed of feeds) {
      feed.attach();
      this.#feeds.add(feed);
    }
    this.#renewFilter();
  }

  drop(feed: FlowFeed): void {
    if (!this.#feeds.delete(feed)) return;
    if (this.#feeds.size === 0) this.stop();
  }

  /** Lets go of all feeds and stops. */
  clear(): FlowFeed[] {
    const feeds = [...this.#feeds];
    this.#feeds.clear();
    this.stop();
    return feeds;
  }

  stop(): void {
    this.#stopping.abort();
    this.#stopped.resolve();
  }

  async run(): Promise<void> {
    const { source, hasGtid } = this.#options;
    const from = this.#firstPosition();
    this.#progress = new Progress({ ...from, rows: 0 }, { hasGtid });
    await source.read({
      from,
      sink: this,
      signal: this.#stopping.signal,
      wants: (schema, table) => this.#wants(schema, table),
      columns: (schema, table) => this.#columnsOf(schema, table),
      onState: (state) => {
        this.#state = state;
        if (state.isConnected) this.#heardAt = steadyNow() - Math.max(0, Date.now() - state.lastEventAt);
      },
    });
  }

  push(part: TransactionPart): Promise<void> | undefined {
    let isHeld = false;
    for (const feed of this.#feeds) {
      if (feed.push(part) !== undefined) isHeld = true;
    }
    this.#isBetweenTransactions = part.isFinal;
    if (part.isFinal) {
      this.#progress?.moveTo(part);
      if (this.#filterFeeds.length !== this.#feeds.size) this.#renewFilter();
    }
    return isHeld ? this.#hold() : undefined;
  }

  async #hold(): Promise<void> {
    for (;;) {
      const full = this.feeds.filter((feed) => feed.isFull);
      if (full.length === 0) return;
      const drained = full.map((feed) => feed.drained);
      if (this.#stopping.signal.aborted) return;
      if (full.length === this.#feeds.size) await Promise.race([...drained, this.#stopped.promise]);
      else await this.#holdFor(full, Promise.all(drained));
    }
  }

  /** Some feeds are full and others wait for them: each may cost them so much of a window and no more (L4). */
  async #holdFor(full: readonly FlowFeed[], drained: Promise<unknown>): Promise<void> {
    const { graceMs, windowMs, onOverflow } = this.#options;
    const since = performance.now();
    if (since - this.#windowStart > windowMs) {
      this.#windowStart = since;
      this.#heldMs.clear();
    }
    const spent = Math.max(...full.map((feed) => this.#heldMs.get(feed) ?? 0));
    await Promise.race([drained, sleep(Math.max(0, graceMs - spent), this.#stopping.signal)]);
    for (const feed of full) this.#heldMs.set(feed, (this.#heldMs.get(feed) ?? 0) + performance.now() - since);
    const slow = full.filter((feed) => this.#feeds.has(feed) && (this.#heldMs.get(feed) ?? 0) >= graceMs);
    if (slow.length < this.#feeds.size) for (const feed of slow) onOverflow(feed);
  }

  #firstPosition(): Position {
    const [first, ...others] = this.feeds.map((feed) => feed.received);
    if (first === undefined) throw new Error('a reader needs a feed');
    return others.reduce((least, next) => (comparePositions(next, least) < 0 ? next : least), first);
  }

  /**
   * Which tables are decoded must not change within a transaction: what a connection has handed on of it is counted, and skipped
   * when it is read again. So feeds join only between transactions, and those that leave still count until the next end.
   */
  #renewFilter(): void {
    this.#filterFeeds = [...this.#feeds];
    this.#wanted.clear();
    this.#columns.clear();
  }

  #wants(schema: string, table: string): boolean {
    this.#isBetweenTransactions = false;
    const id = `${schema}.${table}`;
    const known = this.#wanted.get(id);
    if (known !== undefined) return known;
    const isWanted = this.#filterFeeds.some((feed) => feed.wants(schema, table));
    this.#wanted.set(id, isWanted);
    return isWanted;
  }

  /** All that any of the feeds receives of the table. */
  #columnsOf(schema: string, table: string): ReadonlySet<string> | undefined {
    const id = `${schema}.${table}`;
    if (this.#columns.has(id)) return this.#columns.get(id);
    const wishes = this.#filterFeeds.filter((feed) => feed.wants(schema, table)).map((feed) => feed.columns);
    const union = new Set(wishes.flatMap((wish) => [...(wish ?? [])]));
    const columns = wishes.includes(undefined) ? undefined : union;
    this.#columns.set(id, columns);
    return columns;
  }
}
