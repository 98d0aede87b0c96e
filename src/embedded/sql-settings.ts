import type { ServerProgram } from './server-program.ts';
import type { ServerSettings, SqlFlavour } from './server.ts';

/** The settings that a source needs (what `kisflow check` asks for), and few others. Durability is the server's own. */
const DEFAULTS: ServerSettings = {
  server_id: 1,
  log_bin: 'binlog',
  binlog_format: 'ROW',
  binlog_row_image: 'FULL',
  binlog_row_metadata: 'FULL',
  innodb_flush_log_at_trx_commit: 1,
  sync_binlog: 1,
  innodb_buffer_pool_size: '128M',
  character_set_server: 'utf8mb4',
};

const DEFAULTS_BY_FLAVOUR: Readonly<Record<SqlFlavour, ServerSettings>> = {
  mysql: { gtid_mode: 'ON', enforce_gtid_consistency: 'ON', mysqlx: 'OFF' },
  mariadb: {},
};

/** Settings that a data directory is made with: it cannot run with others. */
const INITIAL = ['lower_case_table_names', 'innodb_page_size', 'innodb_undo_tablespaces', 'innodb_data_file_path'];

/** Our defaults changed by the caller's settings; names with `-` and with `_` are the same. */
export function sqlSettings(flavour: SqlFlavour, asked: ServerSettings): ServerSettings {
  const settings: Record<string, string | number | null> = { ...DEFAULTS, ...DEFAULTS_BY_FLAVOUR[flavour] };
  for (const [name, value] of Object.entries(asked)) settings[name.replaceAll('-', '_')] = value;
  return settings;
}

/** The part of the settings that shapes the data directory. */
export function initialSettings(settings: ServerSettings): ServerSettings {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => INITIAL.includes(name)));
}

/** As arguments of the server. MySQL has its binlog on unless told: there `log_bin: null` says so. */
export function settingArgs(flavour: SqlFlavour, settings: ServerSettings): readonly string[] {
  const args = Object.entries(settings).flatMap(([name, value]) => (value === null ? [] : [`--${name}=${value}`]));
  return settings['log_bin'] === null && flavour === 'mysql' ? [...args, '--skip-log-bin'] : args;
}

/** What every run of the program needs, whatever the settings: it touches nothing outside its data directory. */
export function programArgs(program: ServerProgram, dataDir: string): readonly string[] {
  return [
    ...program.args,
    ...(program.args.includes('--no-defaults') ? [] : ['--no-defaults']),
    `--datadir=${dataDir}`,
    // a server that starts clears its temporary folder of what servers leave there
    `--tmpdir=${dataDir}`,
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
  ];
}

/** What a run that serves needs besides. Socket and pid file are relative to the data directory: a socket's path is short. */
export function servingArgs(flavour: SqlFlavour, port: number): readonly string[] {
  return [
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    '--socket=server.sock',
    '--pid-file=server.pid',
    '--skip-name-resolve',
    ...(flavour === 'mysql' ? ['--secure-file-priv=NULL'] : []),
  ];
}
