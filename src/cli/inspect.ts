import { CodedError } from '../lib/error.ts';
import type { Store } from '../store/open.ts';
import { exitCode, UsageError, type Command, type CommandContext } from './command.ts';
import { withExistingStore } from './existing-store.ts';
import { findComputedTables, findTable, type ComputedTable } from '../daemon/operate/computed-table.ts';
import { printRow } from './inspect/row.ts';
import { printTable } from './inspect/table.ts';
import { printTables } from './inspect/tables.ts';

/** Computed tables, one of them, or one row of one. */
export const inspect: Command = {
  usage: '[TABLE] [--key K [--recompute]]',
  positionals: [0, 1],
  options: { key: { type: 'string' }, recompute: { type: 'boolean' } },
  run: (context) =>
    withExistingStore(context, async ({ configuration, store }) => {
      if (store === undefined) {
        throw new CodedError('STORE_TABLE_MISSING', "kisflow's own tables are not in the store yet: no daemon has run on it.");
      }
      const tables = await findComputedTables(configuration, store);
      return show({ context, store, tables });
    }),
};

async function show({
  context,
  store,
  tables,
}: {
  context: CommandContext;
  store: Store;
  tables: readonly ComputedTable[];
}): Promise<number> {
  const [name] = context.positionals;
  const { key, recompute } = context.options;
  if (recompute === true && key === undefined)
    throw new UsageError('--recompute needs a row: kisflow inspect TABLE --key K --recompute');
  if (name === undefined) {
    if (key !== undefined) throw new UsageError('--key needs a table: kisflow inspect TABLE --key K');
    await printTables({ context, store, tables });
    return exitCode.done;
  }
  const table = findTable(name, tables, store.database);
  if (key !== undefined) return printRow({ context, store, table, key: String(key) });
  await printTable({ context, store, table });
  return exitCode.done;
}
