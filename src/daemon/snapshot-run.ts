import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import type { ChangeGroup } from '../row/change.ts';
import type { Run, RunTable } from '../repair/run.ts';
import { saveRunTable, setRunState, setRunTables } from '../repair/run-record.ts';
import { requireSameKey } from '../snapshot/chunk-pump.ts';
import type { ChunkLimits } from '../snapshot/chunk-size.ts';
import type { SnapshotTable, TableReader } from '../snapshot/contract.ts';
import { requireVisible, type NamedTable } from '../snapshot/require-visible.ts';
import { TableSnapshot, type DueChunk } from '../snapshot/table-snapshot.ts';
import type { Store } from '../store/open.ts';
import { countChanges, type Batch, type RoutedPart } from './batch.ts';
import type { DueRows, StageRun, StateOf } from './stage-run.ts';

export interface SnapshotRunOptions {
  readonly flow: string;
  readonly run: Run;
  readonly reader: TableReader;
  readonly store: Pick<Store, 'query'>;
  /** The columns that the flow receives, besides keys'; undefined: all. */
  readonly columns: ReadonlySet<string> | undefined;
  /** Which tables the flow receives. */
  readonly wants: (schema: string, table: string) => boolean;
  readonly limits: ChunkLimits;
  /** How many tables are read at once, and how many chunks of each. */
  readonly tablesMax: number;
  readonly chunksMax: number;
  /** The tables that the flow names in full: to see that none of them is hidden. */
  readonly named: readonly NamedTable[];
  readonly onArrived: () => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Changes kept for chunks of one table. */
const recordedBytesMax = 16 * 1024 * 1024;

/** One snapshot of a flow's tables, or of some of them: which are read, which are being read, which wait. */
export class SnapshotRun implements StageRun {
  readonly #options: SnapshotRunOptions;
  readonly id: string;
  readonly kind = 'snapshot';
  /** The flow has none of the rows yet. */
  readonly isFirst: boolean;
  /** Those that have not begun; in order. */
  #waiting: readonly RunTable[] = [];
  readonly #reading = new Map<string, TableSnapshot>();
  /** Tables of which every change waits: none of their rows is read. */
  readonly #unbegun = new Set<string>();
  #isListed = false;
  #isPaused = false;
  #isClosed = false;
  /** Whose chunk was taken last. */
  #turn = 0;

  constructor(options: SnapshotRunOptions) {
    this.#options = options;
    this.id = options.run.id;
    this.isFirst = options.run.isStart;
  }

  /** Every table is read. */
  get isDone(): boolean {
    return this.#isListed && this.#waiting.length === 0 && this.#reading.size === 0;
  }

