import { readFlowChanges } from '../../daemon/flow-change-record.ts';
import { isDifferent, recomputedDocument, recomputeRow, type Recomputed } from '../../daemon/operate/recompute-row.ts';
import type { FieldTrace, RowLineage } from '../../daemon/operate/row-lineage.ts';
import { ownerDocument } from '../../daemon/operate/table-look.ts';
import { plainRow, readTableRow, type TableRow } from '../../daemon/operate/table-row.ts';
import { ProjectFiles } from '../../daemon/project-files.ts';
import type { Row } from '../../row/change.ts';
import type { Store } from '../../store/open.ts';
import { exitCode, type CommandContext } from '../command.ts';
import type { ComputedTable } from '../../daemon/operate/computed-table.ts';
import { readKnownFields } from '../known-fields.ts';
import { describeOwners } from './table.ts';
import { formatTable } from '../table.ts';

interface PrintRowOptions {
  readonly context: CommandContext;
  readonly store: Store;
  readonly table: ComputedTable;
  readonly key: string;
}

/** One row with all its fields, and what wrote them; gives the exit code: 1 where it would be another one if it were computed now. Rejects with NAME_UNKNOWN when no row has the key, or the key does not fit the table. */
export async function printRow(options: PrintRowOptions): Promise<number> {
  const { context, store, table, key } = options;
  const found = await readTableRow(store, table, key);
  const { row, lineage } = found;
  const isRecomputed = context.options['recompute'] === true;
  const recomputed = isRecomputed ? await recomputeNow(options, found) : [];
  const code = recomputed.some(isDifferent) ? exitCode.failed : exitCode.done;
  if (context.json) {
    const { fields, notes } = lineage;
    const owners = table.owners.map(ownerDocument);
    const more = isRecomputed ? { recomputed: recomputed.map(recomputedDocument) } : {};
    context.print(JSON.stringify({ table: table.id, row: plainRow(row), owners, lineage: { fields, notes }, ...more }));
    return code;
  }
  context.print(lineage.isKept ? formatTraced(row, lineage) : formatFields(row));
  for (const note of lineage.notes) context.print(note);
  for (const one of recomputed) context.print(`\n${describeRecomputed(one)}`);
  context.print(`\n${table.id}\n${describeOwners(table.owners)}`);
  return code;
}

/** By the files of the project, and by what commands have changed of its flows. */
async function recomputeNow({ context, store, table }: PrintRowOptions, found: TableRow): Promise<readonly Recomputed[]> {
  const project = await new ProjectFiles(context).load((await readFlowChanges(store)).map(({ change }) => change));
  const { logger, stop: signal } = context;
  return recomputeRow({ ...found, project, readKnown: readKnownFields, store, table, logger, signal });
}

function describeRecomputed(one: Recomputed): string {
  if (one.kind === 'unknown') return `flow ${one.flow}: not recomputed: ${one.why}`;
  if (one.kind === 'none') return `flow ${one.flow}: there would be no such row now: ${one.why}`;
  const titles = ['field', 'stored', 'recomputed', ''].map((title) => ({ title }));
  const lines = one.fields.map(({ field, stored, recomputed, isSame }) => [
    field,
    shown(stored),
    shown(recomputed),
    isSame ? '' : 'differs',
  ]);
  return `flow ${one.flow}, recomputed now:\n${formatTable(titles, lines)}`;
}

function formatFields(row: Row): string {
  const lines = Object.entries(row).map(([field, value]) => [field, shown(value)]);
  return formatTable([{ title: 'field' }, { title: 'value' }], lines);
}

function formatTraced(row: Row, { fields }: RowLineage): string {
  const titles = ['field', 'value', 'flow', 'function', 'source change', 'committed'];
  const known = new Map(fields.map((field) => [field.field, field]));
  const lines = Object.entries(row).map(([field, value]) => {
    const { trace = null, reason = '' } = known.get(field) ?? {};
    if (trace === null) return [field, shown(value), '-', '-', reason];
    return [field, shown(value), trace.flow, trace.function, describeChange(trace), trace.commitTime ?? '-'];
  });
  return formatTable(
    titles.map((title) => ({ title })),
    lines,
  );
}

/** What is known, and not more. */
function describeChange({ known, sourceTable, position, positionTo, read }: FieldTrace): string {
  const table = sourceTable ?? 'unknown';
  if (read !== null) {
    const row = known === 'batch' ? `one of a chunk of ${table}` : table;
    const how = known === 'key' ? ' (by key)' : '';
    return `${row} read by snapshot run ${read.run} at ${read.at ?? 'an unknown time'}, stream at ${position}${how}`;
  }
  if (known === 'batch')
    return `one of ${sourceTable ?? 'its tables'} in the batch ${position} to ${positionTo ?? '?'}, with the last one committed`;
  const change = `${table} at ${position}`;
  return known === 'change' ? change : `${change} (by key: the last change of this key in its batch)`;
}

function shown(value: Row[string]): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  return String(value);
}
