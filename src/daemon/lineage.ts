import { BatchTrace } from './batch-trace.ts';
import { readTable, parseTableName } from '../connector/mysql-table.ts';
import { tracedTable } from '../connector/mysql-trace.ts';
import type { TracedTable } from '../row/row-trace.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { stepLineage, type LineageEra } from './lineage-record.ts';
import type { TraceSubject } from './traced-rows.ts';

/**
 * The lineage that one flow keeps: its batches' traces, and what they share.
 *
 *     begin ──► (the run tells the trace) ──► flush, in the batch's transaction ──► settle, when it is committed
 *
 * An era is a stretch of batches without one that kept no lineage in between: only within it the last write that is known is the last
 * one that there was. What is remembered here is only what is committed; after a failure the store is asked.
 */
export class Lineage {
  readonly #flow: string;
  #era: LineageEra | undefined;
  /** Those that the store is known to have. */
  readonly writers = new Set<string>();
  readonly #tables = new Map<string, TracedTable>();

  constructor(flow: string) {
    this.#flow = flow;
  }

  begin(subject: TraceSubject): BatchTrace {
    return new BatchTrace({ ...subject, flow: this.#flow, lineage: this });
  }

  /** Moves the era on by one batch, which continues this sequence number; begins another one where there was a gap. */
  async step(transaction: StoreTransaction, sequence: number): Promise<LineageEra> {
    return stepLineage(transaction, { flow: this.#flow, sequence, known: this.#era });
  }

  settle(era: LineageEra, writers: readonly string[]): void {
    this.#era = era;
    for (const writer of writers) this.writers.add(writer);
  }

  /** A table of the store that an operator has written by its name. */
  async table(transaction: StoreTransaction, name: string): Promise<TracedTable> {
    const known = this.#tables.get(name);
    if (known !== undefined) return known;
    const table = tracedTable(await readTable(transaction, parseTableName(name, transaction.database)));
    this.#tables.set(name, table);
    return table;
  }
}
