/**
 * Which privileges each account of a project needs, and no others. Pure: made from the configuration and the migrations.
 */
import { isInStore, storeDatabaseOf } from '../../config/plan.ts';
import type { Configuration } from '../../config/configuration.ts';
import type { ConnSpec, FlowSpec, SourceSpec } from '../../config/spec.ts';
import { parseTableName } from '../../connector/mysql-table.ts';
import { rebuildRights } from '../../repair/shadow-tables.ts';
import { parseTablePattern } from '../../router/table-pattern.ts';
import { shadowDatabaseOf, shadowDatabasesOf, verifyDatabaseOf } from '../../row/shadow-database.ts';
import { quoteName } from '../../store/name.ts';
import { ownMigrations } from '../../store/schema.ts';

/** Where a privilege holds: everywhere, in the databases of a pattern of LIKE, in a database, on one table. */
export type GrantScope =
  | { readonly database: '*' }
  | { readonly database: string; readonly isPattern: true }
  | { readonly database: string; readonly table?: string };

export interface NeededGrant {
  readonly privileges: readonly string[];
  readonly on: GrantScope;
  /** What for, as a comment. */
  readonly why: string;
}

/** What a source's account needs. MariaDB has a word of its own for the second right, and takes MySQL's too. */
export function sourceGrants(
  configuration: Configuration,
  spec: SourceSpec,
  flavour: 'mysql' | 'mariadb' | undefined,
): readonly NeededGrant[] {
  const monitor = flavour === 'mariadb' ? 'BINLOG MONITOR' : 'REPLICATION CLIENT';
  const flows = enabledFlows(configuration).filter((flow) => flow.source?.name === spec.name);
  const tables = flows.flatMap((flow) => flow.source?.tables ?? []);
  const why = 'to examine the tables, to read them by snapshots, and to read events that do not describe their columns';
  return [
    {
      privileges: ['REPLICATION SLAVE', monitor],
      on: { database: '*' },
      why: 'to read the binlog, and to ask for its files and its end',
    },
    ...distinct(tables.map(scopeOfPattern)).map((on) => ({ privileges: ['SELECT'], on, why })),
  ];
}

/** A table where a pattern names one, its database where it names that, else everything. */
function scopeOfPattern(text: string): GrantScope {
  const pattern = parseTablePattern(text);
  if (pattern === undefined || /[*?]/.test(pattern.schema)) return { database: '*' };
  return pattern.isExplicit ? { database: pattern.schema, table: pattern.table } : { database: pattern.schema };
}

/** What the store's account needs: kisflow's own tables and the computed ones, and what the migrations do. */
export function storeGrants(
  configuration: Configuration,
  migrations: readonly string[],
  flavour: 'mysql' | 'mariadb' | undefined,
): readonly NeededGrant[] {
  const isAsked = (privilege: string): boolean => isAskedBy(flavour, privilege);
  const database = storeDatabaseOf(configuration);
  const elsewhere = distinct(
    savesOf(configuration)
      .filter(({ conn }) => isInStore(conn) && conn.key !== '')
      .map(({ conn }) => parseTableName(conn.key, database))
      .filter((name) => name.database !== database)
      .map((name): GrantScope => name),
  );
  const more = migrationPrivileges(migrations).filter((privilege) => !ofStore.includes(privilege) && isAsked(privilege));
  return [
    { privileges: ofStore.filter(isAsked), on: { database }, why: 'kisflow’s own tables, and the computed ones' },
    ...(more.length === 0 ? [] : [{ privileges: more, on: { database }, why: 'what the files of migrations/ do' }]),
    ...elsewhere.map((on) => ({ privileges: ofTable, on, why: 'a computed table of another database' })),
    ...mendedFlows(configuration).flatMap((flow) => mendingGrants({ database, flow: flow.flow_name, flavour })),
  ];
}

/** Flows that are run and that are rebuilt by themselves when the binlog behind them is gone. */
export function mendedFlows(configuration: Configuration): readonly FlowSpec[] {
  return enabledFlows(configuration).filter(({ source }) => source?.on_purged === 'snapshot');
}

