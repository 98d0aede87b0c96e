import type { SourceSpec } from '../../config/spec.ts';
import { runFlow } from '../../flow/runner.ts';
import { CodedError, describeError } from '../../lib/error.ts';
import type { Logger } from '../../lib/logger.ts';
import { makeChange, type Row } from '../../row/change.ts';
import { writeKeyColumn, writeKeyConstant } from '../../snapshot/key-literal.ts';
import type { SnapshotTable } from '../../snapshot/contract.ts';
import { createTableReader } from '../../snapshot/table-reader.ts';
import type { StoreTransaction } from '../../store/contract.ts';
import type { Store } from '../../store/open.ts';
import { assemble } from '../assemble.ts';
import type { ReadKnown } from '../build-assembly.ts';
import type { DaemonFlow } from '../daemon-flow.ts';
import type { LoadedProject } from '../project-files.ts';
import { whyNotByRow } from './by-row.ts';
import type { ComputedTable } from './computed-table.ts';
import { plainValue, type TableRow } from './table-row.ts';
import { refusingState, WrittenFields } from './written-fields.ts';

/** One field: as it is stored, and as it would be if it were computed now. */
export interface RecomputedField {
  readonly field: string;
  readonly stored: Row[string];
  readonly recomputed: Row[string];
  readonly isSame: boolean;
}

/** What one flow would write into the row now. */
export type Recomputed = { readonly flow: string } & (
  | { readonly kind: 'fields'; readonly fields: readonly RecomputedField[] }
  /** The row would not be there. */
  | { readonly kind: 'none'; readonly why: string }
  /** It cannot be said by a look at one row. */
  | { readonly kind: 'unknown'; readonly why: string }
);

