import type { Connection } from 'mysql2';
import { deferred } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { PauseLock } from '../lib/pause-lock.ts';
import type { TableFilter, TransactionSink } from './contract.ts';
import { ChecksumChanged, EventFeed } from './event-feed.ts';
import { toCodedError, unreachable } from './server-error.ts';
import { connectionOptions } from './server-link.ts';
import { SilenceWatch } from './silence-watch.ts';
import { refuseWithoutNames, TableMaps } from './table-map.ts';
import { TransactionAssembler, type HandedOn } from './transaction-assembler.ts';
import { ZongjiStream, type DumpPacket } from './zongji-stream.ts';

export interface BinlogStreamOptions {
  readonly url: string;
  /** Identity of the server, for the parts. */
  readonly server: string;
  readonly serverId: number;
  /** Where the dump begins: behind a GTID set, or at the end of a transaction. */
  readonly from: { readonly gtid: string } | { readonly file: string; readonly offset: number };
  /** Ends at the binlog's end instead of waiting for more. */
  readonly isBounded: boolean;
  readonly wants: TableFilter;
  readonly sink: TransactionSink;
  readonly skip: HandedOn;
  readonly pieceBytes: number;
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  readonly connectTimeoutMs: number;
  /** See ZongjiStreamOptions. */
  readonly hasChecksum: boolean | undefined;
  readonly logger: Logger;
  /** Called when the server has begun to send, and then about twice per silenceMs with the time of the last byte. */
  readonly onAlive: (lastEventAt: number) => void;
  /** The time in a file's first event: when the file was begun. */
  readonly onFormat?: (time: number) => void;
}

/** A reader that is paused by its sink for a day is cut off by the server. */
const WRITE_TIMEOUT_SECONDS = 86_400;
const IDLE_TIMEOUT_SECONDS = 31_536_000;
/** One socket chunk, 2 to 4 ms of decoding. */
const TURN_BYTES = 65_536;

/** Why the connection is not read: the sink has enough, zongji asks for a table's columns, or others have their turn. */
type PauseReason = 'sink' | 'metadata' | 'turn';

/**
 * One connection's worth of a binlog: from its dump command until it ends, is stopped, or fails. The first thing that cannot be
 * read ends it at once: nothing behind it reaches the sink, from the same socket chunk neither.
 */
export class BinlogStream {
  readonly #options: BinlogStreamOptions;
  readonly #zongji: ZongjiStream;
  readonly #assembler: TransactionAssembler;
  readonly #feed: EventFeed;
  readonly #end = deferred<void>();
  readonly #watch: SilenceWatch;
  #lock: PauseLock<PauseReason> | undefined;
  /** Bytes read since the other work of the process last had its turn. */
  #turnBytes = 0;
  #isEnded = false;
  #isAlive = false;
  #isDecoding = false;
  #sinkWaits = 0;

