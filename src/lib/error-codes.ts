import { requestCodes } from './request-codes.ts';
import { runCodes } from './run-codes.ts';

/**
 * The error catalogue: every code kisflow can end in, what it means and what mends it. `docs/errors.md` is made from this
 * table, and a test compares them.
 */
export const errorCodes = {
  CONFIG_INVALID: {
    meaning: 'The configuration has mistakes; all of them are listed, with file and path.',
    remedy: 'Mend the named keys; `kisflow check` shows what is left. The process ends with exit code 78.',
  },
  SOURCE_UNREACHABLE: {
    meaning: 'The source server does not answer, or the connection was lost.',
    remedy:
      'Check the host, the port and that the server runs: `kisflow check` tries it. A daemon that has been connected tries again by itself, with backoff.',
  },
  SOURCE_ACCESS_DENIED: {
    meaning: 'The source server refuses the user or the password.',
    remedy:
      'Mend the account and resume the flow, or correct the user or the password in the url of the source and restart the daemon: `kisflow check` tries it and prints the statements.',
  },
  SOURCE_TLS: {
    meaning: 'The connection to the source cannot be had with the TLS that its url asks for, or the server takes none without.',
    remedy:
      'Mend what the message says of the certificate, the file or the parameter (ssl, ssl_ca, ssl_cert, ssl_key); nothing is sent without TLS instead.',
  },
  SOURCE_GRANT_MISSING: {
    meaning: 'The source user may not read the binlog.',
    remedy:
      'GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the source user; `kisflow check --grants` prints the statement for your account.',
  },
  SOURCE_BINLOG_OFF: {
    meaning: 'The source server writes no binlog.',
    remedy: 'Start the server with log_bin, binlog_format=ROW, binlog_row_image=FULL, binlog_row_metadata=FULL.',
  },
  SOURCE_STATEMENT_FORMAT: {
    meaning: 'A change of a routed table reached the binlog as a statement, not as rows, or the server is set to do so.',
    remedy: 'SET GLOBAL binlog_format = ROW, reconnect the writers, then give the flow a new start after the statement.',
  },
  SOURCE_ROW_IMAGE: {
    meaning:
      'A flow needs a column that a change does not have, because binlog_row_image is not FULL; kisflow never takes an absent column for NULL.',
    remedy:
      'SET GLOBAL binlog_row_image = FULL, reconnect the writers, then give the flow a new start after the last such change. A flow whose functions cope with absent columns says so: row_image: partial.',
  },
  SOURCE_ROW_METADATA: {
    meaning:
      'An event does not describe its columns (binlog_row_metadata is not FULL; on MariaDB also BINARY(16), BINARY(4), UUID, INET4, INET6 and old temporal columns), and its table has been altered since, or cannot be seen: what its columns were is not known.',
    remedy:
      'GRANT SELECT on the table to the source user where that is what is missing. Else SET GLOBAL binlog_row_metadata = FULL, and give the flow a new start after the last event without it.',
  },
  SOURCE_UNDECODABLE: {
    meaning: 'The binlog holds an event that cannot be decoded. Nothing after it was read, and no checkpoint passes it.',
    remedy: 'The message names the server setting to change. Once that is done, give the flow a new start after the event.',
  },
  SOURCE_TABLE_EMPTIED: {
    meaning:
      'A table that the flow reads was truncated or dropped, or a part of its rows went with a partition: its rows went without a change of each, and the flow’s policy is to stop. No checkpoint passes the statement.',
    remedy:
      'Decide what becomes of the computed rows: set source.on_truncate or source.on_drop of the flow to ignore (they stay, with a record) or apply (they are deleted too), then resume the flow.',
  },
  SOURCE_PURGED: {
    meaning:
      'The server no longer has the binlog that holds the wanted position, or the XA PREPARE of an XA transaction that is committed behind it.',
    remedy:
      '`kisflow rebuild FLOW` computes its tables anew from the source as it is, and source.on_purged: snapshot does so by itself; or give the flow a new start. Raise binlog_expire_logs_seconds, so that it does not happen again.',
  },
  SOURCE_WRONG_SERVER: {
    meaning: 'The server at this address is not the one the position was read from and does not hold its history.',
    remedy:
      'Point the source at the right server and restart the daemon. If this one is the source from now on: `kisflow rebuild FLOW` computes its tables anew from it, or give the flow a new start.',
  },
  SOURCE_POSITION_INVALID: {
    meaning: 'The wanted start position does not exist on the source server.',
    remedy: 'Use earliest, latest, <file>:<offset> of the end of a transaction, a GTID set, or a time.',
  },
  SOURCE_SERVER_ID_CLASH: {
    meaning: 'Another reader uses the same server_id; the source server ends one of the two connections.',
    remedy: 'Set server_id: 0 to have one chosen, or give each reader its own.',
  },
  STORE_UNREACHABLE: {
    meaning: 'The store server does not answer, or the connection was lost.',
    remedy:
      'Check the host, the port and that the server runs: `kisflow check` tries it. A daemon that has been connected tries again by itself, with backoff.',
  },
  STORE_ACCESS_DENIED: {
    meaning: 'The store server refuses the user, the password, or a right that the statement needs.',
    remedy:
      'Correct the store url, or grant the right that the message names; `kisflow check --grants` prints what the account needs and what it lacks.',
  },
  STORE_TLS: {
    meaning: 'The connection to the store cannot be had with the TLS that its url asks for, or the server takes none without.',
    remedy:
      'Mend what the message says of the certificate, the file or the parameter (ssl, ssl_ca, ssl_cert, ssl_key); nothing is sent without TLS instead.',
  },
  STORE_READ_ONLY: {
    meaning: 'The store server does not accept writes.',
    remedy:
      'SET GLOBAL read_only = OFF on the store (after a failover: only if it is to be the primary), or point the store url at the primary and restart. Flows go on by themselves.',
  },
  STORE_TABLE_MISSING: {
    meaning: 'A computed table does not exist in the store.',
    remedy: '`kisflow migrate` makes kisflow’s own tables, and a computed table that a file in migrations/ creates.',
  },
  STORE_KEY_MISSING: {
    meaning: 'A computed table has no primary key, or a row lacks a column of it, so a row of it cannot be addressed.',
    remedy: 'Add a primary key to the table, or the key columns to the row.',
  },
  STORE_ROW_MISSING: {
    meaning:
      'A change that does not have all columns (binlog_row_image is not FULL) updates a row that its computed table does not have; written all the same it would be a row with holes.',
    remedy:
      'Give the flow a new start before the rows were inserted, so that the table holds every row, or SET GLOBAL binlog_row_image = FULL and reconnect the writers.',
  },
  STORE_TABLE_ALTERED: {
    meaning:
      'A computed table was altered under its flow so that the flow would write other rows than it means: its primary key is another one, or it has a new column that every row must give.',
    remedy: 'Undo the change, or mend what the message names, then resume the flow. Alter keys while the flow is paused.',
  },
  STORE_COLUMN_UNKNOWN: {
    meaning: 'A row has a field that the computed table has no column for.',
    remedy: 'Add the column with a migration, or commit rows without the field.',
  },
  STORE_CONSTRAINT: {
    meaning: 'The store refuses a row: a constraint, a NULL in a NOT NULL column, a value out of range or of the wrong type.',
    remedy: 'The message names the row. Mend the function that computes it, or the table, then `kisflow dead-rows retry`.',
  },
  STORE_STATEMENT: {
    meaning: 'The store refuses a statement for a reason that a retry does not mend.',
    remedy: 'Mend what the server’s own error in the message names, then resume the flow.',
  },
  STORE_TIMEOUT: {
    meaning: 'The store did not answer a statement in time, or ended it: at a limit of its own, or because somebody killed it.',
    remedy:
      'kisflow retries with backoff; look for a full disk, for load, and for limits on statements (max_statement_time) on the store.',
  },
  STORE_CONFLICT: {
    meaning:
      'Another session of the store was in the way: a deadlock, a row or a table that it holds locked, a table that it alters. Nothing of the batch was kept.',
    remedy:
      'kisflow retries with backoff. Where it stays: the message names the statement and, to an account with PROCESS, the transactions that have been open for long; end the one that holds the lock.',
  },
  STORE_FULL: {
    meaning: 'The store has no room: its disk, a tablespace, a table or its memory is full. Nothing of the batch was kept.',
    remedy:
      'kisflow retries with backoff, and goes on when there is room: free disk space, or raise the limit that the message names.',
  },
  MIGRATION_FAILED: {
    meaning: 'A migration could not be applied, or an applied one was edited.',
    remedy:
      'The message names the file and the statement. Mend the statement that failed where it stands; what was applied is never edited: undo the edit, and write the change as a new file.',
  },
  NAME_UNKNOWN: {
    meaning: 'A command was given the name of a flow, a table or a row that does not exist.',
    remedy: '`kisflow status` lists the flows, `kisflow inspect` the computed tables.',
  },
  ROW_NOT_DEAD: {
    meaning: 'A row that is to be retried or discarded is kept, but not dead: it is parked, waits, or was given up.',
    remedy:
      'The message says what it waits for, or what to do instead; `kisflow dead-rows list --state dead` names those that are dead.',
  },
  ...runCodes,
  FLOW_INCREMENTS: {
    meaning:
      'The flow computes from what it has computed before (it counts, sums, keeps state, or writes in ways that are not known), so reading its rows again would take them twice.',
    remedy:
      '`kisflow rebuild FLOW` computes it anew beside its readers. A function that changes nothing when it is given the same rows again says so: option.repeatable: true.',
  },
  LEASE_LOST: {
    meaning: 'Another daemon holds the flow now; this one wrote nothing after it had lost it.',
    remedy: 'Nothing: this daemon stands by and takes over when the other one ends.',
  },
  FLOW_HELD: {
    meaning: 'Another daemon runs the flow, so a run until it is current cannot.',
    remedy: 'Stop the other daemon, or let it do the work: `kisflow status` shows the holder.',
  },
  FLOW_CHECKPOINT_MISMATCH: {
    meaning: 'The flow stands inside a huge transaction and its tables were changed since.',
    remedy: 'Restore the flow’s source.tables until the transaction has passed, or give the flow a new start.',
  },
  FLOW_CYCLE: {
    meaning: 'Flows read what they write: directly, or through one another.',
    remedy: 'Break the cycle that the message shows.',
  },
  FLOW_OWNER_CLASH: {
    meaning: 'Two flows write the same column of the same table.',
    remedy: 'Let one flow own the column.',
  },
  FUNCTION_FAILED: {
    meaning: 'A function threw an error, or its promise was rejected.',
    remedy: 'The message carries the error. Mend the function: a running daemon takes the new file over and tries the batch again.',
  },
  FUNCTION_TIMEOUT: {
    meaning: 'A function did not return within its time limit, and did not when its batch was tried again either.',
    remedy: 'Make it faster, or raise option.timeout of the function.',
  },
  FUNCTION_JUMP: {
    meaning: 'A function jumped to a function that the flow does not have, or the jumps never ended.',
    remedy: 'Jump to a function of the same flow, and only a bounded number of times.',
  },
  PROCESS_STUCK: {
    meaning:
      'The process did not turn for half a minute, most likely because of a function that loops without end behind an await. It ended itself (kill -9, which is safe) and named the flow.',
    remedy: 'Mend the function; pause its flow until then. A standby or the next start goes on from the last checkpoint.',
  },
  ROW_INVALID: {
    meaning: 'A row lacks a field that the function must have, or does not fit the function’s input schema.',
    remedy:
      'The message names the row and the fields. Mend the function, or the row at the source, then `kisflow dead-rows retry`.',
  },
  DEAD_ROWS_LIMIT: {
    meaning:
      'More rows of a flow became dead within a minute than its dead_rows.per_minute allows: the flow is broken, not unlucky.',
    remedy:
      '`kisflow dead-rows list --flow FLOW` shows those that were kept; nothing after them was passed. Mend the cause, or raise the limit, then resume the flow.',
  },
  DEAD_ROWS_FULL: {
    meaning:
      'A flow’s dead rows and the changes that are parked behind them would be more than its dead_rows.max. It stops before it passes another, so that neither its memory nor the store fills up unnoticed.',
    remedy:
      '`kisflow dead-rows list --flow FLOW --state dead` shows the causes. Mend them, `kisflow dead-rows retry` or `discard` the rows, and resume the flow: it does that first. Or raise the limit.',
  },
  LOAD_ROW_MISSING: {
    meaning: 'A Load function found no row for a key, and its option.missing does not take null.',
    remedy: 'The message names the row. See that the row is written first, raise option.wait_ms, or set option.missing to null.',
  },
  EXPRESSION_FAILED: {
    meaning: 'An operator’s expression cannot be computed for a row: a division by zero, a value that is no number.',
    remedy: 'The message names the flow, the function, the row and the value. Mend the expression or the row.',
  },
  STATE_TOO_LARGE: {
    meaning: 'A function asked its keyed state for groups of entries that are together more than it allowed for.',
    remedy:
      'The batch is halved by itself; a single row that is still too many is a dead row. Make the groups smaller, or allow for more.',
  },
  JOIN_TOO_LARGE: {
    meaning: 'A change would make a join load or emit more than 100,000 rows at once, or keep a row that the store cannot hold.',
    remedy:
      'The batch is halved by itself; a single change that is still too much is a dead row. Join on fields that tell rows apart better, or filter rows first.',
  },
  OPERATOR_MISMATCH: {
    meaning:
      'An operator that keeps state (join, window, dedupe) cannot go on with it: its definition or its tables’ keys were changed, or its rows are not the kind it needs.',
    remedy: 'Mend what the message names; where the definition was changed, change it back or give the flow a new start.',
  },
  ROW_LATE: {
    meaning: 'A row came for windows that are closed: its time is further behind the latest one than the window’s lateness.',
    remedy: 'The message names the row. Raise with.lateness of the window, or write late: drop.',
  },
  AGGREGATE_MISMATCH: {
    meaning: 'The computed table of an aggregate does not fit it, or holds the figures of another definition.',
    remedy: 'Mend what the message names; where the definition was changed, `kisflow rebuild FLOW`.',
  },
  ROW_PARKED: {
    meaning:
      'A change waits behind an earlier change of its key, which is dead, or which a Load function did not find its row for yet.',
    remedy:
      'Nothing about this one: it is done in its turn. `kisflow dead-rows list` shows the row that is waited for; where that is dead, retry or discard it.',
  },
  CONNECTOR_FAILED: {
    meaning: 'A connector other than the store could not save or load.',
    remedy:
      'The message carries the connector’s own error. What may pass by itself is tried again; else mend it there, and resume the flow.',
  },
  LISTEN_FAILED: {
    meaning: 'The address at which something is to be served cannot be had: it is in use, or not this machine’s.',
    remedy: 'Free the port, or write another address; two daemons on one machine need an address each.',
  },
  ...requestCodes,
  SERVER_NOT_FOUND: {
    meaning: 'No database server for the demo or the tests was found, and none could be installed.',
    remedy: 'Run scripts/install-servers.sh (Debian, Ubuntu), start Docker, or put mysqld or mariadbd on the PATH.',
  },
  STOP_DEADLINE: {
    meaning: 'The stop did not finish within its deadline, or a second signal came; work in flight was rolled back.',
    remedy: 'Nothing: the next start goes on from the last checkpoint.',
  },
  INTERNAL: {
    meaning: 'kisflow found a fault of its own.',
    remedy: 'Report it with the message.',
  },
} as const satisfies Record<string, { readonly meaning: string; readonly remedy: string }>;

export type ErrorCode = keyof typeof errorCodes;

/** A code that was kept as text: another version of kisflow may have known others. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}
