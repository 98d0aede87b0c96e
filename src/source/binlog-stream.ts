import { MalformedEvent } from '../binlog/malformed.ts';
import { deferred } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { ColumnFilter, TableFilter, TransactionSink } from './contract.ts';
import { DumpConnection, type DumpStart } from './dump-connection.ts';
import { EventFeed, type EventFeedOptions } from './event-feed.ts';
import type { InnerEvents } from './inner-events.ts';
import { unreachable } from './server-error.ts';
import { SilenceWatch } from './silence-watch.ts';
import type { DefinitionSource } from './table-definitions.ts';
import { TableMaps } from './table-maps.ts';
import { TransactionAssembler, type HandedOn } from './transaction-assembler.ts';
import type { XaGroups } from './xa-groups.ts';

export interface BinlogStreamOptions {
  readonly url: string;
  /** Identity of the server, for the parts. */
  readonly server: string;
  readonly flavour: 'mysql' | 'mariadb';
  readonly serverId: number;
  readonly from: DumpStart;
  /** Ends at the binlog's end instead of waiting for more. */
  readonly isBounded: boolean;
  readonly wants: TableFilter;
  readonly columns?: ColumnFilter | undefined;
  readonly definitions: DefinitionSource;
  readonly xa: XaGroups;
  readonly sink: TransactionSink;
  readonly skip: HandedOn;
  readonly pieceBytes: number;
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  readonly connectTimeoutMs: number;
  readonly logger: Logger;
  /** Called when the server has begun to send, and then about twice per silenceMs with the time of the last byte. */
  readonly onAlive: (lastEventAt: number) => void;
  /** Each statement of the binlog, with where it begins. */
  readonly onStatement?: EventFeedOptions['onStatement'];
  /** The time in a file's first event: when the file was begun. */
  readonly onFormat?: (time: number) => void;
}

/** One socket chunk, 1 to 2 ms of decoding. */
const TURN_BYTES = 65_536;

/**
 * One connection's worth of a binlog: from its dump command until it ends, is stopped, or fails. The first thing that cannot be
 * read ends it at once: nothing behind it reaches the sink, from the same socket chunk neither.
 */
export class BinlogStream {
  readonly #options: BinlogStreamOptions;
  readonly #assembler: TransactionAssembler;
  readonly #feed: EventFeed;
  readonly #end = deferred<void>();
  readonly #watch: SilenceWatch;
  #dump: DumpConnection | undefined;
  /** Events within events that are still to be taken, the innermost last; the connection is paused for as long. */
  readonly #inner: InnerEvents[] = [];
  #isInnerDue = false;
  /** Bytes read since the other work of the process last had its turn. */
  #turnBytes = 0;
  #isEnded = false;
  #isAlive = false;
  /** Promises that are still to resolve before anything more is taken. */
  #waits = 0;

