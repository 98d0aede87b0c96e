/**
 * The shadow of a flow: a database beside the store's own in which the same flow computes the same tables anew. It has kisflow's own tables,
 * empty copies of the computed ones, and a view on every other table of the store, so that statements without a database find them.
 */
import { createHash } from 'node:crypto';
import { readCheckpoint, type Queryable } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import { quoteName } from '../store/name.ts';
import type { Store } from '../store/open.ts';

/** Where a rebuild is made. */
export interface ShadowPlace {
  readonly flow: string;
  /** The store's own database. */
  readonly main: string;
  readonly shadow: string;
  readonly tables: readonly string[];
}

export interface RebuildPlace extends ShadowPlace {
  /** Of each table, the columns that the flow says it writes, lower case; undefined: all. */
  readonly owned: ReadonlyMap<string, ReadonlySet<string> | undefined>;
}

/** Throws REBUILD_IMPOSSIBLE where there is nothing to compute anew, or it could not take the place of what there is. */
export async function requireRebuildable(store: Queryable, place: RebuildPlace): Promise<void> {
  if ((await readCheckpoint(store, place.flow)) !== undefined) return requireSwappable(store, place);
  throw impossible(place, 'it has never run, so there is nothing to compute anew');
}

function impossible({ flow }: Pick<ShadowPlace, 'flow'>, why: string): CodedError {
  return new CodedError('REBUILD_IMPOSSIBLE', `Flow ${flow} cannot be rebuilt: ${why}.`);
}

/** Throws REBUILD_IMPOSSIBLE where the tables cannot be put in the place of one another. */
export async function requireSwappable(store: Queryable, { flow, main, tables, owned }: RebuildPlace): Promise<void> {
  const refuse = (why: string): never => {
    throw impossible({ flow }, why);
  };
  if (tables.length === 0) return;
  const kinds = await store.query(
    'SELECT table_name AS name, table_type AS type FROM information_schema.tables WHERE table_schema = ?',
    [main],
  );
  const types = new Map(kinds.rows.map((row) => [String(row.name), String(row.type)]));
  for (const table of tables) {
    const type = types.get(table);
    if (type === undefined) refuse(`the store has no table ${main}.${table}`);
    if (type !== 'BASE TABLE') refuse(`${main}.${table} is no plain table (${String(type)}), and only these can be renamed as one`);
  }
  const foreign = await findForeignColumn(store, { main, owned });
  if (foreign !== undefined) {
    refuse(
      `${foreign} is none of the columns that it owns, and what stands there would be lost; kisflow verify ${flow} --repair mends those that it owns`,
    );
  }
  const keys = await store.query(
    `SELECT constraint_name AS name, table_schema AS db, table_name AS tab, referenced_table_name AS other FROM information_schema.key_column_usage
     WHERE referenced_table_name IS NOT NULL AND ((table_schema = ? AND table_name IN (?)) OR (referenced_table_schema = ? AND referenced_table_name IN (?)))`,
    [main, tables, main, tables],
  );
  const [key] = keys.rows;
  if (key !== undefined) {
    refuse(
      `the foreign key ${String(key.name)} of ${String(key.db)}.${String(key.tab)} refers to ${String(key.other)}, and would refer to the old table; drop it for the rebuild`,
    );
  }
  const triggers = await store.query(
    'SELECT trigger_name AS name, event_object_table AS tab FROM information_schema.triggers WHERE event_object_schema = ? AND event_object_table IN (?)',
    [main, tables],
  );
  const [trigger] = triggers.rows;
  if (trigger !== undefined) {
    refuse(
      `${String(trigger.tab)} has the trigger ${String(trigger.name)}, which would stay with the old table; drop it for the rebuild`,
    );
  }
}

/** A column, as `table.column`, that is no part of a key, that the server does not fill in by itself, and that the flow does not write. */
async function findForeignColumn(
  store: Queryable,
  { main, owned }: Pick<RebuildPlace, 'main' | 'owned'>,
): Promise<string | undefined> {
  const declared = [...owned].flatMap(([table, columns]) => (columns === undefined ? [] : [table]));
  if (declared.length === 0) return undefined;
  const { rows } = await store.query(
    `SELECT table_name AS tab, column_name AS name FROM information_schema.columns
     WHERE table_schema = ? AND table_name IN (?) AND column_key <> 'PRI' AND COALESCE(generation_expression, '') = ''
       AND extra NOT LIKE '%DEFAULT_GENERATED%' AND extra NOT LIKE '%on update%' AND COALESCE(column_default, '') NOT LIKE '%current_timestamp%'
     ORDER BY table_name, ordinal_position`,
    [main, declared],
  );
  const found = rows.find((row) => owned.get(String(row['tab']))?.has(String(row['name']).toLowerCase()) === false);
  return found === undefined ? undefined : `${String(found['tab'])}.${String(found['name'])}`;
}