  constructor(options: BinlogStreamOptions) {
    this.#options = options;
    this.#assembler = new TransactionAssembler({ ...options, emit: (part) => this.#push(options.sink.push(part)) });
    this.#zongji = new ZongjiStream(connectionOptions(options), {
      wants: options.wants,
      hasChecksum: options.hasChecksum,
      onPacket: (packet, decode) => this.#onPacket(packet, decode),
      onTableLookup: (event) => this.#guard(() => refuseWithoutNames(event)),
    });
    this.#zongji.on('ready', () => this.#prepare());
    this.#zongji.on('binlog', (event) => void (this.#isEnded || this.#guard(() => this.#feed.take(event))));
    this.#zongji.on('error', (error) => this.#onError(error));
    this.#feed = new EventFeed({
      assembler: this.#assembler,
      tables: new TableMaps(options.wants),
      hasChecksum: () => this.#zongji.useChecksum,
      onNewFile: () => void (this.#zongji.tableMap = {}),
      onFormat: options.onFormat,
    });
    this.#watch = new SilenceWatch({
      silenceMs: options.silenceMs,
      bytesRead: () => this.#bytesRead(),
      isPaused: () => this.#lock?.isPaused ?? false,
      onTick: (lastByteAt) => this.#isAlive && options.onAlive(lastByteAt),
      onSilence: (silentMs) => this.#fail(unreachable(`nothing was heard from it for ${silentMs} ms`)),
    });
  }

  /** What of an unfinished transaction was handed on. */
  get handedOn(): HandedOn {
    return this.#assembler.handedOn;
  }

  /** Reads until the signal aborts (or the end, when bounded); rejects with what ended it else. */
  async run(signal: AbortSignal): Promise<void> {
    const { from, serverId, isBounded } = this.#options;
    const stop = () => this.#finish();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    else {
      const start = 'gtid' in from ? { gtidSet: from.gtid } : { filename: from.file, position: from.offset };
      this.#zongji.start({ ...start, serverId, nonBlock: isBounded });
    }
    try {
      await this.#end.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#watch.stop();
      await this.#close();
    }
  }

  /** Between zongji's preparations and its dump command: what is queued here runs before the dump. */
  #prepare(): void {
    const { connection, ctrlConnection } = this.#zongji;
    if (connection === null || ctrlConnection === null) return;
    const nanoseconds = this.#options.heartbeatMs * 1_000_000;
    connection.query(
      // Files with checksums and files without, as they were written: zongji says this only while the server writes them with.
      `SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32', ` +
        `@master_heartbeat_period = ${nanoseconds}, @source_heartbeat_period = ${nanoseconds}, ` +
        `SESSION net_write_timeout = ${WRITE_TIMEOUT_SECONDS}`,
      (error) => error && this.#fail(toCodedError(error)),
    );
    ctrlConnection.query(`SET SESSION wait_timeout = ${IDLE_TIMEOUT_SECONDS}`, (error) => error && this.#fail(toCodedError(error)));
    // zongji pauses and resumes the connection around its own questions: it must not resume over the sink, nor the other way.
    const pause = connection.pause.bind(connection);
    const resume = connection.resume.bind(connection);
    const lock = new PauseLock<PauseReason>({ onPause: pause, onResume: resume });
    connection.pause = () => lock.pause('metadata');
    connection.resume = () => lock.resume('metadata');
    this.#lock = lock;
  }

  #onPacket(packet: DumpPacket, decode: () => void): void {
    if (this.#isEnded) return;
    const bytes = packet.end - packet.offset; // decoding moves the offset
    this.#guard(() => {
      if (packet.isError()) throw toCodedError(packet.asError('utf8'));
      if (packet.isEOF()) return this.#finish();
      if (!this.#isAlive) {
        this.#isAlive = true;
        this.#options.onAlive(Date.now());
      }
      if (this.#feed.needsDecoding(packet)) decode();
      this.#endTurn(bytes);
    });
  }

  /**
   * After so many bytes, whatever else is ready goes first. A socket that is full is read on and on within one turn of the event
   * loop (libuv: up to 32 times), and the store's answers, and so its next statement, would wait for all that is decoded of it.
   */
  #endTurn(bytes: number): void {
    this.#turnBytes += bytes;
    if (this.#turnBytes < TURN_BYTES) return;
    this.#turnBytes = 0;
    this.#lock?.pause('turn');
    setImmediate(() => {
      if (!this.#isEnded) this.#lock?.resume('turn');
    });
  }

  #push(enough: Promise<void> | undefined): void {
    if (enough === undefined) return;
    this.#sinkWaits += 1;
    this.#lock?.pause('sink');
    const goOn = () => {
      this.#sinkWaits -= 1;
      if (this.#sinkWaits > 0 || this.#isEnded) return;
      this.#watch.restart();
      this.#lock?.resume('sink');
    };
    enough.then(goOn, (error: unknown) => this.#fail(new CodedError('INTERNAL', 'a sink refused a part', { cause: error })));
  }

  #onError(error: Error): void {
    // What zongji reports while a packet is in its hands is the packet's fault.
    this.#fail(this.#isDecoding ? this.#feed.undecodable(error.message, error) : toCodedError(error));
  }

  /** Runs what handles an event: whatever it throws ends the stream. False when the stream has ended. */
  #guard(work: () => void): boolean {
    const wasDecoding = this.#isDecoding;
    this.#isDecoding = true;
    try {
      work();
    } catch (error) {
      const isKnown = error instanceof CodedError || error instanceof ChecksumChanged;
      this.#fail(isKnown ? error : this.#feed.undecodable(String(error), error));
    } finally {
      this.#isDecoding = wasDecoding;
    }
    return !this.#isEnded;
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

  #bytesRead(): number {
    // mysql2's socket, which its types leave out.
    const connection: (Connection & { readonly stream?: { readonly bytesRead?: number } }) | null = this.#zongji.connection;
    return connection?.stream?.bytesRead ?? 0;
  }

  async #close(): Promise<void> {
    const stopped = deferred<void>();
    this.#zongji.once('stopped', () => stopped.resolve());
    this.#zongji.stop();
    await stopped.promise;
  }
}
