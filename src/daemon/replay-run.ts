import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { ReplayReader, type Stretch } from '../repair/replay-reader.ts';
import { setRunState, setRunTables } from '../repair/run-record.ts';
import type { Run } from '../repair/run.ts';
import { formatPosition, parsePosition, type Position } from '../row/position.ts';
import type { SnapshotTable, TableReader } from '../snapshot/contract.ts';
import type { Source } from '../source/contract.ts';
import type { Store } from '../store/open.ts';
import { countChanges, type Batch, type RoutedPart } from './batch.ts';
import { bytesBetween } from './binlog-distance.ts';
import { ReplayRead } from './replay-read.ts';
import type { SourceWatch } from './source-watch.ts';
import type { DueRows, StageRun, StateOf } from './stage-run.ts';

export interface ReplayRunOptions {
  readonly flow: string;
  readonly run: Run;
  readonly source: Pick<Source, 'read'>;
  readonly reader: TableReader;
  readonly store: Pick<Store, 'query'>;
  /** What is known of the source's binlog files. */
  readonly watch: Pick<SourceWatch, 'view'>;
  readonly hasGtid: boolean;
  readonly columns: ReadonlySet<string> | undefined;
  readonly wants: (schema: string, table: string) => boolean;
  readonly limits: { readonly rowsMax: number; readonly bytesMax: number };
  readonly onArrived: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Changes of the stream that are kept while rows are read. */
const recordedBytesMax = 16 * 1024 * 1024;

/**
 * A flow run again over the changes of a stretch of the binlog.
 *
 *     second reader ──► stretch: which rows changed ──► SELECT of these: what they are now ──► the stream has passed that ──► batch
 *
 * What a row is never comes from the replayed changes: an image of then must not overwrite what is newer. They say which rows are to be
 * computed anew, and what those were that are gone.
 */
export class ReplayRun implements StageRun {
  readonly #options: ReplayRunOptions;
  readonly id: string;
  readonly kind = 'replay';
  readonly isFirst = false;
  readonly #from: Position;
  readonly #to: Position;
  readonly #tables = new Map<string, SnapshotTable | null>();
  /** The end of the last stretch that was handed on. */
  #position: Position;
  #rowsDone: number;
  #replay: ReplayReader | undefined;
  /** The stretch whose rows are read. */
  #stretch: Stretch | undefined;
  #read: ReplayRead | undefined;
  #isDone = false;

  /** Throws INTERNAL where the run does not say what is to be replayed. */
  constructor(options: ReplayRunOptions) {
    const { run } = options;
    this.#options = options;
    this.id = run.id;
    this.#from = requirePosition(run.options.from);
    this.#to = requirePosition(run.options.to);
    const [progress] = run.tables;
    const cursor = progress?.cursorKey?.[0];
    this.#position = typeof cursor === 'string' ? requirePosition(cursor) : this.#from;
    this.#rowsDone = progress?.rowsDone ?? 0;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get isWaiting(): boolean {
    return this.#read?.waiting !== undefined;
  }

