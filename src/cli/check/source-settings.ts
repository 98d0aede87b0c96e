import { findObstacles, type Obstacle } from '../../source/obstacle.ts';
import { textOf, type Query } from '../../source/server-link.ts';
import type { ServerSettings } from '../../source/server-settings.ts';
import { formatDuration } from '../table.ts';
import { nameList, sentence, type Finding } from './finding.ts';
import { quoteAccount } from './grants.ts';
import { tooOld } from './server-place.ts';
import { setGlobal } from './store-server.ts';

const aDayMs = 24 * 60 * 60 * 1000;

/** What the source server's settings say by themselves. */
export function examineSourceSettings(settings: ServerSettings, subject: string): readonly Finding[] {
  return [
    versionOf(settings, subject),
    ...findObstacles(settings).map((obstacle) => findingOfObstacle(obstacle, settings, subject)),
    ...unknownGrants(settings, subject),
    ...(settings.hasBinlog ? [retentionOf(settings, subject)] : []),
    ...gtidOf(settings, subject),
    ...metadataOf(settings, subject),
  ];
}

function versionOf(settings: ServerSettings, subject: string): Finding {
  const { flavour, version, account } = settings;
  const old = tooOld(flavour, version);
  const message = `${flavour} ${version}, as ${account}${old === undefined ? '' : `; ${old}`}.`;
  return { code: 'SERVER_VERSION', severity: old === undefined ? 'info' : 'warning', subject, message, remedy: '' };
}

function findingOfObstacle(obstacle: Obstacle, settings: ServerSettings, subject: string): Finding {
  return {
    code: obstacle.code,
    severity: 'error',
    subject,
    message: sentence(obstacle.message),
    remedy: remedyOf(obstacle, settings),
  };
}

/** The obstacle's own statement, made to outlive a restart; and a hint to the sessions that keep what they began with. */
function remedyOf(obstacle: Obstacle, settings: ServerSettings): string {
  if (obstacle.code === 'SOURCE_BINLOG_OFF') {
    return [
      "-- in the server's configuration file, then restart it:",
      '[mysqld]',
      `server_id = ${settings.serverId === 0 ? 1 : settings.serverId}`,
      'log_bin = binlog',
      'binlog_format = ROW',
      'binlog_row_image = FULL',
      'binlog_row_metadata = FULL',
    ].join('\n');
  }
  const statement = /^SET GLOBAL (?<name>\w+) = (?<value>.*)$/.exec(obstacle.remedy)?.groups;
  if (statement === undefined) return obstacle.remedy.endsWith(';') ? obstacle.remedy : `${obstacle.remedy};`;
  const { name = '', value = '' } = statement;
  const set = setGlobal(settings.flavour, name, value);
  return `${set}\n-- then reconnect the writers: a session keeps the setting that it began with`;
}

function unknownGrants({ grants, account, flavour }: ServerSettings, subject: string): readonly Finding[] {
  if (grants.canDump !== undefined) return [];
  const remedy = `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${quoteAccount(account)};`;
  const message = `${account} has roles, and its grants do not show whether it may read the binlog${flavour === 'mariadb' ? ' (BINLOG MONITOR)' : ''}.`;
  return [{ code: 'NOT_EXAMINED', severity: 'info', subject, message, remedy }];
}

function retentionOf({ expireSeconds, flavour }: ServerSettings, subject: string): Finding {
  if (expireSeconds === 0) {
    const message = 'The binlog is never purged by age: no flow loses its place, and the disk fills unless somebody purges it.';
    return { code: 'SOURCE_RETENTION', severity: 'info', subject, message, remedy: '' };
  }
  const kept = `The binlog is kept for ${formatDuration(expireSeconds * 1000)}`;
  if (expireSeconds * 1000 >= aDayMs) {
    const message = `${kept}: so long a daemon may be down without losing its place.`;
    return { code: 'SOURCE_RETENTION', severity: 'info', subject, message, remedy: '' };
  }
  const message = `${kept} only: a daemon that is down for longer loses its place.`;
  return {
    code: 'SOURCE_RETENTION',
    severity: 'warning',
    subject,
    message,
    remedy: setGlobal(flavour, 'binlog_expire_logs_seconds', '604800'),
  };
}

function metadataOf({ rowMetadata, flavour, hasBinlog }: ServerSettings, subject: string): readonly Finding[] {
  if (rowMetadata === 'FULL' || !hasBinlog) return [];
  const known = rowMetadata === '' ? 'The server is too old for binlog_row_metadata' : `binlog_row_metadata is ${rowMetadata}`;
  const message = `${known}: events do not carry the names of their columns, so those of the table have to be asked for, and a table that was altered since stops its flows.`;
  const remedy = rowMetadata === '' ? '' : setGlobal(flavour, 'binlog_row_metadata', 'FULL');
  return [{ code: 'SOURCE_ROW_METADATA', severity: 'warning', subject, message, remedy }];
}

