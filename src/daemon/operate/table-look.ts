import { parseTableName } from '../../connector/mysql-table.ts';
import { CodedError } from '../../lib/error.ts';
import { quoteName } from '../../store/name.ts';
import type { Store } from '../../store/open.ts';
import type { ComputedTable, TableOwner } from './computed-table.ts';

/** Above this many rows a count would read too much of the table, and the engine is asked for its estimate. */
const rowsCountedMax = 100_000;

/** How many rows a table has; undefined where it does not exist. */
export interface RowCount {
  readonly rows: number;
  readonly isExact: boolean;
}

/** Counts a table exactly while it is small; a larger one is estimated by its engine, and has at least the rows seen here. */
export async function countRows(store: Store, id: string, countMax = rowsCountedMax): Promise<RowCount | undefined> {
  const { database, table } = parseTableName(id, store.database);
  const about = await store.query(
    'SELECT table_rows AS estimate FROM information_schema.tables WHERE table_schema = ? AND table_name = ?',
    [database, table],
  );
  if (about.rows.length === 0) return undefined;
  const { rows } = await store.query(
    `SELECT COUNT(*) AS count FROM (SELECT 1 FROM ${quoteName(database)}.${quoteName(table)} LIMIT ${countMax + 1}) AS some`,
  );
  const seen = Number(rows[0]?.['count'] ?? 0);
  if (seen <= countMax) return { rows: seen, isExact: true };
  return { rows: Math.max(seen, Number(about.rows[0]?.['estimate'] ?? 0)), isExact: false };
}

/** A computed table and how many rows it has; undefined where it does not exist. */
export interface CountedTable {
  readonly table: ComputedTable;
  readonly count: RowCount | undefined;
}

/** A table of the list, as a document. */
export function tableDocument({ table, count }: CountedTable) {
  return {
    table: table.id,
    exists: count !== undefined,
    rows: count?.rows ?? null,
    isExact: count?.isExact ?? null,
    owners: table.owners.map(ownerDocument),
  };
}

/** An owner as a document: which columns are its own, and how fresh they are. */
export function ownerDocument({ status, columns: owned }: TableOwner) {
  const { flow, state, position, lagMs, freshMs, lastChange, lastChangeAgeMs } = status;
  const columnNames = owned === undefined ? null : [...owned];
  return { flow, columns: columnNames, state, position, lagMs, freshMs, lastChange, lastChangeAgeMs };
}

export interface ShownColumn {
  readonly name: string;
  readonly type: string;
  /** Its place in the primary key, from 1; 0 outside. */
  readonly keyPart: number;
  readonly isNullable: boolean;
  readonly default: string | null;
  readonly isGenerated: boolean;
  /** The flow that owns it; null: none does. */
  readonly owner: string | null;
}

const columnsQuery = `SELECT c.column_name AS name, c.column_type AS type, c.is_nullable AS nullable, c.column_default AS initial,
  c.extra AS extra, c.generation_expression AS expression, s.seq_in_index AS part
  FROM information_schema.columns c LEFT JOIN information_schema.statistics s
    ON s.table_schema = c.table_schema AND s.table_name = c.table_name AND s.column_name = c.column_name AND s.index_name = 'PRIMARY'
  WHERE c.table_schema = ? AND c.table_name = ? ORDER BY c.ordinal_position`;

/** The table's columns in their order, and who owns each. Rejects with STORE_TABLE_MISSING. */
export async function readColumns(store: Store, table: ComputedTable): Promise<readonly ShownColumn[]> {
  const name = parseTableName(table.id, store.database);
  const { rows } = await store.query(columnsQuery, [name.database, name.table]);
  if (rows.length === 0) {
    throw new CodedError('STORE_TABLE_MISSING', `The table ${table.id} does not exist in the store, or its user may not see it.`);
  }
  return rows.map((row) => {
    const expression = row['expression'];
    return {
      name: String(row['name']),
      type: String(row['type']),
      keyPart: Number(row['part'] ?? 0),
      isNullable: row['nullable'] === 'YES',
      default: row['initial'] === null || row['initial'] === undefined ? null : String(row['initial']),
      isGenerated: typeof expression === 'string' && expression !== '',
      owner: ownerOf(table.owners, String(row['name'])),
    };
  });
}

function ownerOf(owners: readonly TableOwner[], column: string): string | null {
  const owner = owners.find(({ columns }) => columns === undefined || columns.has(column.toLowerCase()));
  return owner?.status.flow ?? null;
}
