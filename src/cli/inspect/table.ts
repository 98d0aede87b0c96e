import { parseTableName } from '../../connector/mysql-table.ts';
import { CodedError } from '../../lib/error.ts';
import type { Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import { shortPosition } from '../flow-status.ts';
import type { ComputedTable, TableOwner } from './computed-table.ts';
import { countRows, formatRowCount, ownerJson } from './tables.ts';
import { formatAge, formatDuration, formatTable } from '../table.ts';

interface ShownColumn {
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

/** One computed table: its columns, who owns them, and how fresh it is. Rejects with STORE_TABLE_MISSING. */
export async function printTable(options: {
  readonly context: CommandContext;
  readonly store: Store;
  readonly table: ComputedTable;
}): Promise<void> {
  const { context, store, table } = options;
  const columns = await readColumns(store, table);
  const count = await countRows(store, table.id);
  if (context.json) {
    const owners = table.owners.map(ownerJson);
    context.print(JSON.stringify({ table: table.id, rows: count?.rows ?? null, isExact: count?.isExact ?? null, owners, columns }));
    return;
  }
  context.print(`${table.id}: ${formatRowCount(count)} rows`);
  context.print(describeOwners(table.owners));
  const lines = columns.map(({ name, type, keyPart, isNullable, default: initial, isGenerated, owner }) => [
    name,
    type,
    keyPart === 0 ? '' : `key ${keyPart}`,
    isNullable ? 'NULL' : 'NOT NULL',
    isGenerated ? 'generated' : (initial ?? '-'),
    owner ?? '-',
  ]);
  const headings = ['column', 'type', 'primary', 'null', 'default', 'owner'].map((title) => ({ title }));
  context.print(`\n${formatTable(headings, lines)}`);
}

/** A line for each owner: state, lag, freshness and position. */
export function describeOwners(owners: readonly TableOwner[]): string {
  if (owners.length === 0) return 'No enabled flow writes it.';
  return owners
    .map(({ status }) => {
      const lag = status.lagMs === null ? '' : `, lag ${formatDuration(status.lagMs)}`;
      const change = status.lastChangeAgeMs === null ? '' : `, last change ${formatAge(status.lastChangeAgeMs)}`;
      const error = status.error === null ? '' : `, ${status.error.code}`;
      return `written by flow ${status.flow}: ${status.state}${error}${lag}${change}, at ${shortPosition(status.position)}`;
    })
    .join('\n');
}

async function readColumns(store: Store, table: ComputedTable): Promise<readonly ShownColumn[]> {
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
