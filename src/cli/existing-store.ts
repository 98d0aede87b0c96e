import type { Configuration } from '../config/configuration.ts';
import { loadConfiguration } from '../config/load.ts';
import { ConfigurationError, type ReadableConfiguration } from '../config/problem.ts';
import { connectStore } from '../store/connection.ts';
import { errnoOf } from '../store/errors.ts';
import { openStore, type Store } from '../store/open.ts';
import { parseStoreUrl } from '../store/url.ts';
import type { CommandContext } from './command.ts';
import { requireStoreUrl } from './project.ts';

/** How long a command waits for the store's answers. */
export const storeDeadlines = { connectTimeoutMs: 5000, statementTimeoutMs: 20_000 } as const;

/** A configuration and the store that it names, as commands look at it. */
export interface OpenProject {
  readonly configuration: Configuration;
  /** Undefined where kisflow's own tables are not in the store: nothing has run or migrated there yet. */
  readonly store: Store | undefined;
}

/**
 * Opens the store of the configuration for `work`, and closes it. Nothing is made there: a command that only looks must not leave
 * a database behind because a name was mistyped.
 */
export async function withExistingStore<T>(
  context: Pick<CommandContext, 'conf' | 'env' | 'logger'>,
  work: (project: OpenProject) => Promise<T>,
): Promise<T> {
  const configuration = await loadConfiguration({ dir: context.conf, env: context.env });
  return withStoreAt(context, requireStoreUrl(configuration), (store) => work({ configuration, store }));
}

/** As much of a project as a look at its flows needs. */
export interface ReadableProject extends Pick<OpenProject, 'store'> {
  readonly configuration: ReadableConfiguration;
  /** What is wrong with the configuration: a daemon may run the version before. */
  readonly mistakes: ConfigurationError | undefined;
}

/** As withExistingStore, of a configuration with mistakes too, as long as it still says where the store is. */
export async function withReadableStore<T>(
  context: Pick<CommandContext, 'conf' | 'env' | 'logger'>,
  work: (project: ReadableProject) => Promise<T>,
): Promise<T> {
  let mistakes: ConfigurationError | undefined;
  const configuration = await loadConfiguration({ dir: context.conf, env: context.env }).catch((error: unknown) => {
    if (!(error instanceof ConfigurationError) || error.readable?.global.store === undefined) throw error;
    mistakes = error;
    return error.readable;
  });
  return withStoreAt(context, requireStoreUrl(configuration), (store) => work({ configuration, store, mistakes }));
}

async function withStoreAt<T>(
  context: Pick<CommandContext, 'logger'>,
  url: string,
  work: (store: Store | undefined) => Promise<T>,
): Promise<T> {
  if (!(await hasDatabase(url))) return work(undefined);
  const store = await openStore({ url, ...storeDeadlines, logger: context.logger });
  try {
    return await work((await hasOwnTables(store)) ? store : undefined);
  } finally {
    await store.close();
  }
}

async function hasDatabase(url: string): Promise<boolean> {
  try {
    await (await connectStore({ address: parseStoreUrl(url), ...storeDeadlines, hasAutocommit: true })).close();
    return true;
  } catch (error) {
    if (errnoOf(error) === 1049) return false;
    throw error;
  }
}

async function hasOwnTables(store: Store): Promise<boolean> {
  const { rows } = await store.query(
    "SELECT COUNT(*) AS count FROM information_schema.tables WHERE table_schema = ? AND table_name IN ('kis_flow', 'kis_checkpoint', 'kis_lease')",
    [store.database],
  );
  return Number(rows[0]?.['count']) === 3;
}
