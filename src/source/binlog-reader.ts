import { followSignal, sleep } from '../lib/abort.ts';
import { Backoff } from '../lib/backoff.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { TransactionPart } from '../row/change.ts';
import { comparePositions, formatPosition, MovingPosition } from '../row/position.ts';
import { BinlogStream } from './binlog-stream.ts';
import type { ReadOptions, ServerIdentity } from './contract.ts';
import { DamageTries } from './damage-tries.ts';
import { PreparedTransactions } from './prepared-transactions.ts';
import { withServer } from './server-link.ts';
import { readIdentity } from './server-settings.ts';
import type { DefinitionSource } from './table-definitions.ts';
import type { HandedOn } from './transaction-assembler.ts';
import { verifyServer } from './verify-server.ts';
import type { PreparedSource } from './xa-groups.ts';

export interface BinlogReaderOptions {
  readonly url: string;
  readonly serverId: number;
  /** Another server_id when this one is taken; undefined where the user has given it. */
  readonly nextServerId: (() => number) | undefined;
  readonly definitions: DefinitionSource;
  readonly prepared: PreparedSource;
  readonly pieceBytes: number;
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  readonly connectTimeoutMs: number;
  readonly logger: Logger;
}

/** A connection that has lasted so long is no longer a try. */
const STEADY_MS = 3000;
const NOTHING: HandedOn = { gtid: '', count: 0 };

/**
 * Reads from a position until its signal aborts, over as many connections as it takes. Each starts behind the last complete
 * transaction; what of the next one was handed on already is left out.
 *
 *   connect ─> verify server ─> dump ──lost──> wait (backoff) ─> connect
 *                   │             │
 *                   └─ stop ──────┴─> reject with the code
 */
export class BinlogReader {
  readonly #options: BinlogReaderOptions;
  readonly #read: ReadOptions;
  readonly #backoff = new Backoff({ firstMs: 100, maxMs: 3000 });
  readonly #damage = new DamageTries();
  #serverId: number;
  /** The last complete transaction; made at the first connection, when the server's kind is known. */
  #place: MovingPosition | undefined;
  /** The server that `#place`'s file and offset belong to: behind a failover the one before, until something has come from the new one. */
  #server: string;
  #handedOn = NOTHING;
  /** Whether parts that only move file and offset count: not before the dump has reached the place that it resumes at. */
  #movesFrom: { readonly file: string; readonly offset: number } | 'transaction' = 'transaction';

  constructor(options: BinlogReaderOptions, read: ReadOptions) {
    this.#options = options;
    this.#read = read;
    this.#serverId = options.serverId;
    this.#server = read.from.server;
  }