  /** Whether a chunk waits for the stream. */
  get isWaiting(): boolean {
    return [...this.#reading.values()].some(({ waiting }) => waiting !== undefined);
  }

  /** Does what the operator wants, and begins what may be begun. */
  async obey(run: Run): Promise<void> {
    const { store, logger, flow } = this.#options;
    if (run.wish === 'cancel') {
      if (!this.isFirst) return this.#cancel();
      logger.warn(
        { flow, run: run.id },
        'the first snapshot of a flow cannot be cancelled: it goes on; pause the flow, or take it away',
      );
      await setRunState(store, run.id, run.state === 'paused' ? 'paused' : 'running');
    }
    const isPaused = run.wish === 'pause' || (run.state === 'paused' && run.wish !== 'resume');
    this.#isPaused = isPaused;
    if (!this.#isListed) await this.#list(run);
    for (const table of this.#reading.values())
      if (isPaused) table.pause();
      else table.resume();
    if (!isPaused) await this.#beginNext();
    const state = isPaused ? 'paused' : this.isDone ? 'done' : 'running';
    if (run.state !== state || run.wish !== null) await setRunState(store, run.id, state);
  }

  async #cancel(): Promise<void> {
    const { store, logger, flow } = this.#options;
    this.close();
    this.#waiting = [];
    this.#reading.clear();
    this.#isListed = true;
    await setRunState(store, this.id, 'cancelled');
    logger.info({ flow, run: this.id }, 'snapshot cancelled');
  }

  /** Which tables there are is found out once, and kept. */
  async #list(run: Run): Promise<void> {
    const tables = run.tables.length === 0 ? await this.#findTables(run) : await this.#leaveOut(run.tables);
    this.#waiting = tables.filter(({ state }) => state === 'waiting');
    for (const { sourceTable } of this.#waiting) this.#unbegun.add(sourceTable);
    // a part of them is read: which changes pass has to be known before any does
    for (const table of tables) if (table.state === 'reading') await this.#begin(table);
    this.#isListed = true;
    const { flow, logger } = this.#options;
    const rows = tables.reduce((sum, { rowsTotal }) => sum + (rowsTotal ?? 0), 0);
    logger.info(
      { flow, run: run.id, tables: this.#waiting.length + this.#reading.size, rows },
      tables.every(({ state }) => state === 'waiting') ? 'snapshot begins' : 'snapshot goes on',
    );
  }

  async #findTables(run: Run): Promise<readonly RunTable[]> {
    const { store, reader, wants, signal } = this.#options;
    const wanted = new Set(run.options.tables);
    const all = await reader.listTables(
      (schema, name) => wants(schema, name) && (wanted.size === 0 || wanted.has(`${schema}.${name}`)),
      signal,
    );
    const found = all.map(({ schema, name }) => `${schema}.${name}`);
    const unseen = this.#options.named.filter(({ schema, name }) => !found.includes(`${schema}.${name}`));
    if (wanted.size === 0) await requireVisible(reader, unseen, signal);
    const missing = run.options.tables.filter((table) => !found.includes(table));
    if (missing.length > 0)
      throw new CodedError('SNAPSHOT_NO_TABLE', `The source has no table ${missing.join(', ')} of this flow.`);
    const tables = await this.#describeAll(found);
    await setRunTables(store, run.id, tables);
    return tables;
  }

  /** Tables that the flow does not receive any more, since its configuration has changed, are read no further. */
  async #leaveOut(tables: readonly RunTable[]): Promise<readonly RunTable[]> {
    const { store, wants, logger, flow } = this.#options;
    const isWanted = ({ sourceTable }: RunTable): boolean => wants(...splitName(sourceTable));
    for (const table of tables) {
      if (isWanted(table) || table.state === 'done') continue;
      const { sourceTable, cursorKey, doneKeys } = table;
      logger.warn(
        { flow, run: this.id, table: sourceTable },
        'the flow does not receive the table any more: it is read no further',
      );
      await saveRunTable(store, { run: this.id, sourceTable, cursorKey, doneKeys, rowsAdded: 0, isDone: true });
    }
    return tables.filter(isWanted);
  }

  /** Before anything is read: a table that cannot be read stops the flow at its beginning, and not in the middle. */
  async #describeAll(names: readonly string[]): Promise<readonly RunTable[]> {
    const tables: RunTable[] = [];
    for (const sourceTable of names) {
      const { key, rowsEstimate } = await this.#describe(sourceTable);
      const keyColumns = key.map(({ name }) => name);
      const none = {
        state: 'waiting',
        cursorKey: null,
        doneKeys: [],
        rowsDone: 0,
        chunks: 0,
        startedAt: null,
        endedAt: null,
      } as const;
      tables.push({ ...none, sourceTable, keyColumns, rowsTotal: rowsEstimate, updatedAt: '' });
    }
    return tables;
  }

  #describe(sourceTable: string): Promise<SnapshotTable> {
    const { reader, columns, signal } = this.#options;
    const [schema, name] = splitName(sourceTable);
    return reader.describe({ schema, name, columns }, signal);
  }