function gtidOf({ flavour, gtidMode, hasBinlog }: ServerSettings, subject: string): readonly Finding[] {
  if (flavour === 'mariadb' || gtidMode === 'ON' || !hasBinlog) return [];
  const steps = ['OFF', 'OFF_PERMISSIVE', 'ON_PERMISSIVE', 'ON'];
  const left = steps.slice(steps.indexOf(gtidMode) + 1).map((mode) => `SET PERSIST gtid_mode = ${mode};`);
  const message = `gtid_mode is ${gtidMode}: positions are file and offset, which do not survive a failover to another server.`;
  const remedy = ['SET PERSIST enforce_gtid_consistency = ON;', ...left].join('\n');
  return [{ code: 'SOURCE_GTID_OFF', severity: 'info', subject, message, remedy }];
}

const sessionSettings = [
  { name: 'binlog_format', wanted: 'ROW' },
  { name: 'binlog_row_image', wanted: 'FULL' },
] as const;

/** Connections that keep an older setting of their own. MySQL tells, to those who may look; MariaDB does not. */
export async function examineSessions(query: Query, settings: ServerSettings, subject: string): Promise<readonly Finding[]> {
  const unseen = (why: string): Finding => ({
    code: 'NOT_EXAMINED',
    severity: 'info',
    subject,
    message: `Whether a connection has a binlog_format or binlog_row_image of its own cannot be seen: ${why}.`,
    remedy: '',
  });
  if (settings.flavour === 'mariadb') return [unseen('MariaDB does not tell')];
  const conditions = sessionSettings.map(({ name, wanted }) => `(v.variable_name = '${name}' AND v.variable_value <> '${wanted}')`);
  const rows = await query(
    `SELECT v.variable_name AS name, v.variable_value AS value, t.processlist_id AS id
     FROM performance_schema.variables_by_thread v JOIN performance_schema.threads t ON t.thread_id = v.thread_id
     WHERE t.type = 'FOREGROUND' AND t.processlist_id <> CONNECTION_ID() AND (${conditions.join(' OR ')})`,
  ).catch(() => undefined); // a look that most accounts may not have; nothing depends on it
  if (rows === undefined) return [unseen('the account may not read performance_schema')];
  return sessionSettings.flatMap(({ name }): Finding[] => {
    const found = rows.filter((row) => textOf(row, 'name') === name);
    if (found.length === 0 || globalOf(settings, name) !== 'right') return [];
    const ids = found.map((row) => textOf(row, 'id'));
    const values = [...new Set(found.map((row) => textOf(row, 'value')))].join(' and ');
    const who =
      ids.length === 1 ? `Connection ${ids[0] ?? ''} still writes` : `${ids.length} connections (${nameList(ids)}) still write`;
    const message = `${who} the binlog with ${name} ${values}, which each began with.`;
    const remedy = ids.map((id) => `KILL ${id};`).join('\n');
    return [{ code: 'SOURCE_SESSION_SETTING', severity: 'warning', subject, message, remedy }];
  });
}

/** Where the global setting is wrong every session is, and that is a finding already. */
function globalOf(settings: ServerSettings, name: (typeof sessionSettings)[number]['name']): 'right' | 'wrong' {
  const codes = new Map([
    ['binlog_format', settings.binlogFormat === 'ROW'],
    ['binlog_row_image', settings.rowImage === 'FULL'],
  ]);
  return codes.get(name) === true ? 'right' : 'wrong';
}

/** Clashes of server_id: with the server itself, and with replicas that are connected now. kisflow itself is not among those. */
export async function examineServerId(
  query: Query,
  settings: ServerSettings,
  source: { readonly subject: string; readonly serverId: number; readonly readers: number },
): Promise<readonly Finding[]> {
  const { subject, serverId, readers } = source;
  const findings: Finding[] = [];
  if (settings.serverId === 0) {
    const message = 'The source server has server_id 0 and refuses every reader of its binlog.';
    findings.push({
      code: 'SOURCE_SERVER_ID_UNSET',
      severity: 'error',
      subject,
      message,
      remedy: setGlobal(settings.flavour, 'server_id', '1'),
    });
  }
  if (serverId === 0) return findings;
  const last = serverId + readers - 1;
  const isOurs = (id: number): boolean => id >= serverId && id <= last;
  const range = readers === 1 ? `server_id ${serverId}` : `server_id ${serverId} to ${last}, one for each reader,`;
  const remedy = 'server_id: 0   # in the document of the source: one is chosen';
  if (isOurs(settings.serverId)) {
    const message = `The configuration takes ${range} and the source server itself has ${settings.serverId}.`;
    findings.push({
      code: 'SOURCE_SERVER_ID_CLASH',
      severity: 'error',
      subject,
      message: message.replace(',  and', ' and'),
      remedy,
    });
  }
  for (const id of await replicaIds(query, settings)) {
    if (!isOurs(id)) continue;
    const message = `The configuration takes ${range} and a replica that is connected to the source server has ${id}.`;
    findings.push({ code: 'SOURCE_SERVER_ID_CLASH', severity: 'error', subject, message, remedy });
  }
  return findings;
}

async function replicaIds(query: Query, settings: ServerSettings): Promise<readonly number[]> {
  const isOld = settings.flavour === 'mariadb' || Number.parseInt(settings.version, 10) < 8;
  // MariaDB wants a right of its own for this (REPLICATION MASTER ADMIN), which a reader does not need.
  const rows = await query(isOld ? 'SHOW SLAVE HOSTS' : 'SHOW REPLICAS').catch(() => []);
  return rows.map((row) => Number(textOf(row, 'Server_Id') || textOf(row, 'Server_id')));
}
