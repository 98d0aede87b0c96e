import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessAborted } from '../lib/abort.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { silentLogger, type Logger } from '../lib/logger.ts';
import { errnoOf, excerpt } from './errors.ts';
import { quoteName } from './name.ts';
import type { Store } from './open.ts';
import { migrationTable, ownMigrations } from './schema.ts';
import type { StoreSession } from './session.ts';
import { splitStatements, type SqlStatement } from './split.ts';

/** For a question that the server answers within ten seconds. */
const answerMsMax = 30_000;

export interface MigrateOptions {
  readonly store: Store;
  /** Folder of the user's `*.sql` files; absent, or not there: only kisflow's own tables are made. */
  readonly dir?: string | undefined;
  readonly logger?: Logger;
  /** Gives up: at once while nothing is changed, else when the statement at hand has been done and noted. Rejects then. */
  readonly signal?: AbortSignal | undefined;
}

export interface MigrationReport {
  /** Names applied now, in order: `kisflow:<name>` for its own tables, file names for the user's. */
  readonly applied: readonly string[];
  /** How many were applied before. */
  readonly skipped: number;
}

interface Migration {
  readonly name: string;
  /** For messages: the file's path, or the name. */
  readonly place: string;
  readonly statements: readonly SqlStatement[];
}

/** What kis_migration says of one migration. */
interface Applied {
  readonly statements: number;
  readonly checksum: string;
  readonly isDone: boolean;
}

/**
 * Brings the store's tables up to date: kisflow's own, then the user's files in name order, each once, under a lock that
 * every daemon on this database takes. A file that failed half-way goes on at the statement that failed, once it is mended;
 * what was applied must not be edited. Rejects with MIGRATION_FAILED that names file, line and statement, or with the store's code.
 */
export async function migrate({ store, dir, logger = silentLogger, signal }: MigrateOptions): Promise<MigrationReport> {
  const migrations = [...own(), ...(dir === undefined ? [] : await readFiles(dir))];
  const before = await unlessAborted(readApplied(store), signal, givenUp);
  if (migrations.every((migration) => isUpToDate(migration, before.get(migration.name))))
    return { applied: [], skipped: migrations.length };
  const session = await store.openSession({ statementTimeoutMs: 0 }); // a change of a large table may take hours
  try {
    await unlessAborted(lock(session, store.database, logger), signal, givenUp);
    return await applyAll(session, { migrations, logger, signal });
  } finally {
    await session.close(); // which gives the lock back
  }
}

/** A migration that the next `migrate` applies. */
export interface PendingMigration {
  /** `kisflow:<name>` for kisflow's own, the file's name for the user's. */
  readonly name: string;
  /** The statements that are left, in order. */
  readonly statements: readonly string[];
}

/**
 * What `migrate` would do, without doing it. Rejects with MIGRATION_FAILED as `migrate` does when an applied file was edited.
 */
export async function readPending({
  store,
  dir,
}: {
  readonly store: Pick<Store, 'query' | 'database'>;
  readonly dir?: string | undefined;
}): Promise<readonly PendingMigration[]> {
  const migrations = [...own(), ...(dir === undefined ? [] : await readFiles(dir))];
  const before = await readApplied(store);
  return migrations
    .filter((migration) => !isUpToDate(migration, before.get(migration.name)))
    .map(({ name, statements }) => {
      const done = before.get(name)?.statements ?? 0;
      return { name, statements: statements.slice(done).map(({ sql }) => sql) };
    });
}

function own(): Migration[] {
  return ownMigrations.map(({ name, statements }) => ({
    name,
    place: name,
    statements: statements.map((sql) => ({ sql: sql.trim(), line: 1 })),
  }));
}

/** The statements of a folder's files, in order, applied or not. */
export async function readStatements(dir: string): Promise<readonly string[]> {
  return (await readFiles(dir)).flatMap(({ statements }) => statements.map(({ sql }) => sql));
}

async function readFiles(dir: string): Promise<Migration[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new CodedError('MIGRATION_FAILED', `The folder ${dir} cannot be read: ${error.message}`, { cause: error });
  });
  const files = names.filter((name) => name.endsWith('.sql')).toSorted();
  return Promise.all(
    files.map(async (name) => {
      const place = join(dir, name);
      return { name, place, statements: splitStatements(await readFile(place, 'utf8')) };
    }),
  );
}

async function readApplied(store: Pick<Store, 'query' | 'database'>): Promise<ReadonlyMap<string, Applied>> {
  try {
    const { rows } = await store.query(`SELECT name, statements, checksum, applied_at FROM ${tableIn(store.database)}`);
    return new Map(
      rows.map((row) => [
        String(row['name']),
        { statements: Number(row['statements']), checksum: String(row['checksum']), isDone: row['applied_at'] !== null },
      ]),
    );
  } catch (error) {
    if ([1049, 1146].includes(errnoOf(error) ?? 0)) return new Map(); // a new store
    throw error;
  }
}

function tableIn(database: string): string {
  return `${quoteName(database)}.kis_migration`; // qualified: a user's file may say USE
}

