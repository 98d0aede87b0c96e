import { countRows, ownerDocument, readColumns } from '../../daemon/operate/table-look.ts';
import type { Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import { shortPosition } from '../../daemon/operate/flow-status.ts';
import type { ComputedTable, TableOwner } from '../../daemon/operate/computed-table.ts';
import { formatRowCount } from './tables.ts';
import { formatAge, formatDuration, formatTable } from '../table.ts';

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
    const owners = table.owners.map(ownerDocument);
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
