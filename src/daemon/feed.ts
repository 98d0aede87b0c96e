import { deferred, type Deferred } from '../lib/abort.ts';
import type { IntendedBatch } from '../checkpoint/intent.ts';
import type { ChangeGroup, Table, TransactionPart } from '../row/change.ts';
import { narrowGroup } from '../row/narrow-group.ts';
import type { Position } from '../row/position.ts';
import type { TransactionSink } from '../source/contract.ts';
import { countChanges, dropChanges, makeBatch, type Batch, type RoutedPart } from './batch.ts';
import { whyNotTheCut, wrongTransaction } from './cut-transaction.ts';
import { cutByLimits } from './cut-by-limits.ts';
import { FeedBound } from './feed-bound.ts';
import { IntendedCuts } from './intended-cuts.ts';
import { Progress } from './progress.ts';
import { routeStatement } from './route-statement.ts';
import { UnderWay } from './under-way.ts';

export interface FeedOptions {
  readonly flow: string;
  /** The flow's checkpoint: parts up to it are dropped. */
  readonly start: Position;
  readonly hasGtid: boolean;
  readonly wants: (schema: string, table: string) => boolean;
  /** Whether tables of the schema may be wanted; absent: none is known by its schema alone. */
  readonly wantsSchema?: ((schema: string) => boolean) | undefined;
  /** The columns that the flow receives, besides primary keys'; undefined: all. */
  readonly columns?: ReadonlySet<string> | undefined;
  /** Above this many bytes waiting, `push` asks its reader to stop; it asks on below half of it. */
  readonly queueBytesMax: number;
  readonly batch: { readonly rows: number; readonly bytes: number };
  /** Batches that are to be cut again as they were before; absent: none. */
  readonly cuts?: IntendedCuts | undefined;
}

/**
 * What one flow has yet to process: the end of a reader, the beginning of the flow's worker.
 *
 * A reader pushes every transaction part; the feed keeps the flow's changes and drops what the flow has passed already. So a
 * reader may begin anywhere at or before the feed's place, and may be exchanged for another at any moment (`attach`): what
 * comes twice is dropped by position, and by count in the transaction that was cut.
 */
export class FlowFeed implements TransactionSink {
  readonly flow: string;
  readonly #options: FeedOptions;
  readonly #cuts: IntendedCuts;
  /** What has been received; the worker's place is behind it by what is queued. */
  readonly #received: Progress;
  #taken: Position;
  /** What was taken and is not known to be committed. */
  readonly underWay: UnderWay;
  #queue: RoutedPart[] = [];
  #queuedBytes = 0;
  /** Changes in the queue. */
  #queuedSize = 0;
  #drained: Deferred<void> | undefined;
  #arrived: Deferred<void> | undefined;
  /** False until this reader has delivered something new: from then on nothing can come twice. */
  #isSynced = false;
  /** Changes of the next transaction that the flow has already. */
  #skip: number;
  #lastTable: Table | undefined;
  #lastWanted = false;
  #failure: Error | undefined;
  #batch: FeedOptions['batch'];
  readonly #bound: FeedBound;
  /** Called at the next end of a transaction; nothing is taken in afterwards. */
  #onClosed: (() => void) | undefined;
  #isClosed = false;

  constructor(options: FeedOptions) {
    this.flow = options.flow;
    this.#options = options;
    this.#cuts = options.cuts ?? new IntendedCuts({ batches: [], hasGtid: options.hasGtid });
    this.#received = new Progress(options.start, { hasGtid: options.hasGtid });
    this.#taken = options.start;
    this.underWay = new UnderWay(options.start);
    this.#skip = options.start.rows;
    this.#batch = options.batch;
    this.#bound = new FeedBound(options);
  }

  /** Where a reader for this feed has to begin, at the latest. */
  get received(): Position {
    return this.#received.toPosition();
  }

  get receivedPlace(): { readonly file: string; readonly offset: number } {
    return this.#received.place;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get isFull(): boolean {
    return this.#drained !== undefined;
  }