  constructor(options: BinlogStreamOptions) {
    this.#options = options;
    this.#assembler = new TransactionAssembler({ ...options, emit: (part) => this.#push(options.sink.push(part)) });
    this.#feed = new EventFeed({
      assembler: this.#assembler,
      tables: new TableMaps(options),
      xa: options.xa,
      onWait: (ready) => this.#wait('inner', ready),
      onStatement: options.onStatement,
      onFormat: options.onFormat,
    });
    this.#watch = new SilenceWatch({
      silenceMs: options.silenceMs,
      progress: () => this.#dump?.progress ?? 0,
      isPaused: () => this.#dump?.isPaused ?? false,
      onTick: (lastByteAt) => this.#isAlive && options.onAlive(lastByteAt),
      onSilence: (silentMs) => this.#fail(unreachable(`nothing was heard from it for ${Math.round(silentMs)} ms`)),
    });
  }

  /** What of an unfinished transaction was handed on. */
  get handedOn(): HandedOn {
    return this.#assembler.handedOn;
  }

  /** Reads until the signal aborts (or the end, when bounded); rejects with what ended it else. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#finish();
    signal.addEventListener('abort', stop);
    try {
      if (signal.aborted) stop();
      else {
        this.#dump = new DumpConnection({
          ...this.#options,
          onEvent: (event) => this.#onEvent(event),
          onEnd: () => this.#finish(),
          onError: (error) => this.#fail(error),
        });
      }
      await this.#end.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#watch.stop();
      this.#dump?.close();
    }
  }

  #onEvent(event: Buffer): void {
    if (this.#isEnded) return;
    if (!this.#isAlive) {
      this.#isAlive = true;
      this.#options.onAlive(Date.now());
    }
    this.#guard(() => this.#enter(this.#feed.take(event)));
    if (this.#inner.length > 0) {
      this.#dump?.pause('payload');
      this.#takeInner();
    }
    if (this.#isTurnOver(event.length)) {
      this.#dump?.pause('turn');
      setImmediate(() => !this.#isEnded && this.#dump?.resume('turn'));
    }
  }

  #enter(events: InnerEvents | undefined): void {
    if (events !== undefined) this.#inner.push(events);
  }

  /** Takes events within events until the turn is over, something is to be waited for, or there are no more. */
  #takeInner(): void {
    for (let events = this.#inner.at(-1); events !== undefined; events = this.#inner.at(-1)) {
      if (this.#isEnded || this.#waits > 0) return;
      const event = this.#nextInner(events);
      if (event === undefined) this.#inner.pop();
      else if (event instanceof Promise) this.#wait('inner', event);
      else {
        this.#guard(() => this.#enter(this.#feed.takeInner(event)));
        if (this.#isTurnOver(event.length)) {
          this.#takeInnerLater();
          return;
        }
      }
    }
    this.#dump?.resume('payload');
  }

  #takeInnerLater(): void {
    if (this.#isInnerDue) return;
    this.#isInnerDue = true;
    setImmediate(() => {
      this.#isInnerDue = false;
      this.#takeInner();
    });
  }

  #nextInner(events: InnerEvents): Buffer | Promise<void> | undefined {
    let event: Buffer | Promise<void> | undefined;
    this.#guard(() => {
      event = events.next().value ?? undefined;
    });
    return event;
  }

  /**
   * After so many bytes, whatever else is ready goes first. A socket that is full is read on and on within one turn of the event
   * loop (libuv: up to 32 times), and the store's answers, and so its next statement, would wait for all that is decoded of it.
   */
  #isTurnOver(bytes: number): boolean {
    this.#turnBytes += bytes;
    if (this.#turnBytes < TURN_BYTES) return false;
    this.#turnBytes = 0;
    return true;
  }

  #push(enough: Promise<void> | undefined): void {
    if (enough !== undefined) this.#wait('sink', enough);
  }

  /** Reads nothing more before this resolves: the sink has enough (it never rejects), or what an event needs is not there yet. */
  #wait(reason: 'sink' | 'inner', ready: Promise<void>): void {
    this.#waits += 1;
    this.#dump?.pause('wait');
    const goOn = () => {
      this.#waits -= 1;
      if (this.#waits > 0 || this.#isEnded) return;
      this.#watch.restart();
      this.#takeInner();
      if (this.#waits === 0) this.#dump?.resume('wait');
    };
    ready.then(goOn, (error: unknown) => {
      const isCoded = error instanceof CodedError && reason !== 'sink';
      this.#fail(isCoded ? error : new CodedError('INTERNAL', `a wait (${reason}) was refused`, { cause: error }));
    });
  }

  /** Runs what handles an event: whatever it throws ends the stream. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof CodedError) this.#fail(error);
      else this.#fail(this.#feed.undecodable(error instanceof MalformedEvent ? error.message : String(error), error));
    }
  }

  #fail(error: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#end.reject(error);
  }

  #finish(): void {
    this.#isEnded = true;
    this.#end.resolve();
  }
}
