import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import type { RowOrigin, RowTrace, TracedGroups, TracedTable, TracedWrite } from '../row/row-trace.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { foldLineage, type FoldedRow, type LineageOperation } from './lineage-fold.ts';
import { emptyLineage, writeLineage, type LineageEra } from './lineage-record.ts';
import { TracedRows, type GivenRows, type TraceSubject } from './traced-rows.ts';

/** What the batches of one flow share (see lineage.ts). */
interface SharedLineage {
  /** Writers that the store is known to have. */
  readonly writers: ReadonlySet<string>;
  step(transaction: StoreTransaction, sequence: number): Promise<LineageEra>;
  settle(era: LineageEra, writers: readonly string[]): void;
  table(transaction: StoreTransaction, name: string): Promise<TracedTable>;
}

/** Notes what one batch writes, and where it came from; writes it down at the batch's end, in its transaction (L1). */
export class BatchTrace implements RowTrace {
  readonly #subject: TraceSubject & { readonly flow: string; readonly lineage: SharedLineage };
  readonly #rows: TracedRows;
  #id = '';
  #fname = '';
  #isOperator = false;
  readonly #emptied = new Set<string>();
  readonly #log: (LineageOperation | GroupsOperation)[] = [];
  #markAt = 0;
  /** Marks that the log has. */
  readonly #marks = new Set<string>();
  #era: LineageEra | undefined;
  /** That the store has since this batch. */
  #writers: readonly string[] = [];

  constructor(subject: TraceSubject & { readonly flow: string; readonly lineage: SharedLineage }) {
    this.#subject = subject;
    this.#rows = new TracedRows(subject);
  }

  /** The run begins: what its flow is given. */
  take(id: string, given: GivenRows): void {
    this.#id = id;
    this.#rows.take(given);
  }

  /** The step that writes from here on. */
  enter({ fname, isOperator }: { readonly fname: string; readonly isOperator: boolean }): void {
    this.#fname = fname;
    this.#isOperator = isOperator;
  }

  derive(made: unknown, from: unknown): void {
    this.#rows.derive(made, from);
  }

  wrote({ table, at, fields, row, isSure }: TracedWrite): void {
    const key = table.keyOf(at);
    if (key === undefined) return this.#mark('loose', table.id); // the server makes the key
    if (key.isLoose) this.#mark('loose', table.id);
    const change = this.#rows.originOf(row);
    const same = change ?? (key.isLoose ? undefined : this.#rows.byKey(table, key.text));
    const known = change === undefined ? (same === undefined ? 'batch' : 'key') : 'change';
    this.#log.push({ kind: 'wrote', table, at, key: key.text, fields, fname: this.#fname, known, origin: same, isSure });
  }

  removed(table: TracedTable, at: Row): void {
    const key = table.keyOf(at);
    if (key === undefined || key.isLoose) this.#mark('loose', table.id);
    if (key !== undefined) this.#log.push({ kind: 'removed', table, key: key.text });
  }

  wroteGroups({ table, fields, groups }: TracedGroups): void {
    const origins = groups.map(({ last }) => this.#rows.originOf(last));
    this.#log.push({ kind: 'groups', table, groups, fields: JSON.stringify(fields), fname: this.#fname, origins });
  }

  wroteUnseen(table: string): void {
    if (!this.#isOperator) this.#mark('sql', table);
  }

  mark(): void {
    this.#markAt = this.#log.length;
  }

  undo(): void {
    this.#log.length = this.#markAt;
    this.#marks.clear();
  }

  /** Before the batch's first row: all rows of these tables were deleted. */
  emptied(tables: readonly string[]): void {
    for (const table of tables) this.#emptied.add(table);
  }

  /** Writes all down. Rejects with the store's error; none of it is a row's fault. */
  async flush(transaction: StoreTransaction): Promise<void> {
    const { lineage, sequence, flow } = this.#subject;
    try {
      const era = await lineage.step(transaction, sequence);
      this.#era = era;
      for (const table of this.#emptied) await emptyLineage(transaction, table);
      const rows = await this.#checked(transaction, foldLineage(flow, await this.#resolved(transaction)));
      const { from, to, time } = this.#subject;
      const batch = { id: this.#id, from, to, time, table: this.#rows.onlyTable };
      this.#writers = await writeLineage(transaction, rows, { flow, era, batch, writers: lineage.writers });
    } catch (error) {
      if (!(error instanceof CodedError) || error.class !== 'row') throw error;
      throw new CodedError(error.code, `The lineage of flow ${flow} could not be kept: ${error.message}`, { cause: error });
    }
  }

  /** It is committed. */
  settle(): void {
    if (this.#era !== undefined) this.#subject.lineage.settle(this.#era, this.#writers);
  }

  #mark(known: 'sql' | 'loose', table: string): void {
    const fname = this.#fname;
    const id = `${known} ${table} ${fname}`;
    if (!this.#marks.has(id)) this.#log.push({ kind: 'mark', table, known, fname });
    this.#marks.add(id);
  }

  /** Groups as writes of rows: their table is known by its name only, until it is asked for. */
  async #resolved(transaction: StoreTransaction): Promise<readonly LineageOperation[]> {
    const operations: LineageOperation[] = [];
    for (const operation of this.#log) {
      if (operation.kind !== 'groups') {
        operations.push(operation);
        continue;
      }
      const { fields, fname, origins } = operation;
      const table = await this.#subject.lineage.table(transaction, operation.table);
      for (const [index, { at, isSure }] of operation.groups.entries()) {
        const key = table.keyOf(at);
        if (key === undefined || key.isLoose) operations.push({ kind: 'mark', table: table.id, known: 'loose', fname });
        if (key === undefined) continue;
        const origin = origins[index];
        const known = origin === undefined ? 'batch' : 'change';
        operations.push({ kind: 'wrote', table, at, key: key.text, fields, fname, known, origin, isSure });
      }
    }
    return operations;
  }

  /** Rows that may not be there, because an update found none or a group has lost its last row, are looked for. */
  async #checked(transaction: StoreTransaction, rows: readonly FoldedRow[]): Promise<readonly FoldedRow[]> {
    const unsure = new Map<TracedTable, { readonly row: FoldedRow; readonly at: Row }[]>();
    for (const row of rows) {
      const { table, unsure: at } = row;
      if (at === undefined || typeof table === 'string') continue;
      const some = unsure.get(table);
      if (some === undefined) unsure.set(table, [{ row, at }]);
      else some.push({ row, at });
    }
    const gone = new Set<FoldedRow>();
    for (const [table, some] of unsure) {
      const found = new Set<string | undefined>();
      for (const sql of table.select(some.map(({ at }) => at))) {
        for (const row of (await transaction.query(sql)).rows) found.add(table.keyOf(row)?.text);
      }
      for (const { row } of some) if (!found.has(row.key)) gone.add(row);
    }
    return rows.map((row) => (gone.has(row) ? { ...row, isRemoved: true, writes: [] } : row));
  }
}

interface GroupsOperation extends Omit<TracedGroups, 'fields'> {
  readonly kind: 'groups';
  readonly fields: string;
  readonly fname: string;
  readonly origins: readonly (RowOrigin | undefined)[];
}