/** What the store's account needs besides to rebuild a flow. */
export function mendingGrants(options: {
  readonly database: string;
  readonly flow: string;
  readonly flavour: 'mysql' | 'mariadb' | undefined;
}): readonly NeededGrant[] {
  const { database, flow, flavour } = options;
  const why = `to rebuild flow ${flow} by itself (on_purged: snapshot)`;
  return rebuildRightsOn({ shadows: [{ database: shadowDatabaseOf(database, flow) }], database, flavour }).map((need) => ({
    ...need,
    why,
  }));
}

/**
 * What the store's account needs besides for `kisflow rebuild` and `kisflow verify`, which compute in databases of their own. A server that
 * takes names of databases as they are is given each by its name.
 */
export function rebuildGrants(
  configuration: Configuration,
  flavour: 'mysql' | 'mariadb' | undefined,
  isLiteral: boolean,
): readonly NeededGrant[] {
  const database = storeDatabaseOf(configuration);
  const flows = enabledFlows(configuration).filter(({ flow_name: name }) =>
    savesOf(configuration, name).some(({ conn }) => isInStore(conn)),
  );
  if (flows.length === 0) return [];
  const shadows: readonly GrantScope[] = isLiteral
    ? flows
        .flatMap(({ flow_name: name }) => [shadowDatabaseOf(database, name), verifyDatabaseOf(database, name)])
        .map((name) => ({ database: name }))
    : [{ database: shadowDatabasesOf(database), isPattern: true }];
  return rebuildRightsOn({ shadows, database, flavour });
}

function rebuildRightsOn(options: {
  readonly shadows: readonly GrantScope[];
  readonly database: string;
  readonly flavour: 'mysql' | 'mariadb' | undefined;
}): readonly NeededGrant[] {
  const { shadows, database, flavour } = options;
  const rights = rebuildRights.shadow.filter((each) => isAskedBy(flavour, each));
  const main = rebuildRights.main.filter((privilege) => !ofStore.includes(privilege));
  return [
    ...shadows.map((on) => ({ privileges: rights, on, why: 'the computed tables in the making' })),
    { privileges: main, on: { database }, why: 'to change them for the old ones' },
  ];
}

/** What the account of a connector with a server of its own needs. */
export function connectorGrants(configuration: Configuration, conn: ConnSpec): readonly NeededGrant[] {
  const users = enabledFlows(configuration).flatMap((flow) =>
    flow.flows.flatMap(({ fname }) => {
      const func = configuration.funcs.get(fname);
      return func?.option.cname === conn.cname ? [{ flow, func }] : [];
    }),
  );
  const { database, table } = parseTableName(conn.key, databaseOf(conn.addrs));
  const privileges = new Set<string>();
  for (const { flow, func } of users) {
    if (func.fmode !== 'Save') privileges.add('SELECT');
    else for (const privilege of savePrivileges(conn, flow)) privileges.add(privilege);
  }
  if (table === '' || privileges.size === 0) return [];
  return [{ privileges: ofTable.filter((each) => privileges.has(each)), on: { database, table }, why: 'its table' }];
}

function savePrivileges(conn: ConnSpec, flow: FlowSpec): readonly string[] {
  if (flow.source?.rows === 'change') return ofTable;
  const mode = conn.params['mode'] ?? 'upsert';
  if (mode === 'insert') return ['SELECT', 'INSERT'];
  return mode === 'update' ? ['SELECT', 'UPDATE'] : ['SELECT', 'INSERT', 'UPDATE'];
}

function databaseOf(address: string): string {
  return URL.canParse(address) ? decodeURIComponent(new URL(address).pathname.slice(1)) : '';
}

