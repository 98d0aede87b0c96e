/** UPDATEs of rows that have to be there: of one row, or of many whose values can stand in one CASE. */
import type { PartialUpdate } from './mysql-partial.ts';
import { hasSameKey, writeKey, writeValues, type SaveMode } from './mysql-shape.ts';
import { keyColumns, statementCharsMax, whereIn, type Statement } from './mysql-statement.ts';
import type { TableColumn, TableDefinition } from './mysql-table.ts';

/** Every row of a statement is compared with every key of it, so many more cost more than they save. */
const casesMax = 100;

interface Assignment {
  readonly column: TableColumn;
  readonly text: string;
}

/** One row's update as SQL. */
interface Prepared {
  readonly update: PartialUpdate;
  readonly key: string;
  readonly sets: readonly Assignment[];
  readonly chars: number;
}

export interface UpdateOptions {
  readonly mode: SaveMode;
  readonly maxPacketBytes: number;
  /** No two of the updates are of one row, and their order does not matter. */
  readonly isMerged: boolean;
}

/** In mode update a row that is not there is left alone; else a statement says how many rows it must find. */
export function buildPartialUpdates(
  table: TableDefinition,
  updates: readonly PartialUpdate[],
  options: UpdateOptions,
): readonly Statement[] {
  const charsMax = Math.min(statementCharsMax, Math.floor((options.maxPacketBytes - 64) / 3));
  const statements: Statement[] = [];
  let group: Prepared[] = [];
  let chars = 0;
  const flush = (): void => {
    if (group.length > 0) statements.push(writeUpdate(table, group, options.mode));
    group = [];
    chars = 0;
  };
  for (const update of updates) {
    const next = prepare(table, update);
    if (next.sets.length === 0) continue; // it has changed columns only that the table does not have
    const isJoining = options.isMerged && group.length < casesMax && chars + next.chars <= charsMax && canShare(group[0], next);
    if (!isJoining) flush();
    group.push(next);
    chars += next.chars;
  }
  flush();
  return statements;
}

function prepare(table: TableDefinition, update: PartialUpdate): Prepared {
  const { at, row, shape } = update;
  const keys = new Set(hasSameKey(table, at, row) ? table.primaryKey.map(({ sql }) => sql) : []);
  const sets = shape.slots
    .filter(({ column }) => !keys.has(column.sql))
    .map((slot): Assignment => ({
      column: slot.column,
      text: writeValues(table, { ...shape, slots: [slot] }, row) ?? 'NULL',
    }));
  const key = writeKey(table, at);
  const chars = sets.reduce((sum, { text }) => sum + text.length + 2 * key.length + 32, 0);
  return { update, key, sets, chars };
}

/** A CASE has one type: only values that are of the same kind in every row, and stay what they are in it, may share one. */
function canShare(first: Prepared | undefined, next: Prepared): boolean {
  if (first === undefined) return true;
  if (first.update.shape.group !== next.update.shape.group || first.sets.length !== next.sets.length) return false;
  return first.sets.every(({ column, text }, at) => {
    const kind = kindOf(column, text);
    const other = next.sets[at]?.text ?? '';
    return kind !== undefined && kindOf(column, other) === kind;
  });
}

function kindOf(column: TableColumn, text: string): string | undefined {
  if (text.startsWith("'")) return 'text';
  if (text.startsWith("x'")) return column.kind === 'binary' ? 'bytes' : undefined;
  const isNumber = /^-?\d+(?:\.\d+)?$/.test(text);
  return isNumber && (column.kind === 'integer' || column.kind === 'decimal') ? 'number' : undefined;
}

function writeUpdate(table: TableDefinition, group: readonly Prepared[], mode: SaveMode): Statement {
  const [first] = group;
  const names = keyColumns(table);
  const sets = (first?.sets ?? []).map(({ column, text }, at) => {
    const isSame = group.every((one) => one.sets[at]?.text === text);
    if (isSame) return `${column.sql}=${text}`;
    const cases = group.map((one) => `WHEN ${names}=${one.key} THEN ${one.sets[at]?.text ?? 'NULL'}`).join(' ');
    return `${column.sql}=CASE ${cases} END`;
  });
  const where = whereIn(
    table.primaryKey,
    group.map(({ key }) => key),
  );
  const sql = `UPDATE ${table.sql} SET ${sets.join(',')} WHERE ${where}`;
  const updates = group.map(({ update }) => update);
  // of several rows the server's “at row” does not say which one it means
  return { sql, rows: group.length === 1 ? updates : [], ...(mode === 'update' ? {} : { updates }) };
}
