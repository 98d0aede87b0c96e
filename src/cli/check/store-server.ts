import { errnoOf } from '../../store/errors.ts';
import type { StoreConnection } from '../../store/connection.ts';
import { quoteName } from '../../store/name.ts';
import { formatCount } from '../table.ts';
import type { Finding } from './finding.ts';
import { mayOn, quoteAccount, type Grants } from './grants.ts';
import { placeOf, placeVariables, tooOld, type ServerPlace } from './server-place.ts';

/** What the store's server is and how it is set. */
export interface StoreSettings {
  readonly flavour: 'mysql' | 'mariadb';
  readonly version: string;
  readonly place: ServerPlace;
  readonly database: string;
  readonly hasDatabase: boolean;
  readonly grants: Grants;
  /** A server variable; '' where the server does not know it. */
  readonly value: (name: string) => string;
}

const variables = [
  ...placeVariables,
  'server_id',
  'server_uuid',
  'read_only',
  'super_read_only',
  'innodb_read_only',
  'log_bin',
  'binlog_format',
  'time_zone',
  'system_time_zone',
  'max_allowed_packet',
];

/** Asks the store's server for its facts. */
export async function readStoreSettings(connection: StoreConnection, database: string): Promise<StoreSettings> {
  const { rows } = await connection.query('SHOW GLOBAL VARIABLES WHERE Variable_name IN (?)', [variables]);
  const values = new Map(rows.map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]));
  const value = (name: string): string => values.get(name) ?? '';
  const about = await connection.query('SELECT VERSION() AS version, CURRENT_USER() AS account');
  const version = String(about.rows[0]?.['version']);
  const flavour = /mariadb/i.test(version) ? 'mariadb' : 'mysql';
  const grants = await connection.query('SHOW GRANTS');
  const found = await connection.query('SELECT 1 FROM information_schema.schemata WHERE schema_name = ?', [database]);
  return {
    flavour,
    version,
    place: placeOf(flavour === 'mariadb' ? `server_id:${value('server_id')}` : value('server_uuid'), value),
    database,
    hasDatabase: found.rows.length > 0,
    grants: {
      account: String(about.rows[0]?.['account']),
      lines: grants.rows.map((row) => String(Object.values(row)[0])),
    },
    value,
  };
}

/** What the settings say by themselves. */
export function examineStoreSettings(settings: StoreSettings): readonly Finding[] {
  return [
    versionOf(settings),
    ...(settings.hasDatabase ? [] : [missingDatabase(settings)]),
    ...statementFormat(settings),
    ...smallPacket(settings),
    ...timeZone(settings),
  ];
}

function versionOf({ flavour, version, grants }: StoreSettings): Finding {
  const old = tooOld(flavour, version);
  const message = `${flavour} ${version}, as ${grants.account}${old === undefined ? '' : `; ${old}`}.`;
  return { code: 'SERVER_VERSION', severity: old === undefined ? 'info' : 'warning', subject: 'store', message, remedy: '' };
}

function missingDatabase({ database }: StoreSettings): Finding {
  return {
    code: 'STORE_DATABASE_MISSING',
    severity: 'info',
    subject: 'store',
    message: `The database ${database} does not exist yet; the first start makes it.`,
    remedy: '',
  };
}

/** InnoDB refuses to write under READ COMMITTED, which store connections use, into a binlog of statements. */
function statementFormat({ value, flavour }: StoreSettings): readonly Finding[] {
  if (value('log_bin') !== 'ON' || value('binlog_format').toUpperCase() !== 'STATEMENT') return [];
  return [
    {
      code: 'STORE_STATEMENT',
      severity: 'error',
      subject: 'store',
      message: 'The store writes a binlog with binlog_format STATEMENT, and InnoDB refuses writes under READ COMMITTED there.',
      remedy: setGlobal(flavour, 'binlog_format', 'ROW'),
    },
  ];
}

const smallPacketBytes = 4 * 1024 * 1024;

function smallPacket({ value, flavour }: StoreSettings): readonly Finding[] {
  const bytes = Number(value('max_allowed_packet'));
  if (bytes >= smallPacketBytes) return [];
  return [
    {
      code: 'STORE_PACKET_SMALL',
      severity: 'warning',
      subject: 'store',
      message: `max_allowed_packet is ${formatCount(bytes)} bytes: batches are cut into many statements, and a longer row is refused.`,
      remedy: setGlobal(flavour, 'max_allowed_packet', '67108864'),
    },
  ];
}

