import { deferred, sleep } from '../lib/abort.ts';
import { describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { gtidContains } from '../row/gtid.ts';
import { comparePositions, type Position } from '../row/position.ts';
import type { TransactionPart } from '../row/change.ts';
import type { ReaderState, Source, TransactionSink } from '../source/contract.ts';
import { Progress } from './batch.ts';
import type { FlowFeed } from './feed.ts';

export interface ReaderPoolOptions {
  readonly source: Source;
  readonly hasGtid: boolean;
  readonly logger: Logger;
  /** How long a full feed may hold up the others of its reader before it gets a reader of its own. */
  readonly graceMs: number;
  /** Feeds at most this far apart in one binlog file begin with one reader. */
  readonly nearBytes: number;
  /** How long a new feed waits for others that start with it. */
  readonly gatherMs: number;
}

/**
 * The readers of one source: as few as possible, as many as independence needs (L4).
 *
 * Feeds that are near one another share a reader. A feed that stays full while others of its reader are not is given one of its
 * own; two readers become one when the feeds of the one have received all that the other has read. A reader that ends in an
 * error is replaced by one for each of its feeds, so that the error stops those flows only that meet it by themselves.
 */
export class ReaderPool {
  readonly #options: ReaderPoolOptions;
  readonly #readers = new Set<Reader>();
  readonly #closing = new AbortController();
  #merging: Promise<void> | undefined;
  #waiting: FlowFeed[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReaderPoolOptions) {
    this.#options = options;
  }

  /** Begins to feed a feed, from what it has received: a moment later, so that flows which start together read together. */
  add(feed: FlowFeed): void {
    this.#waiting.push(feed);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#closing.signal.aborted) this.#place(this.#waiting.splice(0));
    }, this.#options.gatherMs);
  }

  #place(feeds: readonly FlowFeed[]): void {
    const apart: FlowFeed[] = [];
    for (const feed of feeds) {
      const reader = [...this.#readers].find((candidate) => candidate.canTake([feed]));
      if (reader === undefined) apart.push(feed);
      else reader.take([feed]);
    }
    for (const group of this.#groupNear(apart)) this.#start(group);
    this.#merging ??= this.#mergeReaders();
  }

  /** Stops feeding a feed. */
  remove(feed: FlowFeed): void {
    this.#waiting = this.#waiting.filter((other) => other !== feed);
    for (const reader of this.#readers) reader.drop(feed);
  }

  /** What the reader of this feed is doing; undefined while it has none. */
  stateOf(feed: FlowFeed): ReaderState | undefined {
    return [...this.#readers].find((reader) => reader.has(feed))?.state;
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  /** Stops all reading; resolves when every connection is closed. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    const readers = [...this.#readers];
    for (const reader of readers) reader.stop();
    await Promise.all([...readers.map((reader) => reader.ended), this.#merging]);
  }

  #groupNear(feeds: readonly FlowFeed[]): FlowFeed[][] {
    const sorted = feeds.toSorted((a, b) => comparePositions(a.receivedPlace, b.receivedPlace));
    const groups: FlowFeed[][] = [];
    for (const feed of sorted) {
      const group = groups.at(-1);
      const first = group?.[0];
      if (group !== undefined && first !== undefined && this.#isNear(first.received, feed.received)) group.push(feed);
      else groups.push([feed]);
    }
    return groups;
  }

  #isNear(first: Position, next: Position): boolean {
    const { nearBytes, hasGtid } = this.#options;
    if (first.server !== next.server || first.file !== next.file || next.offset - first.offset > nearBytes) return false;
    return !hasGtid || gtidContains(next.gtid, first.gtid);
  }

  #start(feeds: readonly FlowFeed[]): void {
    const reader = new Reader({ ...this.#options, onOverflow: (feed) => this.#separate(reader, feed) });
    this.#readers.add(reader);
    reader.take(feeds);
    reader.ended = this.#run(reader);
  }

  async #run(reader: Reader): Promise<void> {
    try {
      await reader.run();
    } catch (error) {
      const feeds = reader.clear();
      this.#readers.delete(reader);
      const failure = error instanceof Error ? error : new Error(describeError(error));
      if (feeds.length === 1) feeds[0]?.fail(failure);
      else {
        this.#options.logger.warn({ error: describeError(failure), flows: feeds.map((feed) => feed.flow) }, 'reader ended, flows read apart');
        for (const feed of feeds) this.#start([feed]);
      }
      return;
    }
    this.#readers.delete(reader);
  }

  #separate(reader: Reader, feed: FlowFeed): void {
    reader.drop(feed);
    this.#options.logger.info({ flow: feed.flow }, 'flow is slower than others and reads apart');
    this.#start([feed]);
  }

  async #mergeReaders(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await sleep(250, this.#closing.signal);
      if (this.#readers.size > 1) this.#mergeOnce();
    }
  }

  #mergeOnce(): void {
    for (const from of this.#readers) {
      for (const into of this.#readers) {
        if (from === into || !from.isLive || !into.canTake(from.feeds)) continue;
        const feeds = from.clear();
        this.#options.logger.info({ flows: feeds.map((feed) => feed.flow) }, 'flow has caught up and joins');
        into.take(feeds);
        break;
      }
    }
  }
}

interface ReaderOptions extends ReaderPoolOptions {
  readonly onOverflow: (feed: FlowFeed) => void;
}

/** One connection that reads the binlog for a set of feeds. */
class Reader implements TransactionSink {
  readonly #options: ReaderOptions;
  readonly #feeds = new Set<FlowFeed>();
  readonly #stopping = new AbortController();
  readonly #stopped = deferred<void>();
  readonly #wanted = new Map<string, boolean>();
  #progress: Progress | undefined;
  #isBetweenTransactions = true;
  state: ReaderState = { isConnected: false, lastEventAt: Date.now(), lastError: undefined };
  ended: Promise<void> = Promise.resolve();

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  get feeds(): readonly FlowFeed[] {
    return [...this.#feeds];
  }

  get isLive(): boolean {
    return this.#feeds.size > 0 && !this.#stopping.signal.aborted;
  }

  has(feed: FlowFeed): boolean {
    return this.#feeds.has(feed);
  }

  /** Whether these feeds lack nothing that this reader has read already. */
  canTake(feeds: readonly FlowFeed[]): boolean {
    const progress = this.#progress;
    if (progress === undefined || !this.isLive || !this.#isBetweenTransactions) return false;
    return feeds.every((feed) => {
      if (feed.isFull) return false;
      if (comparePositions(feed.receivedPlace, progress.place) < 0 && !this.#options.hasGtid) return false;
      const read = progress.toPosition();
      return this.#options.hasGtid ? gtidContains(feed.received.gtid, read.gtid) : feed.received.server === read.server;
    });
  }

  take(feeds: readonly FlowFeed[]): void {
    for (const feed of feeds) {
      feed.attach();
      this.#feeds.add(feed);
    }
    this.#wanted.clear();
  }

  drop(feed: FlowFeed): void {
    if (!this.#feeds.delete(feed)) return;
    this.#wanted.clear();
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
      onState: (state) => {
        this.state = state;
      },
    });
  }

  push(part: TransactionPart): Promise<void> | undefined {
    let isHeld = false;
    for (const feed of this.#feeds) {
      if (feed.push(part) !== undefined) isHeld = true;
    }
    this.#isBetweenTransactions = part.isFinal;
    if (part.isFinal) this.#progress?.moveTo(part);
    return isHeld ? this.#hold() : undefined;
  }

  async #hold(): Promise<void> {
    for (;;) {
      const full = this.feeds.filter((feed) => feed.isFull);
      if (full.length === 0) return;
      const drained = full.map((feed) => feed.drained);
      if (this.#stopping.signal.aborted) return;
      if (full.length === this.#feeds.size) {
        await Promise.race([...drained, this.#stopped.promise]);
        continue;
      }
      await Promise.race([Promise.all(drained), sleep(this.#options.graceMs, this.#stopping.signal)]);
      const slow = this.feeds.filter((feed) => feed.isFull);
      if (slow.length < this.#feeds.size) for (const feed of slow) this.#options.onOverflow(feed);
    }
  }

  #firstPosition(): Position {
    const [first, ...others] = this.feeds.map((feed) => feed.received);
    if (first === undefined) throw new Error('a reader needs a feed');
    return others.reduce((least, next) => (comparePositions(next, least) < 0 ? next : least), first);
  }

  #wants(schema: string, table: string): boolean {
    const id = `${schema}.${table}`;
    const known = this.#wanted.get(id);
    if (known !== undefined) return known;
    const isWanted = this.feeds.some((feed) => feed.wants(schema, table));
    this.#wanted.set(id, isWanted);
    return isWanted;
  }
}