/** True when nothing is left to do for it; throws MIGRATION_FAILED when what was applied differs from what is there. */
function isUpToDate(migration: Migration, applied: Applied | undefined): boolean {
  if (applied === undefined) return false;
  const { statements } = migration;
  const isSame =
    applied.checksum === checksumOf(statements.slice(0, applied.statements)) &&
    (!applied.isDone || statements.length === applied.statements);
  if (isSame) return applied.isDone;
  const what = applied.isDone
    ? 'was applied already and has been edited since'
    : `was applied up to statement ${applied.statements}, and these were edited since`;
  throw new CodedError('MIGRATION_FAILED', `${migration.place} ${what}; undo the edit and write the change as a new file`);
}

function checksumOf(statements: readonly SqlStatement[]): string {
  const hash = createHash('sha256');
  for (const { sql } of statements) hash.update(sql).update('\0');
  return hash.digest('hex');
}

async function lock(session: StoreSession, database: string, logger: Logger): Promise<void> {
  // names of locks are at most 64 characters, and of the whole server
  const name = `kisflow.migrate.${createHash('sha256').update(database).digest('hex').slice(0, 40)}`;
  for (let tries = 0; ; tries += 1) {
    const { rows } = await within(session, session.query('SELECT GET_LOCK(?, ?) AS got', [name, tries === 0 ? 0 : 10]));
    if (Number(rows[0]?.['got']) === 1) return;
    if (tries === 0) logger.info({ database }, 'waiting for another process that migrates');
  }
}

/** A server that does not answer a question is left: only the migrations' own statements may take as long as they like. */
async function within<T>(session: StoreSession, answer: Promise<T>): Promise<T> {
  const timer = setTimeout(() => session.destroy(), answerMsMax);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}

function givenUp(): CodedError {
  return new CodedError('STOP_DEADLINE', 'The migrations were given up before they were done; the next start goes on with them.');
}

async function applyAll(
  session: StoreSession,
  { migrations, logger, signal }: Pick<MigrateOptions, 'signal'> & { migrations: readonly Migration[]; logger: Logger },
): Promise<MigrationReport> {
  await session.query(migrationTable);
  const before = await readApplied(session);
  await session.commit(); // the reads of the migrations begin after the lock
  const applied: string[] = [];
  const todo = migrations.filter((migration) => !isUpToDate(migration, before.get(migration.name)));
  for (const migration of todo) {
    const startedAt = performance.now();
    await applyOne(session, migration, { done: before.get(migration.name)?.statements ?? 0, signal });
    applied.push(migration.name);
    logger.info({ migration: migration.name, seconds: (performance.now() - startedAt) / 1000 }, 'migration applied');
  }
  return { applied, skipped: migrations.length - todo.length };
}

/** Applies what is left of one migration; after each statement the record says how far it is, because DDL cannot be rolled back. */
async function applyOne(
  session: StoreSession,
  migration: Migration,
  { done, signal }: Pick<MigrateOptions, 'signal'> & { readonly done: number },
): Promise<void> {
  const { name, statements } = migration;
  const startedAt = performance.now();
  if (statements.length === 0) await record(session, { name, statements: [], isDone: true, seconds: 0 });
  for (const [index, statement] of statements.entries()) {
    if (index < done) continue;
    if (signal?.aborted === true) throw givenUp();
    await applyStatement(session, migration, statement);
    const isDone = index + 1 === statements.length;
    const seconds = (performance.now() - startedAt) / 1000;
    await record(session, { name, statements: statements.slice(0, index + 1), isDone, seconds });
  }
  if (done === statements.length && done > 0) await record(session, { name, statements, isDone: true, seconds: 0 });
}

/** ER_DUP_FIELDNAME */
const duplicateColumn = 1060;

function isOwn({ name }: Migration): boolean {
  return name.startsWith('kisflow:');
}

async function applyStatement(session: StoreSession, migration: Migration, statement: SqlStatement): Promise<void> {
  try {
    await session.query(statement.sql);
  } catch (error) {
    if (!session.isBroken) await session.rollback();
    // a whole ALTER TABLE or none of it: the process ended between the statement and its record
    if (isOwn(migration) && errnoOf(error) === duplicateColumn) return;
    const refused = error instanceof CodedError ? error : undefined;
    const text = refused?.message ?? describeError(error);
    throw new CodedError(
      // a right that is missing is not mended in a file
      refused?.code === 'STORE_ACCESS_DENIED' ? refused.code : 'MIGRATION_FAILED',
      `${migration.place}, line ${statement.line}: ${text.includes('; statement: ') ? text : `${text}; statement: ${excerpt(statement.sql)}`}`,
      {
        cause: refused?.cause ?? error,
        class: refused?.class === 'retry' ? 'retry' : 'stop',
        details: { file: migration.name, line: statement.line },
      },
    );
  }
}

interface Progress {
  readonly name: string;
  readonly statements: readonly SqlStatement[];
  readonly isDone: boolean;
  readonly seconds: number;
}

async function record(session: StoreSession, { name, statements, isDone, seconds }: Progress): Promise<void> {
  const values = [name, statements.length, checksumOf(statements), isDone ? 1 : 0, seconds];
  await session.query(
    `REPLACE INTO ${tableIn(session.database)} (name, statements, checksum, applied_at, seconds) VALUES (?, ?, ?, IF(?, UTC_TIMESTAMP(3), NULL), ?)`,
    values,
  );
  await session.commit();
}