function timeZone({ value }: StoreSettings): readonly Finding[] {
  const zone = value('time_zone') === 'SYSTEM' ? value('system_time_zone') : value('time_zone');
  if (/^(UTC|\+00:00|Etc\/UTC|GMT)$/i.test(zone)) return [];
  const message = `The time zone is ${zone}; kisflow writes in UTC, so TIMESTAMP columns and defaults such as NOW() are UTC.`;
  return [{ code: 'STORE_TIME_ZONE', severity: 'info', subject: 'store', message, remedy: '' }];
}

/** `SET …` that outlives a restart, where the server can do that. */
export function setGlobal(flavour: 'mysql' | 'mariadb', name: string, value: string): string {
  if (flavour === 'mysql') return `SET PERSIST ${name} = ${value};`;
  return `SET GLOBAL ${name} = ${value}; -- and ${name}=${value} in the server's configuration file, or a restart undoes it`;
}

const databasePrivileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** Rights that are certainly missing on the store's database, and on others that hold computed tables. */
export function examineStoreGrants(settings: StoreSettings, databases: ReadonlySet<string>): readonly Finding[] {
  const { grants, database } = settings;
  return [database, ...[...databases].filter((name) => name !== database)].flatMap((name): Finding[] => {
    const wanted = name === database ? [...databasePrivileges, 'CREATE', 'ALTER'] : databasePrivileges;
    const missing = wanted.filter((privilege) => mayOn(grants, privilege, name) === false);
    if (missing.length === 0) return [];
    return [
      {
        code: 'STORE_ACCESS_DENIED',
        severity: 'error',
        subject: 'store',
        message: `${grants.account} lacks ${missing.join(', ')} on the database ${name}.`,
        remedy: `GRANT ${missing.join(', ')} ON ${quoteName(name)}.* TO ${quoteAccount(grants.account)};`,
      },
    ];
  });
}

/** Whether the server takes this account's writes: tried where there is a table to try on, else by its settings. */
export async function examineReadOnly(connection: StoreConnection, settings: StoreSettings): Promise<readonly Finding[]> {
  const { value, flavour } = settings;
  const on = ['innodb_read_only', 'super_read_only', 'read_only'].find((name) => isOn(value(name)));
  if (on === undefined) return [];
  const isRefused = (await isWriteRefused(connection, settings)) ?? !mayPass(settings, on);
  const remedy =
    on === 'innodb_read_only'
      ? '-- start the server without innodb_read_only, or point store.url at the primary'
      : `${setGlobal(flavour, on === 'super_read_only' ? 'super_read_only' : 'read_only', 'OFF')}\n-- or point store.url at the primary`;
  const message = isRefused
    ? `The store is read-only (${on} is ON) and refuses the writes of ${settings.grants.account}.`
    : `The store is set to read-only (${on} is ON); ${settings.grants.account} may write all the same, others may not.`;
  return [{ code: 'STORE_READ_ONLY', severity: isRefused ? 'error' : 'warning', subject: 'store', message, remedy }];
}

/** MariaDB 10.11 says 1 and ON, newer ones have more words for read_only. */
function isOn(value: string): boolean {
  return value !== '' && !/^(OFF|0)$/i.test(value);
}

function mayPass({ grants, flavour }: StoreSettings, on: string): boolean {
  if (on !== 'read_only') return false;
  const privileges = flavour === 'mysql' ? ['SUPER', 'CONNECTION_ADMIN'] : ['READ_ONLY ADMIN', 'READ ONLY ADMIN'];
  return privileges.some((privilege) => mayOn(grants, privilege, '*') !== false);
}

/** A statement that changes nothing; undefined where there is no table to try it on. */
async function isWriteRefused(connection: StoreConnection, { database }: StoreSettings): Promise<boolean | undefined> {
  try {
    await connection.query(`DELETE FROM ${quoteName(database)}.kis_flow WHERE FALSE`);
    return false;
  } catch (error) {
    const errno = errnoOf(error) ?? 0;
    if ([1290, 1792, 1836].includes(errno)) return true;
    if ([1049, 1142, 1146].includes(errno)) return undefined;
    throw error;
  }
}