  async run(): Promise<void> {
    const { signal, onState } = this.#read;
    let lastEventAt = 0;
    while (!signal.aborted) {
      try {
        const startedAt = Date.now();
        await this.#readOnce((at) => {
          lastEventAt = at;
          if (at - startedAt > STEADY_MS) this.#steady();
          onState?.({ isConnected: true, lastEventAt, lastError: undefined });
        });
      } catch (error) {
        if (signal.aborted) return;
        const delayMs = this.#delayAfter(error);
        if (error instanceof Error) onState?.({ isConnected: false, lastEventAt, lastError: error });
        await sleep(delayMs, signal);
      }
    }
  }

  async #readOnce(onAlive: (at: number) => void): Promise<void> {
    const { signal, wants, columns } = this.#read;
    const identity = await withServer({ ...this.#options, signal }, (query) => this.#verify(query));
    const place = (this.#place ??= new MovingPosition({ ...this.#read.from, server: this.#server || identity.server }, identity));
    const { file, offset, gtid } = place.toPosition();
    const isByGtid = identity.hasGtid && gtid !== '';
    this.#movesFrom = isByGtid && identity.server !== this.#server && this.#server !== '' ? 'transaction' : { file, offset };
    const xa = new PreparedTransactions({ wants, source: this.#options.prepared });
    const stream = new BinlogStream({
      ...this.#options,
      xa,
      server: identity.server,
      flavour: identity.flavour,
      serverId: this.#serverId,
      from: isByGtid ? { gtid } : { file, offset },
      isBounded: false,
      wants,
      columns,
      sink: { push: (part) => this.#push(part, place) },
      skip: this.#handedOn,
      onAlive,
    });
    const ending = new AbortController();
    followSignal(signal, ending);
    const done = stream.run(ending.signal);
    try {
      if (identity.flavour === 'mysql') await done;
      else await Promise.race([done, this.#watchHistory(ending.signal).then(() => done)]);
    } finally {
      this.#handedOn = stream.handedOn;
      ending.abort();
      await xa.close();
    }
  }

  /**
   * MariaDB's dump thread does not notice RESET MASTER: it goes on to say that there is nothing new. So a reader to which nothing comes
   * asks, now and then, whether the server still has the history that it stands in; rejects where it has not.
   */
  async #watchHistory(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const before = this.#describe();
      await sleep(this.#options.silenceMs * 2, signal);
      if (signal.aborted || this.#describe() !== before) continue;
      try {
        await withServer({ ...this.#options, signal }, (query) => this.#verify(query));
      } catch (error) {
        // A server that cannot be asked now is the stream's concern.
        if (!signal.aborted && error instanceof CodedError && error.class !== 'retry') throw error;
      }
    }
  }

  async #verify(query: Parameters<typeof verifyServer>[0]): Promise<ServerIdentity> {
    const identity = await readIdentity(query);
    const position = this.#place?.toPosition() ?? this.#read.from;
    await verifyServer(query, identity, { ...position, server: this.#server });
    return identity;
  }

  #push(part: TransactionPart, place: MovingPosition): Promise<void> | undefined {
    if (part.isFinal) {
      const isMove = part.gtid === '' && part.groups.length === 0 && part.statements === undefined;
      if (isMove && !this.#isAhead(part)) return undefined;
      if (!isMove) this.#movesFrom = part;
      place.advance(part);
      this.#server = part.server;
    }
    this.#steady();
    return this.#read.sink.push(part);
  }

  /** A dump by GTIDs begins with the start of a file, which lies behind us. */
  #isAhead(part: TransactionPart): boolean {
    const from = this.#movesFrom;
    if (from === 'transaction') return false;
    if (comparePositions(part, from) <= 0) return false;
    this.#movesFrom = part;
    return true;
  }

  /** How long to wait before the next try; throws what no further try can mend. */
  #delayAfter(error: unknown): number {
    const { logger, nextServerId } = this.#options;
    if (!(error instanceof CodedError)) throw error;
    if (error.code === 'SOURCE_SERVER_ID_CLASH' && nextServerId !== undefined) {
      this.#serverId = nextServerId();
      logger.warn({ serverId: this.#serverId }, 'server_id taken by another reader, another one chosen');
    } else if (error.class !== 'retry' && !this.#damage.mayReadAgain(error)) {
      throw this.#withPosition(error);
    }
    const delayMs = this.#backoff.nextMs();
    const fields = { error: describeError(error), delayMs, tries: this.#backoff.tries, position: this.#describe() };
    // The longer it lasts, the louder.
    if (this.#backoff.tries <= 4) logger.info(fields, 'source connection lost');
    else if (this.#backoff.tries <= 8) logger.warn(fields, 'source still not reached');
    else logger.error(fields, 'source still not reached');
    return delayMs;
  }

  /** What the server itself refuses does not say where the reader stands. */
  #withPosition(error: CodedError): CodedError {
    if (error.details['position'] !== undefined) return error;
    const position = this.#describe();
    const details = { ...error.details, position };
    return new CodedError(error.code, `${error.message} (reading from ${position})`, {
      class: error.class,
      cause: error.cause,
      details,
    });
  }

  /** A connection that lasts, or that brings something, ends the trouble; one that is only accepted may be lost at once again. */
  #steady(): void {
    if (this.#backoff.tries === 0) return;
    this.#options.logger.info({ position: this.#describe() }, 'source connected again');
    this.#backoff.reset();
  }

  #describe(): string {
    return formatPosition(this.#place?.toPosition() ?? this.#read.from);
  }
}