export interface RecomputeOptions extends Pick<TableRow, 'definition' | 'row' | 'where'> {
  readonly project: Omit<LoadedProject, 'scan'>;
  readonly readKnown: ReadKnown;
  readonly store: Store;
  readonly table: ComputedTable;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Runs the flows that write the row over the row of the same key as it is at the source now, in a transaction of the store that is
 * rolled back. A change that is committed at the source and not in the store yet shows as a difference.
 */
export async function recomputeRow(options: RecomputeOptions): Promise<readonly Recomputed[]> {
  const { store, table, readKnown, signal } = options;
  const { configuration, functions, codeHashes, kinds } = options.project;
  const assembly = assemble({
    configuration,
    codeHashes,
    kinds,
    functions: functions.map(({ definition }) => definition),
    storeDatabase: store.database,
    storeSources: new Set(),
    known: await readKnown(configuration, signal),
  });
  const results: Recomputed[] = [];
  for (const { status } of table.owners) {
    const flow = assembly.flows.find((one) => one.flow.name === status.flow);
    if (flow === undefined) results.push({ flow: status.flow, kind: 'unknown', why: 'it has no source' });
    else results.push({ flow: status.flow, ...(await recomputeFlow(options, flow)) });
  }
  return results;
}

type Outcome = Recomputed extends infer R ? (R extends Recomputed ? Omit<R, 'flow'> : never) : never;

async function recomputeFlow(options: RecomputeOptions, subject: DaemonFlow): Promise<Outcome> {
  const { definition } = options;
  const { configuration } = options.project;
  const judged = whyNotByRow(configuration, subject, definition);
  if (judged.kind === 'no') return unknown(judged.why);
  const source = configuration.sources.get(subject.sourceName);
  if (source === undefined) return unknown(`there is no source ${subject.sourceName}`);
  const key = definition.primaryKey.map(({ name }) => name.toLowerCase());
  const read = await readSourceRow({ source, judged, key, subject, ...options });
  if (read.kind === 'mismatch') return unknown(read.why);
  if (read.row === undefined) return { kind: 'none', why: `${judged.schema}.${judged.name} has no row with this key` };
  return runOver(options, subject, { row: read.row, table: read.table });
}

function unknown(why: string): Outcome {
  return { kind: 'unknown', why: `${why}; kisflow verify compares whole tables` };
}

interface ReadOptions {
  readonly source: SourceSpec;
  readonly judged: { readonly schema: string; readonly name: string };
  /** Names of the computed table's key, in lower case. */
  readonly key: readonly string[];
  readonly row: Row;
  readonly subject: DaemonFlow;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

type SourceRow =
  | { readonly kind: 'mismatch'; readonly why: string }
  | { readonly kind: 'read'; readonly row: Row | undefined; readonly table: SnapshotTable };

async function readSourceRow({ source, judged, key, row, subject, logger, signal }: ReadOptions): Promise<SourceRow> {
  const reader = createTableReader({ url: source.url, logger, connectTimeoutMs: 5000, statementTimeoutMs: 20_000 });
  try {
    const table = await reader.describe({ ...judged, columns: subject.columns }, signal);
    const names = table.key.map(({ name }) => name.toLowerCase());
    if (names.toSorted().join('\0') !== key.toSorted().join('\0')) {
      return {
        kind: 'mismatch',
        why: `${table.table.id} is read by (${names.join(', ')}), and the computed row has the key (${key.join(', ')})`,
      };
    }
    const valueOf = (name: string): Row[string] =>
      Object.entries(row).find(([field]) => field.toLowerCase() === name.toLowerCase())?.[1];
    const where = table.key
      .map((column) => `${writeKeyColumn(column)} = ${writeKeyConstant(column, valueOf(column.name))}`)
      .join(' AND ');
    const { rows } = await reader.read({ table, where, rowsMax: 1 }, signal);
    return { kind: 'read', row: rows[0], table };
  } finally {
    await reader.close();
  }
}

/** Ends the transaction so that nothing of it is kept. */
class Undone extends Error {
  override readonly name = 'Undone';
}

async function runOver(
  options: RecomputeOptions,
  subject: DaemonFlow,
  source: { readonly row: Row; readonly table: SnapshotTable },
): Promise<Outcome> {
  let outcome: Outcome | undefined;
  try {
    await options.store.transaction(async (transaction) => {
      outcome = await computeIn(transaction, options, { subject, ...source });
      throw new Undone();
    });
  } catch (error) {
    if (error instanceof CodedError) return unknown(`computing it failed: ${describeError(error)}`);
    if (!(error instanceof Undone)) throw error;
  }
  return outcome ?? unknown('nothing was computed');
}

async function computeIn(
  transaction: StoreTransaction,
  options: RecomputeOptions,
  given: { readonly subject: DaemonFlow; readonly row: Row; readonly table: SnapshotTable },
): Promise<Outcome> {
  const { definition, where, row: stored, signal, logger } = options;
  const { subject, row, table } = given;
  const trace = new WrittenFields();
  const { id, primaryKey } = table.table;
  const change = makeChange({
    op: 'insert',
    table: id,
    before: null,
    after: row,
    key: primaryKey,
    position: 'recomputed',
    time: Date.now(),
  });
  const rows = [subject.shape === 'change' ? change : row];
  const { name } = subject.flow;
  const scope = { id: 'recompute', flow: name, store: transaction, signal, logger, trace };
  await runFlow(subject.flow, rows, scope, { state: refusingState(name) });
  if (trace.hasUnseen) return unknown('a function writes with its own SQL');
  const written = trace.fieldsOf(definition.id, stored);
  if (written === undefined) return { kind: 'none', why: 'the flow writes no row for the source row now' };
  const { rows: found } = await transaction.query(`SELECT * FROM ${definition.sql} WHERE ${where} LIMIT 1`);
  const now = found[0] ?? {};
  const fields = Object.keys(stored).filter((field) => written.has(field.toLowerCase()));
  return {
    kind: 'fields',
    fields: fields.map((field) => ({
      field,
      stored: stored[field],
      recomputed: now[field],
      isSame: isSame(stored[field], now[field]),
    })),
  };
}

/** Both were read from the same column by the same driver. */
function isSame(a: Row[string], b: Row[string]): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return Object.is(a, b);
}

/** Of a recomputed row, as JSON documents have it. */
export function recomputedDocument(one: Recomputed) {
  if (one.kind !== 'fields') return one;
  const fields = one.fields.map((field) => ({
    ...field,
    stored: plainValue(field.stored),
    recomputed: plainValue(field.recomputed),
  }));
  return { ...one, fields };
}

/** Whether the row would be another one if it were computed now. */
export function isDifferent(one: Recomputed): boolean {
  return one.kind === 'none' || (one.kind === 'fields' && one.fields.some(({ isSame: same }) => !same));
}