  /** Commit time of the oldest change that is not known to be committed in the store; 0 when there is none. */
  get oldestTime(): number {
    return this.underWay.oldest?.oldestTime ?? this.#queue.find((part) => part.size > 0)?.time ?? 0;
  }

  /** Whether batches of an earlier run are still to be cut again. */
  get isCuttingAgain(): boolean {
    return this.#cuts.batches.length > 0;
  }

  /** How many changes these batches have. */
  get sizeCuttingAgain(): number {
    return this.#cuts.batches.reduce((sum, { size }) => sum + size, 0);
  }

  /** Resolves when the queue has room again. */
  get drained(): Promise<void> {
    return this.#drained?.promise ?? Promise.resolve();
  }

  wants(schema: string, table: string): boolean {
    return this.#options.wants(schema, table);
  }

  get columns(): ReadonlySet<string> | undefined {
    return this.#options.columns;
  }

  /** Other limits for the batches from here on. */
  setLimits(batch: FeedOptions['batch']): void {
    this.#batch = batch;
  }

  /** Takes nothing in behind the transaction that it is in: the flow's tables may change there, and not before (L2). */
  closeBetweenTransactions(onClosed: () => void): void {
    this.#onClosed = onClosed;
    if (this.#received.rows === 0) this.#close();
  }

  /** Nothing beyond this is taken; `here`: beyond the transaction that was taken last; undefined: all is, as it comes. */
  holdAt(limit: Position | 'here' | undefined): void {
    this.#bound.set(limit === 'here' ? this.#taken : limit);
    this.#arrived?.resolve();
  }

  /** Where it stands, held, with all before it committed; undefined: it does not yet. */
  get standing(): Position | undefined {
    const isDone = this.#takable.length === 0 && this.#taken.rows === 0 && this.underWay.oldest === undefined;
    return this.#bound.isSet && isDone ? this.#taken : undefined;
  }

  get #takable(): RoutedPart[] {
    return this.#bound.before(this.#queue, this.#taken.rows > 0);
  }

  #close(): void {
    if (this.#isClosed || this.#onClosed === undefined) return;
    this.#isClosed = true;
    this.#onClosed();
  }

  /** Another reader takes over, from at or before `received`. */
  attach(): void {
    this.#isSynced = false;
    this.#skip = this.#received.rows;
  }

