/** Tells a trace what a save has written. It runs for flows with lineage only, once a row, when the store has taken the rows. */
import type { Row } from '../row/change.ts';
import type { RowTrace, TracedKey, TracedTable } from '../row/row-trace.ts';
import { buildSelects } from './mysql-load.ts';
import { readOperation } from './mysql-plan.ts';
import {
  dropUndefined,
  findKey,
  hasSameKey,
  hasShape,
  identifyRow,
  makeShape,
  writeKey,
  type SaveMode,
  type Shape,
} from './mysql-shape.ts';
import type { TableDefinition } from './mysql-table.ts';

const known = new WeakMap<TableDefinition, TracedTable>();

/** The table as a trace sees it; the same thing for the same definition. */
export function tracedTable(table: TableDefinition): TracedTable {
  let traced = known.get(table);
  if (traced === undefined) {
    traced = {
      id: table.id,
      key: table.primaryKey.map(({ name }) => name.toLowerCase()),
      keyOf: (row) => keyOf(table, row),
      select: (rows) =>
        buildSelects(
          table,
          rows.map((row) => keyRow(table, row)),
        ),
    };
    known.set(table, traced);
  }
  return traced;
}

function keyRow(table: TableDefinition, row: Row): Row {
  return Object.fromEntries(findKey(table, row).map((field) => [field, row[field]]));
}

/** Two rows that the server takes for one have one text, unless it is loose. The values tell no 7 from '7'. */
function keyOf(table: TableDefinition, row: Row): TracedKey | undefined {
  if (table.primaryKey.length === 0 || !hasKey(table, row)) return undefined;
  const identity = identifyRow(table, row);
  return identity === undefined ? { text: writeKey(table, row), isLoose: true } : { text: String(identity), isLoose: false };
}

function hasKey(table: TableDefinition, row: Row): boolean {
  const isGiven = (name: string): boolean => row[name] !== undefined && row[name] !== null;
  return table.primaryKey.every(({ name }) => {
    if (isGiven(name)) return true;
    return Object.keys(row).some((other) => other.toLowerCase() === name.toLowerCase() && isGiven(other));
  });
}

/** Rows that a save in this mode has written, in their order. */
export function traceSave(
  trace: RowTrace,
  table: TableDefinition,
  { rows, mode }: { readonly rows: readonly unknown[]; readonly mode: SaveMode },
): void {
  const traced = tracedTable(table);
  const names = new FieldNames(table);
  const isSure = mode !== 'update';
  for (const row of rows) {
    const { gone, written, partial } = readOperation(table, row, mode);
    if (gone !== undefined) trace.removed(traced, gone);
    if (written !== undefined) trace.wrote({ table: traced, at: written, fields: names.of(written), row, isSure });
    if (partial === undefined) continue;
    const fields = names.of(partial.row);
    if (names.isKeyOnly) continue; // it has changed columns only that the table does not have
    if (!hasSameKey(table, partial.at, partial.row)) trace.removed(traced, partial.at);
    trace.wrote({ table: traced, at: partial.row, fields, row, isSure });
  }
}

/** The columns that rows write, as a text: almost every row has the same ones as the row before it. */
class FieldNames {
  readonly #table: TableDefinition;
  #shape: Shape | undefined;
  #text = '[]';
  /** Of the row asked for last. */
  isKeyOnly = false;

  constructor(table: TableDefinition) {
    this.#table = table;
  }

  of(row: Row): string {
    if (this.#shape !== undefined && hasShape(this.#shape, row) && !hasUndefined(row)) return this.#text;
    const shape = makeShape(this.#table, dropUndefined(row));
    const columns = shape.slots.map(({ column }) => column);
    this.#shape = shape;
    this.#text = JSON.stringify(columns.map(({ name }) => name));
    this.isKeyOnly = columns.every((column) => this.#table.primaryKey.some(({ sql }) => sql === column.sql));
    return this.#text;
  }
}

function hasUndefined(row: Row): boolean {
  for (const name in row) if (row[name] === undefined) return true;
  return false;
}
