/**
 * Codes that only `kisflow check` gives: things that are worth knowing or mending and that no daemon ends in. Together with
 * lib/error-codes.ts they are all codes that `check` prints.
 */
export const checkCodes = {
  FLOW_CHANGED: {
    meaning: 'The functions or the configuration of a flow have changed since its tables were begun or rebuilt.',
    remedy: '`kisflow rebuild FLOW` computes all rows by the new version; nothing, where the change does not alter what they are.',
  },
  NOT_EXAMINED: {
    meaning: 'A part could not be examined; the sentence says why.',
    remedy: 'Mend the cause that the sentence names and check again.',
  },
  SERVER_VERSION: {
    meaning: 'Which server a source or the store is. A warning for one that is older than kisflow is made for.',
    remedy: 'Use MySQL 8.0 or later, or MariaDB 10.5 or later.',
  },
  SERVER_ID_SHARED: {
    meaning: 'Source and store are two servers that call themselves by one identity, so neither can be told from the other.',
    remedy: 'Give each MariaDB server its own server_id; give a copied MySQL server a new server_uuid (remove auto.cnf).',
  },
  SERVER_TWO_ADDRESSES: {
    meaning: 'Source and store are one server, and their urls name it in two ways: kisflow cannot know that before it connects.',
    remedy: 'Write the same host and port in both urls.',
  },
  SOURCE_SESSION_SETTING: {
    meaning: 'Connections that are open now still write the binlog with an older setting of the session.',
    remedy: 'Reconnect these writers; a session keeps the setting that it began with.',
  },
  SOURCE_SERVER_ID_UNSET: {
    meaning: 'The source server has server_id 0 and refuses every reader.',
    remedy: 'Set server_id to a number of its own.',
  },
  SOURCE_RETENTION: {
    meaning:
      'How long the source server keeps its binlog. A warning below a day: a daemon that is down for longer loses its place.',
    remedy: 'Raise binlog_expire_logs_seconds.',
  },
  SOURCE_GTID_OFF: {
    meaning: 'The source server gives no GTIDs: positions are file and offset, and do not survive a failover.',
    remedy: 'Turn gtid_mode on, in its four steps.',
  },
  SOURCE_CHECKSUM_OFF: {
    meaning: 'The source server writes its binlog without checksums: damage on its disk or on the way may go unnoticed.',
    remedy: 'SET GLOBAL binlog_checksum = CRC32.',
  },
  SOURCE_LOG_FILTERED: {
    meaning: 'binlog_do_db or binlog_ignore_db keeps changes of a schema that a flow reads out of the binlog: they are lost.',
    remedy: 'Take the filter out of the server’s configuration file and restart it; then give the flow a new start.',
  },
  SOURCE_REPLICA_UNLOGGED: {
    meaning: 'The source server is a replica that does not write what it replicates into its own binlog.',
    remedy:
      'Set log_replica_updates (MariaDB: log_slave_updates) in its configuration file and restart it, or read from the primary.',
  },
  SOURCE_GTID_LOOSE: {
    meaning: 'MariaDB takes transactions whose GTIDs are out of order: a position may then stand for less than it says.',
    remedy: 'SET GLOBAL gtid_strict_mode = ON.',
  },
  SOURCE_POSITION: {
    meaning: 'Where a flow goes on, and for how long the server keeps that place. A warning when it may soon be purged.',
    remedy: 'Start the daemon, or raise binlog_expire_logs_seconds.',
  },
  SOURCE_TABLE_MISSING: {
    meaning: 'A flow names a source table that does not exist, or that is a view.',
    remedy: 'Correct source.tables of the flow.',
  },
  SOURCE_TABLE_HIDDEN: {
    meaning: 'A flow names a source table that the account does not see: it may exist.',
    remedy: 'Grant SELECT on it. Reading the binlog does not need it; examining does.',
  },
  SOURCE_PATTERN_EMPTY: {
    meaning: 'A pattern of a flow matches no table that there is now.',
    remedy: 'Correct source.tables of the flow, unless the tables are yet to come.',
  },
  SOURCE_TABLE_KEYLESS: {
    meaning: 'A source table has no primary key, so its rows have no identity and no order among themselves.',
    remedy: 'Add a primary key to the table.',
  },
  SOURCE_TABLE_CASCADE: {
    meaning:
      'A foreign key changes rows of a table that a flow reads (ON DELETE or ON UPDATE CASCADE, SET NULL, SET DEFAULT) below the binlog: the flow does not see it.',
    remedy: 'Let the application change the child’s rows itself, or read them from MySQL 9.6 or later, which logs them.',
  },
  STORE_DATABASE_MISSING: {
    meaning: 'The database of the store does not exist yet; the first start makes it.',
    remedy: 'Nothing, or `kisflow migrate`.',
  },
  STORE_TIME_ZONE: {
    meaning: 'The store server does not keep its clock in UTC, as kisflow’s own connections do.',
    remedy: 'Nothing: values are written in UTC. Read TIMESTAMP columns with time_zone = ‘+00:00’ to see them so.',
  },
  STORE_PACKET_SMALL: {
    meaning: 'The store server takes short statements only: batches are cut into many, and a long row is refused.',
    remedy: 'Raise max_allowed_packet.',
  },
  STORE_ENGINE: {
    meaning: 'A computed table is not InnoDB, so it takes no part in the batch’s transaction: a crash loses or doubles effects.',
    remedy: 'Change the engine of the table.',
  },
  STORE_UNIQUE_KEY: {
    meaning:
      'A computed table has a unique key beside its primary key: a row that collides by it is refused and becomes a dead row.',
    remedy: 'Nothing, if the values are unique at the source too.',
  },
  MIGRATION_PENDING: {
    meaning: 'Migrations are not applied yet; the next start applies them.',
    remedy: '`kisflow migrate` applies them now.',
  },
  CONNECTION_EXPOSED: {
    meaning: 'A server on another machine is connected to without TLS, or with a certificate that nobody looks at.',
    remedy: 'Write ?ssl=verify behind its address.',
  },
  API_OFF: {
    meaning:
      'Others can reach the address that http.listen names, and there is no http.token: the HTTP API is off. Health is served.',
    remedy: 'Configure http.token, or listen on 127.0.0.1, where the API then reads.',
  },
  API_EXPOSED: {
    meaning: 'The HTTP API listens on more than this machine, and has no TLS: whoever is on the way reads the token.',
    remedy: 'Put a proxy with TLS before it, and let it listen on 127.0.0.1.',
  },
  FILE_EXPOSED: {
    meaning: 'Every account of the machine may change code or configuration, or read a configuration that holds a password.',
    remedy: 'chmod o-w, or o-r; secrets are better written as ${NAME}.',
  },
  FLOW_NONE: {
    meaning: 'There is no flow that a daemon could run.',
    remedy: 'Write a flow with a source, and status: 1.',
  },
  FLOW_GUARANTEE: {
    meaning: 'Whether the effects of a flow happen exactly once or at least once, and which connector decides it.',
    remedy: 'Save to the store to get exactly-once; make other writes idempotent by the batch id.',
  },
} as const satisfies Record<string, { readonly meaning: string; readonly remedy: string }>;