/** Makes tables and views, in a shadow that has kisflow's own tables; what is there already is left. Also tries what the swap will do. */
export async function makeShadowTables(store: Queryable, place: ShadowPlace): Promise<void> {
  const { main, shadow, tables } = place;
  const [from, to] = [quoteName(main), quoteName(shadow)];
  const { rows } = await store.query(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ? AND table_type IN ('BASE TABLE', 'VIEW')",
    [main],
  );
  await namingGrants(place, async () => {
    for (const table of tables)
      await store.query(`CREATE TABLE IF NOT EXISTS ${to}.${quoteName(table)} LIKE ${from}.${quoteName(table)}`);
    for (const row of rows) {
      const name = String(row.name);
      if (tables.includes(name) || name.startsWith('kis_')) continue;
      const other = `${from}.${quoteName(name)}`;
      // the condition is true wherever there is a row, and keeps the view from being written through: that would write to the live table
      await store.query(
        `CREATE OR REPLACE SQL SECURITY INVOKER VIEW ${to}.${quoteName(name)} AS SELECT * FROM ${other} WHERE EXISTS (SELECT 1 FROM ${other})`,
      );
    }
    await tryRenaming(store, place);
  });
}

/** There and back, by a name that no other flow's trial has. */
async function tryRenaming(store: Queryable, { main, shadow }: ShadowPlace): Promise<void> {
  const name = quoteName(`kis_trial${shadow.slice(-12)}`);
  const [there, here] = [`${quoteName(main)}.${name}`, `${quoteName(shadow)}.${name}`];
  await store.query(`DROP TABLE IF EXISTS ${there}, ${here}`); // of a trial that was interrupted
  await store.query(`CREATE TABLE ${here} (id INT PRIMARY KEY)`);
  await store.query(`RENAME TABLE ${here} TO ${there}`);
  await store.query(`RENAME TABLE ${there} TO ${here}`);
  await store.query(`DROP TABLE ${here}`);
}

/** What the account of the store needs for rebuilds: on the databases of shadows, and on its own. */
export const rebuildRights = {
  shadow: ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'ALTER', 'REFERENCES', 'CREATE VIEW'],
  main: ['CREATE', 'INSERT', 'ALTER', 'DROP'],
} as const;

/** Runs it; a right that the account has not got becomes REBUILD_IMPOSSIBLE with what prints the statements that give it. */
export async function namingGrants<T>(place: Pick<ShadowPlace, 'flow' | 'main' | 'shadow'>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'STORE_ACCESS_DENIED') throw error;
    throw new CodedError(
      'REBUILD_IMPOSSIBLE',
      `Flow ${place.flow} cannot be computed anew beside the store: its account lacks a right (${error.message}); kisflow check --grants prints the statements that give it what rebuild and verify need`,
      { cause: error },
    );
  }
}

/** Changes when the definition of one of the live tables does. */
export async function hashDefinitions(store: Queryable, { main, tables }: ShadowPlace): Promise<string> {
  const hash = createHash('sha256');
  for (const table of tables) {
    const { rows } = await store.query(`SHOW CREATE TABLE ${quoteName(main)}.${quoteName(table)}`);
    hash.update(String(rows[0]?.['Create Table']).replace(/ AUTO_INCREMENT=\d+/, ''));
  }
  return hash.digest('hex');
}

export async function hasTable(store: Queryable, database: string, table: string): Promise<boolean> {
  const { rows } = await store.query('SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?', [
    database,
    table,
  ]);
  return rows.length > 0;
}

/** Drops the shadow with all that is in it; that may take long. */
export async function dropShadow(store: Pick<Store, 'openSession'>, shadow: string): Promise<void> {
  const session = await store.openSession({ statementTimeoutMs: 0 });
  try {
    await session.query(`DROP DATABASE IF EXISTS ${quoteName(shadow)}`);
  } finally {
    await session.close();
  }
}
