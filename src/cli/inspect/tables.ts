import { countRows, tableDocument, type CountedTable, type RowCount } from '../../daemon/operate/table-look.ts';
import type { Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import { shortPosition } from '../../daemon/operate/flow-status.ts';
import type { ComputedTable } from '../../daemon/operate/computed-table.ts';
import { formatCount, formatDuration, formatTable } from '../table.ts';

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
  const counted: CountedTable[] = [];
  for (const table of tables) counted.push({ table, count: await countRows(store, table.id) });
  if (context.json) return context.print(JSON.stringify({ tables: counted.map(tableDocument) }));
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