  async obey(run: Run): Promise<void> {
    const { store, logger, flow } = this.#options;
    if (run.wish === 'cancel') {
      this.#stop();
      this.#isDone = true;
      await setRunState(store, this.id, 'cancelled');
      logger.info({ flow, run: this.id }, 'replay cancelled');
      return;
    }
    if (run.tables.length === 0)
      await setRunTables(store, this.id, [{ sourceTable: '', keyColumns: ['position'], rowsTotal: null }]);
    const isPaused = run.wish === 'pause' || (run.state === 'paused' && run.wish !== 'resume');
    if (isPaused) this.#stop();
    else if (this.#replay === undefined) this.#start();
    const state = isPaused ? 'paused' : 'running';
    if (run.state !== state || run.wish !== null) await setRunState(store, this.id, state);
  }

  async sift(batch: Batch): Promise<Batch> {
    for (const part of batch.parts) this.#siftPart(part);
    return batch;
  }

  async due(stateOf: StateOf): Promise<DueRows | undefined> {
    this.#beginRead();
    const failure = this.#read?.failure ?? (this.#read === undefined ? this.#replay?.failure : undefined);
    if (failure !== undefined) throw failure;
    const stretch = this.#stretch;
    const waiting = this.#read?.waiting;
    if (stretch === undefined || waiting === undefined) return undefined;
    // a stretch without rows waits for nothing
    const state = waiting.head === undefined ? 'passed' : stateOf(waiting.head, waiting.time);
    if (state === 'foreign') this.#read?.restart('the stream reads another server than the rows came from');
    const merged = state === 'passed' ? this.#read?.merge() : undefined;
    if (merged === undefined) return undefined;
    const { groups, keys, time, bytes, isWhole } = merged;
    this.#rowsDone += keys.length;
    const before = this.#position;
    if (isWhole) this.#takeEnd(stretch);
    const isLast = isWhole && stretch.isLast;
    const rowsTotal = isLast ? this.#rowsDone : this.#guessTotal();
    const place = { before: asCursor(before), after: asCursor(this.#position) };
    this.#beginRead();
    return { groups, time, bytes, chunk: { run: this.id, sourceTable: '', keys, ...place, isLast, rowsTotal } };
  }

  close(): void {
    this.#stop();
  }

  #start(): void {
    const { onArrived } = this.#options;
    this.#replay = new ReplayReader({ ...this.#options, from: this.#position, to: this.#to, onArrived });
    void this.#replay.run();
  }

  /** What is read and not handed on is read again where it goes on. */
  #stop(): void {
    this.#replay?.close();
    this.#read?.close();
    this.#replay = undefined;
    this.#read = undefined;
    this.#stretch = undefined;
  }

  #takeEnd(stretch: Stretch): void {
    this.#position = stretch.end;
    this.#isDone = stretch.isLast;
    this.#stretch = undefined;
    this.#read = undefined;
  }

  #beginRead(): void {
    if (this.#read !== undefined) return;
    this.#stretch = this.#replay?.take();
    if (this.#stretch === undefined) return;
    this.#read = new ReplayRead({
      ...this.#options,
      tables: this.#tables,
      describe: (id) => this.#describe(id),
      stretch: this.#stretch,
      bytesMax: this.#options.limits.bytesMax,
      recordedBytesMax,
    });
  }

  #siftPart({ groups, statements = [], bytes, size }: RoutedPart): void {
    if (this.#read === undefined) return;
    for (const group of groups) this.#read.note(group, Math.ceil((bytes * countChanges([group])) / Math.max(size, 1)));
    if (statements.length > 0) this.#read.restart('a statement about a whole table has passed');
  }

  /** Null: there is no such table any more. Throws SNAPSHOT_NO_KEY. */
  async #describe(sourceTable: string): Promise<SnapshotTable | null> {
    const { reader, columns, signal, logger, flow } = this.#options;
    const dot = sourceTable.indexOf('.');
    const wish = { schema: sourceTable.slice(0, dot), name: sourceTable.slice(dot + 1), columns };
    try {
      const table = await reader.describe(wish, signal);
      const unread = table.key.filter(({ name }) => columns?.has(name) === false && !table.table.primaryKey.includes(name));
      if (unread.length === 0) return table;
      const names = unread.map(({ name }) => name).join(', ');
      throw new CodedError(
        'SNAPSHOT_NO_KEY',
        `${sourceTable} has no primary key, and flow ${flow} does not receive ${names} of its unique key: changes do not tell which row they are about`,
      );
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'SNAPSHOT_NO_TABLE') throw error;
      logger.warn({ flow, run: this.id, table: sourceTable }, 'the table is not there any more: its changes are not replayed');
      return null;
    }
  }

  /** How many rows it will have been, if they lie as close as so far. */
  #guessTotal(): number | undefined {
    const shelf = this.#options.watch.view.shelf;
    const files = shelf?.server === this.#to.server ? shelf.files : [];
    const done = bytesBetween(this.#from, this.#position, files);
    const all = bytesBetween(this.#from, this.#to, files);
    if (done === undefined || all === undefined || done === 0) return undefined;
    return Math.max(this.#rowsDone, Math.ceil((this.#rowsDone * all) / done));
  }
}

function asCursor(position: Position): { readonly cursor: readonly string[]; readonly done: readonly [] } {
  return { cursor: [formatPosition(position)], done: [] };
}

function requirePosition(text: string | undefined): Position {
  const position = text === undefined ? undefined : parsePosition(text);
  if (position === undefined)
    throw new CodedError('INTERNAL', `A replay is to read from or to ${String(text)}, which is no position.`);
  return position;
}
