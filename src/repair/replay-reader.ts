import { deferred, type Deferred } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { groupSize, type ChangeGroup, type TransactionPart } from '../row/change.ts';
import { gtidContains } from '../row/gtid.ts';
import { comparePositions, MovingPosition, type Position } from '../row/position.ts';
import type { Source, TableFilter, TransactionSink } from '../source/contract.ts';

export interface ReplayReaderOptions {
  readonly source: Pick<Source, 'read'>;
  readonly hasGtid: boolean;
  readonly from: Position;
  /** The end of the transaction with which the replay ends. */
  readonly to: Position;
  readonly wants: TableFilter;
  /** The columns that the flow receives, besides primary keys'; undefined: all. */
  readonly columns: ReadonlySet<string> | undefined;
  readonly limits: { readonly rowsMax: number; readonly bytesMax: number };
  /** A stretch is there, or the failure. */
  readonly onArrived: () => void;
  readonly signal: AbortSignal;
}

/** Changes that followed one another in the binlog. */
export interface Stretch {
  readonly groups: readonly ChangeGroup[];
  /** The end of the last transaction that it holds the end of. */
  readonly end: Position;
  /** The replay's end is reached. */
  readonly isLast: boolean;
}

/** After so long what was collected is a stretch, so that what was passed need not be read again after a crash. */
const collectMs = 1000;

/**
 * A flow's second reader: reads the binlog once more and cuts it into stretches, one of which waits while the next is collected.
 *
 * A transaction that is too large for a stretch is cut too: what was done of it is done again after a crash, for the end of the stretch is
 * still the end of the transaction before.
 */
export class ReplayReader implements TransactionSink {
  readonly #options: ReplayReaderOptions;
  readonly #moving: MovingPosition;
  readonly #closing = new AbortController();
  #groups: ChangeGroup[] = [];
  #size = 0;
  #bytes = 0;
  #since = performance.now();
  /** Cut, and not taken. */
  #waiting: Stretch | undefined;
  /** The replay's end was read. */
  #isEnded = false;
  #isLastCut = false;
  #room: Deferred<void> | undefined;
  #failure: CodedError | undefined;

  constructor(options: ReplayReaderOptions) {
    this.#options = options;
    this.#moving = new MovingPosition(options.from, options);
  }

  /** With what reading ended. */
  get failure(): CodedError | undefined {
    return this.#failure;
  }

  /** Begins to read; it never rejects. */
  async run(): Promise<void> {
    const { source, from, wants, columns, signal, onArrived } = this.#options;
    if (this.#isAtEnd(from, () => from.gtid)) {
      this.#end();
      this.#cutIfDue();
      return;
    }
    try {
      const columnsOf = (): ReadonlySet<string> | undefined => columns;
      const reading = AbortSignal.any([signal, this.#closing.signal]);
      await source.read({ from, wants, columns: columnsOf, sink: this, signal: reading });
    } catch (error) {
      if (signal.aborted || this.#closing.signal.aborted) return;
      this.#failure = error instanceof CodedError ? error : new CodedError('INTERNAL', describeError(error), { cause: error });
      onArrived();
    }
  }

  push(part: TransactionPart): Promise<void> | undefined {
    if (this.#isEnded || this.#closing.signal.aborted) return undefined;
    for (const group of part.groups) {
      this.#groups.push(group);
      this.#size += groupSize(group);
    }
    if (part.groups.length > 0) this.#bytes += part.bytes;
    if (part.isFinal) this.#moving.advance(part);
    if (part.isFinal && this.#isAtEnd(part, () => this.#moving.toPosition().gtid)) this.#end();
    this.#cutIfDue();
    // what its connection has received by then may still come
    if (this.#isEnded || this.#waiting === undefined || !this.#isFull) return undefined;
    this.#room ??= deferred();
    return this.#room.promise;
  }

  /** The next stretch, where there is one. */
  take(): Stretch | undefined {
    const stretch = this.#waiting;
    this.#waiting = undefined;
    this.#cutIfDue();
    if (this.#waiting === undefined) this.#giveRoom();
    return stretch;
  }

  close(): void {
    this.#closing.abort();
    this.#giveRoom();
  }

  #isAtEnd(at: Pick<Position, 'server' | 'file' | 'offset'>, gtid: () => string): boolean {
    return hasReached(at, this.#options.to, gtid);
  }

  get #isFull(): boolean {
    const { rowsMax, bytesMax } = this.#options.limits;
    return this.#size >= rowsMax || this.#bytes >= bytesMax || performance.now() - this.#since > collectMs;
  }

  #end(): void {
    this.#isEnded = true;
    this.#closing.abort();
  }

  #cutIfDue(): void {
    if (this.#waiting !== undefined || this.#isLastCut || !(this.#isEnded || this.#isFull)) return;
    this.#isLastCut = this.#isEnded;
    this.#waiting = { groups: this.#groups, end: this.#moving.toPosition(), isLast: this.#isEnded };
    this.#groups = [];
    this.#size = 0;
    this.#bytes = 0;
    this.#since = performance.now();
    this.#options.onArrived();
  }

  #giveRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

/** Whether a place lies at or behind a position: by the places where both are of one server, else by the GTIDs. */
export function hasReached(at: Pick<Position, 'server' | 'file' | 'offset'>, to: Position, gtid: () => string): boolean {
  if (at.server === to.server) return comparePositions({ ...at, rows: 0 }, to) >= 0;
  return to.gtid !== '' && gtidContains(gtid(), to.gtid);
}
