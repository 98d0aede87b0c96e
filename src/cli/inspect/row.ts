import { writeKeyLiteral } from '../../connector/mysql-key.ts';
import { parseTableName, readTable, type TableColumn, type TableDefinition } from '../../connector/mysql-table.ts';
import type { Configuration } from '../../config/configuration.ts';
import { exitCode } from '../command.ts';
import { CodedError } from '../../lib/error.ts';
import type { Row } from '../../row/change.ts';
import type { Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import type { ComputedTable } from './computed-table.ts';
import { describeOwners } from './table.ts';
import { recomputeRow, type Recomputed } from './recompute.ts';
import { readRowLineage, type FieldTrace, type RowLineage } from './lineage.ts';
import { ownerJson } from './tables.ts';
import { formatTable } from '../table.ts';

interface PrintRowOptions {
  readonly context: CommandContext;
  readonly configuration: Configuration;
  readonly store: Store;
  readonly table: ComputedTable;
  readonly key: string;
}

/** One row with all its fields, and what wrote them; gives the exit code: 1 where it would be another one if it were computed now. Rejects with NAME_UNKNOWN when no row has the key, or the key does not fit the table. */
export async function printRow(options: PrintRowOptions): Promise<number> {
  const { context, store, table, key } = options;
  const definition = await readTable(store, parseTableName(table.id, store.database));
  const where = whereOf(definition, key);
  const { row, lineage } = await store.transaction(async (transaction) => {
    const { rows } = await transaction.query(`SELECT * FROM ${definition.sql} WHERE ${where} LIMIT 1`);
    const [found] = rows;
    if (found === undefined) throw new CodedError('NAME_UNKNOWN', `${table.id} has no row with the key ${key}.`);
    return { row: found, lineage: await readRowLineage(transaction, { table, definition, row: found }) };
  });
  const isRecomputed = context.options['recompute'] === true;
  const recomputed = isRecomputed ? await recomputeRow({ ...options, definition, row, where }) : [];
  const code = recomputed.some(isDifferent) ? exitCode.failed : exitCode.done;
  const owner = table.owners.map(ownerJson);
  if (context.json) {
    const { fields, notes } = lineage;
    const more = isRecomputed ? { recomputed } : {};
    const document = { table: table.id, row, owners: owner, lineage: { fields, notes }, ...more };
    context.print(JSON.stringify(document, (_name, value: unknown) => plain(value)));
    return code;
  }
  context.print(lineage.isKept ? formatTraced(row, lineage) : formatFields(row));
  for (const note of lineage.notes) context.print(note);
  for (const one of recomputed) context.print(`\n${describeRecomputed(one)}`);
  context.print(`\n${table.id}\n${describeOwners(table.owners)}`);
  return code;
}

function isDifferent(one: Recomputed): boolean {
  return one.kind === 'none' || (one.kind === 'fields' && one.fields.some(({ isSame }) => !isSame));
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
function describeChange({ known, sourceTable, position, positionTo }: FieldTrace): string {
  if (known === 'batch')
    return `one of ${sourceTable ?? 'its tables'} in the batch ${position} to ${positionTo ?? '?'}, with the last one committed`;
  const change = `${sourceTable ?? 'unknown'} at ${position}`;
  return known === 'change' ? change : `${change} (by key: the last change of this key in its batch)`;
}

/** The key's values, one for each column of the primary key: the text itself, `k1,k2`, or a JSON list where values hold commas. */
function whereOf(table: TableDefinition, key: string): string {
  const columns = table.primaryKey;
  const names = columns.map(({ name }) => name).join(', ');
  if (columns.length === 0) {
    throw new CodedError('STORE_KEY_MISSING', `The table ${table.id} has no primary key, so no row of it can be named.`);
  }
  const values = readKey(key, columns.length);
  if (values.length !== columns.length) {
    throw new CodedError(
      'NAME_UNKNOWN',
      `The primary key of ${table.id} is (${names}): --key takes ${columns.length} values, not ${values.length}: k1,k2 or '["k1","k2"]'.`,
    );
  }
  return columns.map((column, index) => `${column.sql} = ${literalOf(table, column, values[index] ?? '')}`).join(' AND ');
}

function readKey(key: string, count: number): readonly string[] {
  if (key.startsWith('[')) {
    try {
      const list: unknown = JSON.parse(key);
      if (Array.isArray(list)) return list.map(String);
    } catch {
      return count === 1 ? [key] : key.split(','); // not JSON after all: a text that begins with a bracket
    }
  }
  return count === 1 ? [key] : key.split(',').map((part) => part.trim());
}

/** In the column's own type: the server takes a text beside a number for 0 when it is none, and would find the wrong row. */
function literalOf(table: TableDefinition, column: TableColumn, value: string): string {
  const isNumber = column.kind === 'integer' || column.kind === 'decimal' || column.kind === 'float';
  if (isNumber && !/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(value)) {
    throw new CodedError('NAME_UNKNOWN', `${table.id}.${column.name} is a number, and "${value}" is none.`);
  }
  if (column.kind === 'binary' && /^0x([0-9a-f]{2})+$/i.test(value)) return value;
  return writeKeyLiteral(column, value);
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  // JSON.stringify has called Buffer's toJSON before it asks the replacer
  const bytes: unknown =
    typeof value === 'object' && value !== null && Reflect.get(value, 'type') === 'Buffer' ? Reflect.get(value, 'data') : undefined;
  return Array.isArray(bytes) ? `0x${Buffer.from(bytes).toString('hex')}` : value;
}

function shown(value: Row[string]): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  return String(value);
}