  async #beginNext(): Promise<void> {
    const { tablesMax } = this.#options;
    while (!this.#isPaused && !this.#isClosed && this.#reading.size < tablesMax) {
      const [next, ...rest] = this.#waiting;
      if (next === undefined) return;
      await this.#begin(next);
      this.#waiting = rest;
    }
  }

  async #begin(record: RunTable): Promise<void> {
    const { run } = this.#options;
    const table = await this.#describe(record.sourceTable);
    requireSameKey(table, record.keyColumns);
    const snapshot = new TableSnapshot({
      ...this.#options,
      parallel: this.#options.chunksMax,
      table,
      describe: () => this.#describe(record.sourceTable),
      mode: this.isFirst ? 'first' : 'again',
      read: { cursor: record.cursorKey ?? undefined, done: record.doneKeys },
      where: run.options.where,
      recordedBytesMax,
      isPaused: this.#isPaused,
    });
    this.#reading.set(record.sourceTable, snapshot);
    this.#unbegun.delete(record.sourceTable);
  }

  /** The next chunk that the stream has reached. */
  async due(stateOf: StateOf): Promise<DueRows | undefined> {
    if (this.#isPaused) return undefined;
    const names = [...this.#reading.keys()];
    for (let i = 0; i < names.length; i += 1) {
      this.#turn = (this.#turn + 1) % names.length;
      const name = names[this.#turn] ?? '';
      const table = this.#reading.get(name);
      const chunk = await table?.due((head) => stateOf(head, table.waiting?.time ?? 0));
      if (table === undefined || chunk === undefined) continue;
      if (chunk.isLast) {
        this.#reading.delete(name);
        await this.#beginNext();
      }
      return this.#dueRows(name, chunk);
    }
    return undefined;
  }

  #dueRows(sourceTable: string, due: DueChunk): DueRows {
    const { rows, keys, before, after, isLast, time, bytes, table } = due;
    const group: ChangeGroup = this.isFirst
      ? { op: 'insert', table: table.table, after: rows }
      : { op: 'update', table: table.table, before: rows, after: rows };
    const groups = rows.length === 0 ? [] : [group];
    return { groups, time, bytes, chunk: { run: this.id, sourceTable, keys, before, after, isLast } };
  }

  /** The batch with the changes left out of it that are of rows not read yet. */
  async sift(batch: Batch): Promise<Batch> {
    const touched = batch.parts.some(
      (part) => part.groups.some(({ table }) => this.#concerns(table.id)) || part.statements !== undefined,
    );
    if (!touched) return batch;
    const unread: number[] = [];
    const parts: RoutedPart[] = [];
    let first = 0;
    for (const part of batch.parts) {
      this.#restartAfter(part);
      const groups: ChangeGroup[] = [];
      for (const group of part.groups) {
        const sifted = await this.#siftGroup(group, part);
        for (const index of sifted.unread) unread.push(first + index);
        groups.push(...sifted.groups);
        first += countChanges([group]);
      }
      parts.push({ ...part, groups });
    }
    return { ...batch, parts, unread };
  }

  #concerns(table: string): boolean {
    return this.#reading.has(table) || (this.isFirst && this.#unbegun.has(table));
  }

  async #siftGroup(
    group: ChangeGroup,
    part: RoutedPart,
  ): Promise<{ readonly groups: readonly ChangeGroup[]; readonly unread: readonly number[] }> {
    const snapshot = this.#reading.get(group.table.id);
    const count = countChanges([group]);
    if (snapshot !== undefined) {
      const [sifted] = await snapshot.sift([group], Math.ceil((part.bytes * count) / Math.max(part.size, 1)));
      return sifted ?? { groups: [group], unread: [] };
    }
    const isUnread = this.isFirst && this.#unbegun.has(group.table.id);
    return { groups: [group], unread: isUnread ? Array.from({ length: count }, (_, index) => index) : [] };
  }

  /** Rows of a table went or came without changes: what is being read of it may be from before. */
  #restartAfter({ statements = [] }: RoutedPart): void {
    for (const { schema, table } of statements) {
      for (const [name, snapshot] of this.#reading) {
        const isMeant = table === '' ? name.startsWith(`${schema}.`) : name === `${schema}.${table}`;
        if (isMeant) snapshot.restart('a statement about the whole table has passed');
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const table of this.#reading.values()) table.close();
  }
}

function splitName(sourceTable: string): readonly [string, string] {
  const dot = sourceTable.indexOf('.');
  return [sourceTable.slice(0, dot), sourceTable.slice(dot + 1)];
}
