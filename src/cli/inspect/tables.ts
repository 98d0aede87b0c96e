import { parseTableName } from '../../connector/mysql-table.ts';
import { quoteName } from '../../store/name.ts';
import type { Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import { shortPosition } from '../flow-status.ts';
import type { ComputedTable } from './computed-table.ts';
import { formatCount, formatDuration, formatTable } from '../table.ts';

/** Above this many rows a count would read too much of the table, and the engine is asked for its estimate. */
const countMax = 100_000;

/** How many rows a table has; undefined where it does not exist. */
export interface RowCount {
  readonly rows: number;
  readonly isExact: boolean;
}

/** Counts a table exactly while it is small; a larger one is estimated by its engine, and has at least the rows seen here. */
export async function countRows(store: Store, id: string): Promise<RowCount | undefined> {
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

/** `1,234`, or `~1,200,000` where it is an estimate. */
export function formatRowCount(count: RowCount | undefined): string {
  if (count === undefined) return 'missing';
  return `${count.isExact ? '' : '~'}${formatCount(count.rows)}`;
}

const columns = [
  { title: 'table' },
  { title: 'rows', isNumber: true },
  { title: 'flow' },
  { title: 'state' },
  { title: 'lag', isNumber: true },
  { title: 'fresh', isNumber: true },
  { title: 'last change' },
  { title: 'position' },
];

/** The list of computed tables, a line for each flow that writes one. */
export async function printTables(options: {
  readonly context: CommandContext;
  readonly store: Store;
  readonly tables: readonly ComputedTable[];
}): Promise<void> {
  const { context, store, tables } = options;
  const counted: { readonly table: ComputedTable; readonly count: RowCount | undefined }[] = [];
  for (const table of tables) counted.push({ table, count: await countRows(store, table.id) });
  if (context.json) return context.print(JSON.stringify({ tables: counted.map(toJson) }));
  if (tables.length === 0)
    return context.print('No flow writes a table: there is no Save function with a mysql connector on the store.');
  const lines = counted.flatMap(({ table, count }) => {
    const owners = table.owners.length === 0 ? [undefined] : table.owners;
    return owners.map((owner, index) => [
      index === 0 ? table.id : '',
      index === 0 ? formatRowCount(count) : '',
      owner?.status.flow ?? '(no enabled flow)',
      owner?.status.state ?? '-',
      owner === undefined || owner.status.lagMs === null ? '-' : formatDuration(owner.status.lagMs),
      owner === undefined || owner.status.freshMs === null ? '-' : formatDuration(owner.status.freshMs),
      owner?.status.lastChange ?? '-',
      shortPosition(owner?.status.position ?? null),
    ]);
  });
  context.print(formatTable(columns, lines));
  if (counted.some(({ count }) => count === undefined)) {
    context.print('\nA missing table is made by a file in migrations/: write it, then run `kisflow migrate`.');
  }
}

function toJson({ table, count }: { readonly table: ComputedTable; readonly count: RowCount | undefined }): object {
  return {
    table: table.id,
    exists: count !== undefined,
    rows: count?.rows ?? null,
    isExact: count?.isExact ?? null,
    owners: table.owners.map(ownerJson),
  };
}

/** An owner as JSON: which columns are its own, and how fresh they are. */
export function ownerJson({ status, columns: owned }: ComputedTable['owners'][number]): object {
  const { flow, state, position, lagMs, freshMs, lastChange, lastChangeAgeMs } = status;
  const columnNames = owned === undefined ? null : [...owned];
  return { flow, columns: columnNames, state, position, lagMs, freshMs, lastChange, lastChangeAgeMs };
}
