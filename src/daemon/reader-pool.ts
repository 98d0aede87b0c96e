import { sleep } from '../lib/abort.ts';
import { describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { gtidContains } from '../row/gtid.ts';
import { comparePositions, type Position } from '../row/position.ts';
import type { FlowFeed } from './feed.ts';
import { Reader, type ReaderLimits, type ReaderView } from './reader.ts';

export interface ReaderPoolOptions extends ReaderLimits {
  readonly logger: Logger;
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
  stateOf(feed: FlowFeed): ReaderView | undefined {
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
        this.#options.logger.warn(
          { error: describeError(failure), flows: feeds.map((feed) => feed.flow) },
          'reader ended, flows read apart',
        );
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
    const readers = [...this.#readers];
    for (const from of readers.toReversed()) {
      for (const into of readers) {
        if (from === into || !from.isLive || !into.canTake(from.feeds)) continue;
        const feeds = from.clear();
        this.#options.logger.info({ flows: feeds.map((feed) => feed.flow) }, 'flow has caught up and joins');
        into.take(feeds);
        break;
      }
    }
  }
}
