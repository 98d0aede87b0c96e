import type { ServerIdentity } from './contract.ts';
import { textOf, type Query } from './server-link.ts';

/**
 * What a source server is and how it is set: plain facts. `inspect` refuses to read on some of them, and the `check` command
 * makes findings of all of them. A variable that the server does not know is ''.
 */
export interface ServerSettings extends ServerIdentity {
  readonly serverId: number;
  /** '' on MariaDB. */
  readonly serverUuid: string;
  readonly hasBinlog: boolean;
  /** ROW, MIXED or STATEMENT. */
  readonly binlogFormat: string;
  /** FULL, FULL_NODUP (MariaDB 11.4), NOBLOB or MINIMAL. */
  readonly rowImage: string;
  /** FULL, MINIMAL or NO_LOG; '' on a server too old to have it. */
  readonly rowMetadata: string;
  /** MySQL: OFF, OFF_PERMISSIVE, ON_PERMISSIVE or ON; '' on MariaDB. */
  readonly gtidMode: string;
  /** After how many seconds binlog files may be purged; 0: never by age. */
  readonly expireSeconds: number;
  readonly checksum: string;
  readonly timeZone: string;
  /** `user@host` that the server took us for. */
  readonly account: string;
  readonly grants: SourceGrants;
}

/** Undefined where the account has roles and the grants do not show it. */
interface SourceGrants {
  /** REPLICATION SLAVE (MariaDB also: REPLICATION REPLICA): to receive the binlog. */
  readonly canDump: boolean | undefined;
  /** REPLICATION CLIENT (MariaDB: BINLOG MONITOR): to ask for the binlog's end and its events. */
  readonly canAskStatus: boolean | undefined;
  /** The lines of SHOW GRANTS. */
  readonly lines: readonly string[];
}

const VARIABLES = [
  'server_id',
  'server_uuid',
  'log_bin',
  'binlog_format',
  'binlog_row_image',
  'binlog_row_metadata',
  'binlog_checksum',
  'gtid_mode',
  'binlog_expire_logs_seconds',
  'expire_logs_days',
  'time_zone',
  'system_time_zone',
];

/** Asks a server for its facts: three statements. */
export async function readServerSettings(query: Query): Promise<ServerSettings> {
  const names = VARIABLES.map((name) => `'${name}'`).join(', ');
  const rows = await query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  const variables = new Map(rows.map((row) => [textOf(row, 'Variable_name').toLowerCase(), textOf(row, 'Value')]));
  const [about] = await query('SELECT VERSION() AS version, CURRENT_USER() AS account');
  const grantRows = await query('SHOW GRANTS');
  const value = (name: string) => variables.get(name) ?? '';
  const isMariadb = /mariadb/i.test(textOf(about, 'version'));
  const seconds = Number(value('binlog_expire_logs_seconds') || 0);
  return {
    ...identityOf({ version: textOf(about, 'version'), value }),
    serverId: Number(value('server_id')),
    serverUuid: value('server_uuid'),
    hasBinlog: isOn(value('log_bin')),
    // A server without the variable writes rows only.
    binlogFormat: value('binlog_format').toUpperCase() || 'ROW',
    rowImage: value('binlog_row_image').toUpperCase(),
    rowMetadata: value('binlog_row_metadata').toUpperCase(),
    gtidMode: isMariadb ? '' : value('gtid_mode').toUpperCase(),
    expireSeconds: seconds > 0 ? seconds : Math.round(Number(value('expire_logs_days') || 0) * 86_400),
    checksum: value('binlog_checksum'),
    timeZone: value('time_zone') === 'SYSTEM' ? value('system_time_zone') : value('time_zone'),
    account: textOf(about, 'account'),
    grants: readGrants(grantRows.map((row) => String(Object.values(row)[0]))),
  };
}

/** The server's identity alone: what every connection attempt asks. */
export async function readIdentity(query: Query): Promise<ServerIdentity> {
  const rows = await query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_id', 'server_uuid', 'gtid_mode')");
  const variables = new Map(rows.map((row) => [textOf(row, 'Variable_name').toLowerCase(), textOf(row, 'Value')]));
  const value = (name: string) => variables.get(name) ?? '';
  return identityOf({ version: value('version'), value });
}

function identityOf({ version, value }: { version: string; value: (name: string) => string }): ServerIdentity {
  const isMariadb = /mariadb/i.test(version);
  return {
    flavour: isMariadb ? 'mariadb' : 'mysql',
    version,
    server: isMariadb ? `server_id:${value('server_id')}` : value('server_uuid'),
    hasGtid: isMariadb || value('gtid_mode').toUpperCase() === 'ON',
  };
}

function isOn(text: string): boolean {
  return /^(on|1|yes)$/i.test(text);
}

function readGrants(lines: readonly string[]): SourceGrants {
  const global = lines.filter((line) => / ON \*\.\* TO /i.test(line)).map((line) => line.slice(0, line.search(/ ON \*\.\* TO /i)));
  const hasRoles = lines.some((line) => !/ ON /i.test(line));
  const has = (...privileges: readonly string[]) =>
    global.some((line) => {
      const held = line
        .replace(/^GRANT /i, '')
        .split(',')
        .map((privilege) => privilege.trim().toUpperCase());
      return held.includes('ALL PRIVILEGES') || held.includes('ALL') || privileges.some((privilege) => held.includes(privilege));
    }) || (hasRoles ? undefined : false);
  return {
    canDump: has('REPLICATION SLAVE', 'REPLICATION REPLICA'),
    canAskStatus: has('REPLICATION CLIENT', 'BINLOG MONITOR', 'SUPER'),
    lines,
  };
}
