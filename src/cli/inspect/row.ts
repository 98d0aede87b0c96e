import { ownerDocument } from '../../daemon/operate/table-look.ts';
import { plainRow, readTableRow } from '../../daemon/operate/table-row.ts';
import type { Row } from '../../row/change.ts';
import type { Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import type { ComputedTable } from '../../daemon/operate/computed-table.ts';
import { describeOwners } from './table.ts';
import { formatTable } from '../table.ts';

/** One row with all its fields. Rejects with NAME_UNKNOWN when no row has the key, or the key does not fit the table. */
export async function printRow(options: {
  readonly context: CommandContext;
  readonly store: Store;
  readonly table: ComputedTable;
  readonly key: string;
}): Promise<void> {
  const { context, store, table, key } = options;
  const row = await readTableRow(store, table, key);
  const owners = table.owners.map(ownerDocument);
  if (context.json) {
    context.print(JSON.stringify({ table: table.id, row: plainRow(row), owners }));
    return;
  }
  const lines = Object.entries(row).map(([field, value]) => [field, shown(value)]);
  context.print(formatTable([{ title: 'field' }, { title: 'value' }], lines));
  context.print(`\n${table.id}\n${describeOwners(table.owners)}`);
}

function shown(value: Row[string]): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  return String(value);
}
