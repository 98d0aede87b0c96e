import { CodedError } from '../lib/error.ts';
import type { Flavour } from '../store/contract.ts';
import { emptyEnumHead, isEmptyValue } from './mysql-empty-enum.ts';
import type { PartialUpdate } from './mysql-partial.ts';
import type { Write } from './mysql-plan.ts';
import { writeKey, writeValues, type RowWrite, type SaveMode, type Shape } from './mysql-shape.ts';
import { keyColumns, statementCharsMax, whereIn, type Statement } from './mysql-statement.ts';
import type { TableDefinition } from './mysql-table.ts';
import { buildPartialUpdates } from './mysql-updates.ts';

/** How upserts name the row that could not be inserted: MySQL 8.0.19 by an alias, the others by VALUES(). */
export type UpsertDialect = 'alias' | 'values';

export interface StatementOptions {
  readonly mode: SaveMode;
  readonly dialect: UpsertDialect;
  readonly maxPacketBytes: number;
}

/** Servers plan a list of keys as ranges (by the index, locking nothing else) up to a limit of memory, and MariaDB turns 1,000 of them into a join. */
export const keysMax = 500;
const alias = 'kis_new';

export function dialectOf(flavour: Flavour, type: string): UpsertDialect {
  return flavour === 'mysql' && type !== 'tidb' ? 'alias' : 'values';
}

/** The statements of a plan, in order. Throws STORE_CONSTRAINT (row) for a row that no statement can hold. */
export function buildStatements(table: TableDefinition, writes: readonly Write[], options: StatementOptions): readonly Statement[] {
  return writes.flatMap((write) => {
    if (write.kind === 'delete') return buildDeletes(table, write.keys);
    if (write.kind === 'update') {
      return cutBehindEmpty(write.updates).flatMap((updates) => [
        ...buildPartialUpdates(table, updates, { ...options, isMerged: write.isMerged }),
        ...buildEmptyEnums(table, updates.slice(-1), options),
      ]);
    }
    return runsOf(write.rows).flatMap((rows) => {
      const statements = options.mode === 'update' ? buildUpdates(table, rows) : buildInserts(table, rows, options);
      return [...statements, ...buildEmptyEnums(table, rows, options)];
    });
  });
}

function buildInserts(table: TableDefinition, rows: readonly RowWrite[], options: StatementOptions): Statement[] {
  const shape = rows[0]?.shape;
  if (shape === undefined) return [];
  const head = `INSERT INTO ${table.sql} (${shape.group}) VALUES (`;
  const tail = options.mode === 'upsert' ? `)${upsertTail(table, shape, options.dialect)}` : ')';
  // a character is at most 3 bytes in UTF-8 (those of 4 bytes are two characters here); 64 for the packet's own header
  const bytesMax = options.maxPacketBytes - 64;
  const charsMax = Math.min(statementCharsMax, Math.floor(bytesMax / 3)) - head.length - tail.length;
  const statements: Statement[] = [];
  let from = 0;
  let chars = 0;
  const flush = (to: number): void => {
    const members = rows.slice(from, to);
    const sql = `${head}${members.map(({ text }) => text).join('),(')}${tail}`;
    if (members.length === 1) requireFits(table, members[0], sql, bytesMax);
    statements.push({ sql, rows: members });
    from = to;
    chars = 0;
  };
  for (const [at, { text }] of rows.entries()) {
    const more = text.length + 3;
    if (at > from && chars + more > charsMax) flush(at);
    chars += more;
  }
  flush(rows.length);
  return statements;
}

function requireFits(table: TableDefinition, write: RowWrite | undefined, sql: string, bytesMax: number): void {
  if (write === undefined || sql.length * 3 <= bytesMax || Buffer.byteLength(sql) <= bytesMax) return;
  throw new CodedError('STORE_CONSTRAINT', `${table.id}: a row is larger than the server's max_allowed_packet`, {
    class: 'row',
    details: { table: table.id, bytesMax },
  });
}

/** ` ON DUPLICATE KEY UPDATE …`: sets every column but the key's. */
function upsertTail(table: TableDefinition, shape: Shape, dialect: UpsertDialect): string {
  const given = (column: string): string => (dialect === 'alias' ? `${alias}.${column}` : `VALUES(${column})`);
  const keys = new Set(table.primaryKey.map(({ sql }) => sql));
  const sets = shape.slots.filter(({ column }) => !keys.has(column.sql)).map(({ column }) => `${column.sql}=${given(column.sql)}`);
  const own = table.primaryKey[0];
  if (own !== undefined && (table.hasSecondaryUnique || sets.length === 0)) sets.unshift(guard(table, own.sql, given));
  return `${dialect === 'alias' ? ` AS ${alias}` : ''} ON DUPLICATE KEY UPDATE ${sets.join(',')}`;
}