/** What statements need besides the rights on rows, as far as their first words tell. */
const statementPrivileges: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^CREATE\s+(OR\s+REPLACE\s+)?TABLE\b/i, ['CREATE']],
  [/^CREATE\s+TEMPORARY\s+TABLE\b/i, ['CREATE TEMPORARY TABLES']],
  [/^CREATE\s+OR\s+REPLACE\s+.*?(TABLE|VIEW)\b/is, ['DROP']],
  [/^CREATE\s+(?!TABLE|INDEX)[^(]*?\bVIEW\b/is, ['CREATE VIEW']],
  [/^(CREATE|DROP)\s+[^(]*?\bTRIGGER\b/is, ['TRIGGER']],
  [/^CREATE\s+[^(]*?\b(PROCEDURE|FUNCTION)\b/is, ['CREATE ROUTINE']],
  [/^(ALTER|DROP)\s+(PROCEDURE|FUNCTION)\b/i, ['ALTER ROUTINE']],
  [/^(CREATE|ALTER|DROP)\s+[^(]*?\bEVENT\b/is, ['EVENT']],
  [/^(CREATE|DROP)\s+(UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?INDEX\b/i, ['INDEX']],
  [/^ALTER\s+[^(]*?\bTABLE\b/is, ['ALTER']],
  [/^ALTER\s+.*?\b((DROP|TRUNCATE)\s+PARTITION|RENAME\s+(TO|AS))\b/is, ['DROP']],
  [/^RENAME\s+TABLE\b/i, ['ALTER', 'DROP']],
  [/^(DROP\s+(TABLE|VIEW)|TRUNCATE)\b/i, ['DROP']],
  [/^(CREATE|ALTER)\s.*\bREFERENCES\b/is, ['REFERENCES']],
  [/^LOCK\s+TABLES?\b/i, ['LOCK TABLES']],
  [/^CALL\b/i, ['EXECUTE']],
];

export function migrationPrivileges(statements: readonly string[]): readonly string[] {
  const fitting = (sql: string) =>
    statementPrivileges.filter(([pattern]) => pattern.test(sql)).flatMap(([, privileges]) => privileges);
  return [...new Set(statements.flatMap(fitting))].toSorted();
}

const ofTable = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
/** Rights on rows, and what kisflow's own migrations do: its tables are made, one has a foreign key, upgrades alter them. */
export const ofStore = [
  ...ofTable,
  ...migrationPrivileges(ownMigrations.flatMap(({ statements }) => statements.map((sql) => sql.trim()))),
];

/** MariaDB lets who may create a table give it foreign keys. */
function isAskedBy(flavour: 'mysql' | 'mariadb' | undefined, privilege: string): boolean {
  return privilege !== 'REFERENCES' || flavour !== 'mariadb';
}

function enabledFlows(configuration: Configuration): readonly FlowSpec[] {
  return [...configuration.flows.values()].filter((flow) => flow.status === 1);
}

/** The connectors of all flows, or of one. */
function savesOf(configuration: Configuration, name?: string): readonly { readonly conn: ConnSpec }[] {
  const flows = enabledFlows(configuration).filter((flow) => name === undefined || flow.flow_name === name);
  return flows.flatMap((flow) =>
    flow.flows.flatMap(({ fname }) => {
      const func = configuration.funcs.get(fname);
      const conn = configuration.conns.get(func?.option.cname ?? '');
      return conn === undefined ? [] : [{ conn }];
    }),
  );
}

function distinct(scopes: readonly GrantScope[]): readonly GrantScope[] {
  const all = new Map(scopes.map((scope) => [writeScope(scope), scope]));
  if (all.has('*.*')) return [{ database: '*' }];
  return [...all.values()];
}

/** As GRANT takes it. `_` and `%` of a database's name stand for others there unless they are escaped, or the server has partial_revokes. */
export function writeScope(scope: GrantScope, isLiteral = false): string {
  if (scope.database === '*') return '*.*';
  const table = 'table' in scope ? scope.table : undefined;
  if (table !== undefined) return `${quoteName(scope.database)}.${quoteName(table)}`;
  if ('isPattern' in scope) return `${quoteName(scope.database)}.*`;
  return `${quoteName(isLiteral ? scope.database : scope.database.replaceAll(/[_%]/g, String.raw`\$&`))}.*`;
}