  /** No more will come: the worker gets the error once it has taken what is queued. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#arrived?.resolve();
  }

  push(part: TransactionPart): Promise<void> | undefined {
    if (this.#isClosed) return undefined;
    if (!this.#isSynced) {
      // A bare move of file and offset says nothing about GTIDs, and after a failover nothing about the place either.
      if (this.#options.hasGtid && part.gtid === '') return undefined;
      if (this.#received.hasPassed(part)) return undefined;
      this.#isSynced = true;
    }
    this.#enqueue(part);
    if (this.#received.rows === 0) this.#close();
    const isShort = this.#queuedSize < this.#cuts.sizeWanted;
    if (isShort || this.#queuedBytes <= this.#options.queueBytesMax) return undefined;
    this.#drained ??= deferred();
    return this.#drained.promise;
  }

  /**
   * The next batch: everything that waits, up to the flow's limits; or what was intended before, once all of it waits. Waits for a first change, or for the place to have moved;
   * resolves with undefined when the signal aborts and nothing is left.
   */
  async take(signal: AbortSignal): Promise<Batch | undefined> {
    while (this.#takable.length === 0 || !this.#cuts.isReady(this.#queue, this.#queuedSize)) {
      if (this.#failure !== undefined) throw this.#failure;
      if (signal.aborted) return undefined;
      this.#arrived = deferred();
      const { resolve } = this.#arrived;
      const onAbort = (): void => resolve();
      signal.addEventListener('abort', onAbort, { once: true });
      await this.#arrived.promise;
      signal.removeEventListener('abort', onAbort);
      this.#arrived = undefined;
    }
    return this.#cutBatch();
  }

  #enqueue(part: TransactionPart): void {
    let routed = this.#routePart(part);
    const { size } = routed;
    if (this.#skip > 0) {
      const why = whyNotTheCut(routed, { skip: this.#skip, received: this.#received });
      if (why !== undefined) return this.#refuse(why);
      const skipped = Math.min(this.#skip, size);
      this.#skip -= skipped;
      if (skipped > 0) routed = dropChanges(routed, skipped);
      // What moves the place before the cut transaction comes back leaves the count of its rows standing.
      if (routed.isFinal && size === 0 && routed.statements === undefined) return this.#received.moveTo(routed);
    }
    this.#received.advance(routed);
    if (routed.size === 0 && !routed.isFinal && routed.statements === undefined) return;
    this.#append(routed);
    this.#arrived?.resolve();
  }

  /** What comes cannot be what the flow has done in part: nothing of it, and nothing behind it, is taken in. */
  #refuse(why: string): void {
    this.#isClosed = true;
    this.fail(wrongTransaction(this.flow, this.received, why));
  }

  /** Parts without changes that follow one another need not all be kept: only GTIDs must. */
  #append(part: RoutedPart): void {
    const last = this.#queue.at(-1);
    if (isMove(part) && last !== undefined && isMove(last)) {
      this.#queue[this.#queue.length - 1] = part;
      return;
    }
    this.#queue.push(part);
    this.#queuedBytes += part.bytes;
    this.#queuedSize += part.size;
  }

  #routePart(part: TransactionPart): RoutedPart {
    const groups = this.#route(part.groups);
    const size = countChanges(groups);
    const bytes = size === 0 ? 0 : part.bytes;
    if (part.statements === undefined) return { ...part, groups, size, bytes };
    const { statements, ...rest } = part;
    const routed = { ...rest, groups, size, bytes };
    const { wants, wantsSchema = () => false } = this.#options;
    const wanted = statements.flatMap((statement) => routeStatement(statement, { wants, wantsSchema }) ?? []);
    return wanted.length === 0 ? routed : { ...routed, bytes: part.bytes, statements: wanted };
  }

  #route(groups: readonly ChangeGroup[]): readonly ChangeGroup[] {
    const wanted = groups.every((group) => this.#isWanted(group.table))
      ? groups
      : groups.filter((group) => this.#isWanted(group.table));
    const { columns } = this.#options;
    return columns === undefined ? wanted : wanted.map((group) => narrowGroup(group, columns));
  }

  #isWanted(table: Table): boolean {
    if (table !== this.#lastTable) {
      this.#lastTable = table;
      this.#lastWanted = this.#options.wants(table.schema, table.name);
    }
    return this.#lastWanted;
  }

  #cutBatch(): Batch {
    const intended = this.#cuts.take(this.#queue);
    const { parts, rest } = intended ?? cutByLimits(this.#queue, { takable: this.#takable.length, ...this.#batch });
    const batch = makeBatch(this.#taken, parts, { hasGtid: this.#options.hasGtid });
    // not kept until later: a part that was taken must be free to be forgotten
    this.#queue = rest;
    for (const part of parts) this.#queuedBytes -= part.bytes;
    this.#queuedSize -= batch.size;
    if (rest.length === 0) this.#queuedBytes = 0; // the bytes of a part that was cut are rounded
    if (this.#drained !== undefined && this.#queuedBytes <= this.#options.queueBytesMax / 2) {
      this.#drained.resolve();
      this.#drained = undefined;
    }
    this.#taken = batch.end;
    this.underWay.take(batch);
    return intended === undefined ? batch : asIntended(batch, intended.batch);
  }
}

/** Says only how far the source is. */
function isMove(part: RoutedPart): boolean {
  return part.size === 0 && part.gtid === '' && part.statements === undefined;
}

function asIntended(batch: Batch, { origin, dead, deadRounds }: IntendedBatch): Batch {
  return { ...batch, origin, dead, deadRounds };
}