/**
 * Sets a key column to itself. With another unique key, the row found may be another one, found by that key, and must not be
 * updated: then the first condition is false, and the second cannot be computed, which the server refuses with ER_DATA_OUT_OF_RANGE.
 * It names a column so that it is not computed beforehand. The server compares the keys, so its collation holds.
 */
function guard(table: TableDefinition, column: string, given: (column: string) => string): string {
  const own = `${table.sql}.${column}`;
  if (!table.hasSecondaryUnique) return `${column}=${own}`;
  const isSame = table.primaryKey.map(({ sql }) => `${table.sql}.${sql}<=>${given(sql)}`).join(' AND ');
  return `${column}=IF((${isSame}) OR EXP(710+0*LENGTH(${given(column)})),${own},${own})`;
}

/** Whether a refusal is the guard's: another row has the unique value. */
export function isGuardError(message: string): boolean {
  return /exp\(\(?710/i.test(message);
}

/** Rows in their order, cut behind rows with empty values of ENUM columns: a later row of the same key must not get them too. */
function runsOf(rows: readonly RowWrite[]): readonly (readonly RowWrite[])[] {
  if ((rows[0]?.shape.strictEnums.length ?? 0) === 0) return [rows];
  const runs: RowWrite[][] = [];
  let last = '';
  for (const write of rows) {
    const empty = write.shape.strictEnums.map(({ field }) => (isEmptyValue(write.row[field]) ? '1' : '')).join();
    const run = runs.at(-1);
    if (run === undefined || (last.includes('1') && last !== empty)) runs.push([write]);
    else run.push(write);
    last = empty;
  }
  return runs;
}

/** Updates in their order, cut behind each with the empty value of an ENUM: what is left to be done for it is done before the next. */
function cutBehindEmpty(updates: readonly PartialUpdate[]): readonly (readonly PartialUpdate[])[] {
  const runs: PartialUpdate[][] = [[]];
  for (const update of updates) {
    runs.at(-1)?.push(update);
    if (update.shape.strictEnums.some(({ field }) => isEmptyValue(update.row[field]))) runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

/** What buildInserts and buildUpdates leave to be done for rows with the empty value of an ENUM. */
function buildEmptyEnums(table: TableDefinition, rows: readonly RowWrite[], { dialect }: StatementOptions): Statement[] {
  const slots = rows[0]?.shape.strictEnums ?? [];
  return slots.flatMap(({ column }, n) => {
    const empty = rows.filter(({ row, shape }) => isEmptyValue(row[shape.strictEnums[n]?.field ?? '']));
    const keys = [...new Set(empty.map(({ row }) => writeKey(table, row)))];
    const head = emptyEnumHead(table, column, dialect);
    return inLists(table, keys).map((where) => ({ sql: `${head} WHERE ${where}`, rows: empty }));
  });
}

function buildUpdates(table: TableDefinition, rows: readonly RowWrite[]): Statement[] {
  const keys = new Set(table.primaryKey.map(({ sql }) => sql));
  return rows.flatMap((write) => {
    const sets = write.shape.slots
      .filter(({ column }) => !keys.has(column.sql))
      .map((slot) => `${slot.column.sql}=${writeValues(table, { ...write.shape, slots: [slot] }, write.row) ?? 'NULL'}`);
    if (sets.length === 0) return [];
    return [
      { sql: `UPDATE ${table.sql} SET ${sets.join(',')} WHERE ${keyColumns(table)}=${writeKey(table, write.row)}`, rows: [write] },
    ];
  });
}

function buildDeletes(table: TableDefinition, keys: readonly string[]): Statement[] {
  return inLists(table, keys).map((where) => ({ sql: `DELETE FROM ${table.sql} WHERE ${where}`, rows: [] }));
}

/** Conditions that find these keys, in lists that servers plan as ranges. */
function inLists(table: TableDefinition, keys: readonly string[]): string[] {
  const lists: string[] = [];
  for (let from = 0; from < keys.length; from += keysMax) lists.push(whereIn(table.primaryKey, keys.slice(from, from + keysMax)));
  return lists;
}
