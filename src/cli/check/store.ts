import { examineBuilt } from './rebuilt.ts';
import type { Configuration } from '../../config/configuration.ts';
import { examineMending } from './mending.ts';
import { flowGraph, storeDatabaseOf } from '../../config/plan.ts';
import { CodedError } from '../../lib/error.ts';
import { parsePosition, type Position } from '../../row/position.ts';
import { connectStore, type StoreConnection } from '../../store/connection.ts';
import { errnoOf } from '../../store/errors.ts';
import { readPending, type PendingMigration } from '../../store/migrate.ts';
import { quoteName } from '../../store/name.ts';
import { parseStoreUrl } from '../../store/url.ts';
import { storeDeadlines } from '../existing-store.ts';
import { folderOrNone } from '../project.ts';
import { findingOf, nameList, type Finding } from './finding.ts';
import { ofStore } from './needed-grants.ts';
import type { ServerPlace } from './server-place.ts';
import {
  examineReadOnly,
  examineStoreGrants,
  examineStoreSettings,
  readStoreSettings,
  type StoreSettings,
} from './store-server.ts';
import { examineComputed, lookAtComputed, tryWrites, type ComputedLook } from './store-tables.ts';

/** Where a flow stands, as its checkpoint says. */
export interface StoredPosition {
  readonly position: Position;
  /** Commit time at the source of the last transaction taken, in milliseconds since 1970; undefined before the first. */
  readonly commitTime: number | undefined;
}

/** The store as far as it could be examined; parts that could not be are empty. */
export interface ExaminedStore {
  readonly findings: readonly Finding[];
  readonly place: ServerPlace | undefined;
  readonly computed: readonly ComputedLook[];
  readonly checkpoints: ReadonlyMap<string, StoredPosition>;
}

const nothing = { place: undefined, computed: [], checkpoints: new Map<string, StoredPosition>() };

/** Examines the store: the server, the account, and every table that enabled flows write. */
export async function examineStore(configuration: Configuration, migrations: string): Promise<ExaminedStore> {
  const url = configuration.global.store?.url;
  if (url === undefined) {
    const message = 'There is no store in the configuration; flows that a program feeds can do without.';
    return { ...nothing, findings: [{ code: 'NOT_EXAMINED', severity: 'info', subject: 'store', message, remedy: '' }] };
  }
  let connection: StoreConnection;
  try {
    connection = await connectStore({ address: parseStoreUrl(url), ...storeDeadlines, hasAutocommit: true, usesDatabase: false });
  } catch (error) {
    return { ...nothing, findings: [findingOf(error, { subject: 'store', remedy: connectRemedy(url, error) })] };
  }
  const findings: Finding[] = [];
  try {
    return { ...(await lookAround(connection, { configuration, migrations, findings })), findings };
  } catch (error) {
    findings.push(findingOf(error, { subject: 'store', remedy: '' }));
    return { ...nothing, findings };
  } finally {
    await connection.close();
  }
}

function connectRemedy(url: string, error: unknown): string {
  const code = error instanceof CodedError ? error.code : undefined;
  if (code === 'CONFIG_INVALID') return '';
  if (code === 'STORE_TLS') return '-- in store.url: ?ssl=verify&ssl_ca=/path/ca.pem, or as the message says';
  const { user, database, host, port } = parseStoreUrl(url);
  if (code !== 'STORE_ACCESS_DENIED')
    return `-- a server must answer at ${host}:${port}; else correct store.url in the global document`;
  return [
    `-- correct store.url in the global document, or on ${host}:${port}, with the url's password:`,
    `CREATE USER IF NOT EXISTS '${user}'@'%' IDENTIFIED BY '<the password>';`,
    `GRANT ${ofStore.join(', ')} ON ${quoteName(database)}.* TO '${user}'@'%';`,
  ].join('\n');
}

interface Around {
  readonly configuration: Configuration;
  readonly migrations: string;
  readonly findings: Finding[];
}

async function lookAround(connection: StoreConnection, around: Around): Promise<Omit<ExaminedStore, 'findings'>> {
  const { configuration, findings } = around;
  const settings = await readStoreSettings(connection, storeDatabaseOf(configuration));
  const tables = writtenTables(configuration, settings.database);
  findings.push(...examineStoreSettings(settings));
  const grantFindings = examineStoreGrants(settings, new Set(tables.map((id) => id.slice(0, id.indexOf('.')))));
  findings.push(...(await examineBuilt(connection, settings.database)));
  findings.push(...grantFindings, ...(await examineReadOnly(connection, settings)));
  const pending = await examineMigrations(connection, settings, around);
  const computed: ComputedLook[] = [];
  for (const id of tables) {
    const look = await lookAtComputed(connection, { id, database: settings.database, pending });
    computed.push(look);
    findings.push(...examineComputed(look));
    if (grantFindings.length === 0) findings.push(...(await tryWrites(connection, look, settings.grants)));
  }
  const existing = new Set(computed.filter(({ columns }) => columns !== undefined).map(({ id }) => id));
  const { database, grants, flavour } = settings;
  findings.push(...(await examineMending(connection, { configuration, database, grants, flavour, existing })));
  return { place: settings.place, computed, checkpoints: await readCheckpoints(connection, settings.database) };
}

/** Tables that enabled flows write, in order of name. */
function writtenTables(configuration: Configuration, storeDatabase: string): readonly string[] {
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer: () => false });
  return [...new Set(graph.flatMap(({ writes }) => writes.map(({ table }) => table)))].sort();
}

async function examineMigrations(
  connection: StoreConnection,
  { database }: StoreSettings,
  { migrations, findings }: Around,
): Promise<readonly PendingMigration[]> {
  try {
    const dir = await folderOrNone(migrations);
    const pending = await readPending({ store: { query: (sql, params) => connection.query(sql, params), database }, dir });
    if (pending.length > 0) {
      const count = pending.length === 1 ? 'One migration is' : `${pending.length} migrations are`;
      const message = `${count} not applied yet, and the next start does it: ${nameList(pending.map(({ name }) => name))}.`;
      findings.push({ code: 'MIGRATION_PENDING', severity: 'info', subject: 'store', message, remedy: 'kisflow migrate' });
    }
    return pending;
  } catch (error) {
    findings.push(findingOf(error, { subject: 'store', remedy: '' }));
    return [];
  }
}

/** Every flow's checkpoint; none where kisflow has not run yet. */
async function readCheckpoints(connection: StoreConnection, database: string): Promise<ReadonlyMap<string, StoredPosition>> {
  try {
    const { rows } = await connection.query(`SELECT flow, position, commit_time FROM ${quoteName(database)}.kis_checkpoint`);
    const checkpoints = new Map<string, StoredPosition>();
    for (const row of rows) {
      const position = parsePosition(String(row['position']));
      const time = row['commit_time'];
      const commitTime = typeof time === 'string' ? Date.parse(`${time.replace(' ', 'T')}Z`) : undefined;
      if (position !== undefined) checkpoints.set(String(row['flow']), { position, commitTime });
    }
    return checkpoints;
  } catch (error) {
    // no such database, no such table, no right to read it: the last is a finding of its own
    if ([1044, 1049, 1142, 1146].includes(errnoOf(error) ?? 0)) return new Map();
    throw error;
  }
}
