import { textOf, type Query } from '../../source/server-link.ts';
import type { ServerSettings } from '../../source/server-settings.ts';
import { nameList, type Finding } from './finding.ts';
import type { SourceTable } from './source-tables.ts';
import { setGlobal } from './store-server.ts';

/** What the server says of its binlog beside ServerSettings. */
export interface BinlogFacts {
  readonly flavour: ServerSettings['flavour'];
  readonly checksum: string;
  /** MariaDB's gtid_strict_mode; '' on MySQL. */
  readonly gtidStrict: string;
  /** log_replica_updates: whether replicated changes are in its binlog. */
  readonly logsReplicated: boolean;
  readonly isReplica: boolean;
  /** Schemas of binlog_do_db and binlog_ignore_db. */
  readonly only: readonly string[];
  readonly ignored: readonly string[];
}

export interface BinlogScope {
  readonly subject: string;
  /** All tables that flows read. */
  readonly tables: readonly SourceTable[];
}

/** Examines what the binlog holds. Questions that the account may not ask are left out: a finding of its grants says so. */
export async function examineBinlog(query: Query, settings: ServerSettings, scope: BinlogScope): Promise<readonly Finding[]> {
  if (!settings.hasBinlog) return [];
  return judgeBinlog(await readFacts(query, settings), scope);
}

async function readFacts(query: Query, { flavour, checksum, version }: ServerSettings): Promise<BinlogFacts> {
  const names = "'log_slave_updates', 'log_replica_updates', 'gtid_strict_mode'";
  const rows = await query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  const values = new Map(rows.map((row) => [textOf(row, 'Variable_name').toLowerCase(), textOf(row, 'Value')]));
  const isOld = flavour === 'mariadb' || /^(?:5\.|8\.[01]\.)/.test(version);
  const [log] = await query(isOld ? 'SHOW MASTER STATUS' : 'SHOW BINARY LOG STATUS').catch(() => []);
  const replicas = await query(flavour === 'mariadb' ? 'SHOW ALL SLAVES STATUS' : 'SHOW REPLICA STATUS').catch(() => []);
  const schemas = (field: string): readonly string[] =>
    textOf(log, field)
      .split(',')
      .flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  return {
    flavour,
    checksum,
    gtidStrict: flavour === 'mariadb' ? (values.get('gtid_strict_mode') ?? '') : '',
    logsReplicated: (values.get('log_replica_updates') ?? values.get('log_slave_updates')) !== 'OFF',
    isReplica: replicas.length > 0,
    only: schemas('Binlog_Do_DB'),
    ignored: schemas('Binlog_Ignore_DB'),
  };
}

/** Pure: the findings of these facts. */
export function judgeBinlog(facts: BinlogFacts, { subject, tables }: BinlogScope): readonly Finding[] {
  const { flavour, checksum, gtidStrict, logsReplicated, isReplica } = facts;
  const findings: Finding[] = [...filtersOf(facts, { subject, tables })];
  if (isReplica && !logsReplicated) {
    const name = flavour === 'mariadb' ? 'log_slave_updates' : 'log_replica_updates';
    const message = `The server is a replica, and ${name} is OFF: changes that it replicates are not in its binlog.`;
    const remedy = `-- in the server's configuration file, then restart it; or read from the primary:\n[mysqld]\n${name} = ON`;
    findings.push({ code: 'SOURCE_REPLICA_UNLOGGED', severity: 'error', subject, message, remedy });
  }
  if (checksum.toUpperCase() === 'NONE') {
    const message = 'binlog_checksum is NONE: an event that is damaged on the disk or on its way may be taken for a good one.';
    const remedy = setGlobal(flavour, 'binlog_checksum', 'CRC32');
    findings.push({ code: 'SOURCE_CHECKSUM_OFF', severity: 'warning', subject, message, remedy });
  }
  if (gtidStrict === 'OFF') {
    const message = 'gtid_strict_mode is OFF: GTIDs may be out of order in the binlog, and a position then passes transactions by.';
    const remedy = setGlobal(flavour, 'gtid_strict_mode', 'ON');
    findings.push({ code: 'SOURCE_GTID_LOOSE', severity: 'info', subject, message, remedy });
  }
  return findings;
}

/** Rows are logged by the schema of their table, whatever the session's own is. */
function filtersOf({ only, ignored }: BinlogFacts, { subject, tables }: BinlogScope): readonly Finding[] {
  const isLost = (schema: string): boolean => (only.length > 0 ? !only.includes(schema) : ignored.includes(schema));
  const lost = [...new Set(tables.map(({ schema }) => schema))].filter(isLost);
  if (lost.length === 0) return [];
  const name = only.length > 0 ? 'binlog_do_db' : 'binlog_ignore_db';
  const message = `${name} keeps the changes of ${nameList(lost)} out of the binlog, and flows read tables of it.`;
  const lines =
    only.length > 0
      ? lost.map((schema) => `binlog_do_db = ${schema}`)
      : lost.map((schema) => `# without: binlog_ignore_db = ${schema}`);
  const remedy = ["-- in the server's configuration file, then restart it:", '[mysqld]', ...lines].join('\n');
  return [{ code: 'SOURCE_LOG_FILTERED', severity: 'error', subject, message, remedy }];
}
