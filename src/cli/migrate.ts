import { migrate as migrateStore } from '../store/migrate.ts';
import { openStore, type Store } from '../store/open.ts';
import { loadConfiguration } from '../config/load.ts';
import { exitCode, type Command } from './command.ts';
import { storeDeadlines } from './existing-store.ts';
import { folderOrNone, requireStoreUrl } from './project.ts';
import { formatDuration, formatTable } from './table.ts';

/** Brings the store's tables up to date, as every start of the daemon does. */
export const migrate: Command = {
  usage: '[--migrations DIR]',
  async run(context) {
    const configuration = await loadConfiguration({ dir: context.conf, env: context.env });
    const dir = await folderOrNone(context.migrations);
    const store = await openStore({ url: requireStoreUrl(configuration), ...storeDeadlines, logger: context.logger });
    try {
      const startedAt = performance.now();
      const report = await migrateStore({ store, dir, logger: context.logger });
      const ms = performance.now() - startedAt;
      const applied = await readApplied(store, report.applied);
      if (context.json) {
        context.print(JSON.stringify({ database: store.database, applied, appliedBefore: report.skipped, ms: Math.round(ms) }));
        return exitCode.done;
      }
      if (dir === undefined) context.print(`There is no folder ${context.migrations}: only kisflow's own tables are looked after.`);
      if (applied.length > 0) context.print(formatApplied(applied));
      context.print(conclude({ applied: applied.length, before: report.skipped, ms, database: store.database }));
      return exitCode.done;
    } finally {
      await store.close();
    }
  },
};

interface AppliedMigration {
  readonly name: string;
  readonly statements: number;
  readonly ms: number;
}

/** What kis_migration recorded of these, in the order in which they were applied. */
async function readApplied(store: Store, names: readonly string[]): Promise<readonly AppliedMigration[]> {
  if (names.length === 0) return [];
  const { rows } = await store.query('SELECT name, statements, seconds FROM kis_migration WHERE name IN (?)', [names]);
  const byName = new Map(rows.map((row) => [String(row['name']), row]));
  return names.map((name) => {
    const row = byName.get(name);
    return { name, statements: Number(row?.['statements'] ?? 0), ms: Math.round(Number(row?.['seconds'] ?? 0) * 1000) };
  });
}

function formatApplied(applied: readonly AppliedMigration[]): string {
  const columns = [{ title: 'migration' }, { title: 'statements', isNumber: true }, { title: 'time', isNumber: true }];
  return formatTable(
    columns,
    applied.map(({ name, statements, ms }) => [name, String(statements), formatDuration(ms)]),
  );
}

function conclude(figures: {
  readonly applied: number;
  readonly before: number;
  readonly ms: number;
  readonly database: string;
}): string {
  const { applied, before, ms, database } = figures;
  if (applied === 0) return `Nothing to do: all ${before} migrations were applied to ${database} before.`;
  const count = applied === 1 ? '1 migration' : `${applied} migrations`;
  return `${count} applied to ${database} in ${formatDuration(ms)}; ${before} applied before.`;
}
