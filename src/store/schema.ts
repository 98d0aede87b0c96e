import { lastChangeMigration } from './change-columns.ts';
import { rebuildMigration } from './rebuild-columns.ts';
import { runTable, runTableTable } from './run-tables.ts';
import { lineageMigration } from './schema-lineage.ts';
import { tableOptions } from './table-options.ts';
import { verifyScheduleMigration } from './verify-schedule-table.ts';
import { verifyMigration } from './verify-tables.ts';

/**
 * kisflow's own tables in the store (design, section 9), as numbered migrations. A released one is never edited: a change of
 * a table is a new entry at the end. They are applied before the user's files, under the same lock and the same record.
 *
 * Names are compared byte by byte (utf8mb4_bin): two flows whose names differ in case are two flows. Times are UTC.
 */
export interface OwnMigration {
  /** Also its name in kis_migration; no file of a user can have it, because of the colon. */
  readonly name: string;
  readonly statements: readonly string[];
}

/** What was applied to this store. Made by hand before all others, because the others are recorded in it. */
export const migrationTable = `
CREATE TABLE IF NOT EXISTS kis_migration (
  name       VARCHAR(190) NOT NULL COMMENT 'file name, or kisflow:<name> for its own tables',
  statements INT UNSIGNED NOT NULL COMMENT 'statements applied; fewer than the file has when one failed',
  checksum   CHAR(64)     NOT NULL COMMENT 'SHA-256 of the statements applied',
  applied_at DATETIME(3)  NULL     COMMENT 'UTC; NULL until the last statement was applied',
  seconds    DOUBLE       NOT NULL DEFAULT 0 COMMENT 'time it took',
  PRIMARY KEY (name)
) ${tableOptions} COMMENT = 'kisflow: migrations applied to this store'`;

/** One row a flow: how far it is. Written in the transaction of the rows it stands for (L1). */
const checkpointTable = `
CREATE TABLE IF NOT EXISTS kis_checkpoint (
  flow        VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  position    LONGTEXT        NOT NULL COMMENT 'everything up to here is in the computed tables',
  epoch       BIGINT UNSIGNED NOT NULL COMMENT 'epoch of the lease that wrote it; a lower one is refused (L6)',
  sequence    BIGINT UNSIGNED NOT NULL COMMENT 'batches committed; an update names the one it continues (L6)',
  commit_time DATETIME(3)     NULL     COMMENT 'commit time at the source of the last transaction; NULL before the first',
  rows_total  BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'source rows that the flow has taken',
  updated_at  DATETIME(3)     NOT NULL COMMENT 'UTC',
  PRIMARY KEY (flow)
) ${tableOptions} COMMENT = 'kisflow: how far each flow is'`;

/** One row a flow that was ever run: which daemon may write it, and until when without a sign of life. */
const leaseTable = `
CREATE TABLE IF NOT EXISTS kis_lease (
  flow          VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  holder        VARCHAR(190)    NOT NULL COMMENT 'host, process and start of the daemon that holds it',
  epoch         BIGINT UNSIGNED NOT NULL COMMENT 'raised by one each time the holder changes',
  connection_id BIGINT UNSIGNED NOT NULL COMMENT 'store connection of the holder: its successor ends it',
  expires_at    DATETIME(3)     NOT NULL COMMENT 'UTC by the store clock; free for others afterwards',
  acquired_at   DATETIME(3)     NOT NULL COMMENT 'UTC',
  PRIMARY KEY (flow)
) ${tableOptions} COMMENT = 'kisflow: the one writer of each flow'`;

/** One row a flow: what people want of it, and what its daemon last said. `status`, `pause` and `resume` work by it. */
const flowTable = `
CREATE TABLE IF NOT EXISTS kis_flow (
  flow          VARCHAR(190) NOT NULL COMMENT 'flow_name',
  wanted        VARCHAR(16)  NOT NULL DEFAULT 'run' COMMENT 'run | pause',
  state         VARCHAR(16)  NOT NULL COMMENT 'what the daemon last reported',
  error_code    VARCHAR(64)  NULL     COMMENT 'code of the error it stands on; NULL without one',
  error_text    TEXT         NULL     COMMENT 'its message',
  fingerprint   VARCHAR(64)  NULL     COMMENT 'hash of the flow''s configuration',
  tables_hash   VARCHAR(64)  NULL     COMMENT 'hash of its source.tables: counts of rows done inside a transaction hold for these only (L2)',
  head_position LONGTEXT     NULL     COMMENT 'end of the source binlog when last seen',
  lag_ms        BIGINT       NULL     COMMENT 'milliseconds behind the source; NULL while unknown',
  rate          DOUBLE       NULL     COMMENT 'source rows a second',
  updated_at    DATETIME(3)  NOT NULL COMMENT 'UTC; old when no daemon runs the flow',
  PRIMARY KEY (flow)
) ${tableOptions} COMMENT = 'kisflow: wanted and actual state of each flow'`;

/** One row a source row that a flow could not process. Written in the transaction of the checkpoint that passes it (L1, L3). */
const deadRowTable = `
CREATE TABLE IF NOT EXISTS kis_dead_row (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'also their order within a flow',
  flow         VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  fname        VARCHAR(190)    NOT NULL COMMENT 'the function that failed; empty where none did',
  code         VARCHAR(64)     NOT NULL COMMENT 'code of the error',
  message      TEXT            NOT NULL COMMENT 'its message',
  stack        TEXT            NULL     COMMENT 'where it was thrown; NULL where that says nothing',
  source_table VARCHAR(255)    NOT NULL COMMENT 'schema.table at the source',
  row_key      MEDIUMTEXT      NOT NULL COMMENT 'the primary key with its values, as exact JSON',
  op           VARCHAR(16)     NOT NULL COMMENT 'insert | update | delete',
  position     TEXT            NOT NULL COMMENT 'file:offset of the transaction at the source, with its GTID',
  commit_time  DATETIME(3)     NULL     COMMENT 'its commit time at the source, UTC; NULL where it is not known',
  parts        INT UNSIGNED    NOT NULL COMMENT 'how many rows of kis_dead_row_part hold row_change; 0: it stands here',
  row_change   LONGTEXT        NOT NULL COMMENT 'the row before and after the change, as exact JSON',
  created_at   DATETIME(3)     NOT NULL COMMENT 'UTC by the store clock; of a row that waited in vain, when that was over',
  state        VARCHAR(8)      NOT NULL COMMENT 'dead | waiting (for what a Load misses) | parked (behind an earlier change of its key)',
  park_keys    VARCHAR(80)     NULL     COMMENT 'hashes of the keys that later changes wait for; NULL for a dead one',
  wait_until   DATETIME(3)     NULL     COMMENT 'UTC by the store clock: a waiting one is dead then',
  PRIMARY KEY (id),
  KEY flow_created (flow, created_at),
  KEY flow_state (flow, state)
) ${tableOptions} COMMENT = 'kisflow: rows that a flow could not process, or cannot yet'`;

/** Parts of a change that is too large for one statement. */
const deadRowPartTable = `
CREATE TABLE IF NOT EXISTS kis_dead_row_part (
  dead_row   BIGINT UNSIGNED NOT NULL COMMENT 'id in kis_dead_row',
  part       INT UNSIGNED    NOT NULL COMMENT 'from 0',
  row_change LONGTEXT        NOT NULL COMMENT 'a piece of its text',
  PRIMARY KEY (dead_row, part)
) ${tableOptions} COMMENT = 'kisflow: changes of dead rows that are too large for one statement'`;

/** One row a key that a function keeps a value of (`flow.state`). Written in the transaction of the batch (L1). */
const stateTable = `
CREATE TABLE IF NOT EXISTS kis_state (
  flow       VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  fname      VARCHAR(190)    NOT NULL COMMENT 'the function whose state it is',
  state_key  VARBINARY(1024) NOT NULL COMMENT 'the key, in UTF-8',
  value      LONGTEXT        NOT NULL COMMENT 'the value, as exact JSON',
  expires_at BIGINT          NULL     COMMENT 'milliseconds since 1970 by the daemon clock; NULL: never',
  PRIMARY KEY (flow, fname, state_key),
  KEY flow_expires (flow, expires_at)
) ${tableOptions} COMMENT = 'kisflow: what functions keep from batch to batch'`;

/** One row a function with the operator aggregate: what it was when its figures began. Deleting it deletes what it kept. */
const aggregateTable = `
CREATE TABLE IF NOT EXISTS kis_aggregate (
  id         INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'its rows in kis_aggregate_value have it',
  flow       VARCHAR(190) NOT NULL COMMENT 'flow_name',
  fname      VARCHAR(190) NOT NULL COMMENT 'the function of the flow',
  definition LONGTEXT     NOT NULL COMMENT 'key and fields; another definition needs a new start of the flow',
  plan       VARCHAR(16)  NOT NULL COMMENT 'increments: kept in the computed table alone | counts: kis_aggregate_value has what it lacks',
  PRIMARY KEY (id),
  UNIQUE KEY flow_fname (flow, fname)
) ${tableOptions} COMMENT = 'kisflow: aggregates that have figures'`;

/** What aggregates need to know beside their computed tables. Written in the batch's transaction (L1). */
const aggregateValueTable = `
CREATE TABLE IF NOT EXISTS kis_aggregate_value (
  aggregate INT UNSIGNED      NOT NULL COMMENT 'kis_aggregate.id',
  slot      SMALLINT UNSIGNED NOT NULL COMMENT '0: rows of the group; 1, 3, …: count and sum of an argument; 2, 4, …: its values',
  group_key VARBINARY(200)    NOT NULL COMMENT 'key of the group, or the SHA-256 of a long one',
  value     VARBINARY(700)    NOT NULL COMMENT 'a value in bytes that sort as it does; empty in slots without values',
  count     BIGINT            NOT NULL COMMENT 'rows that have it',
  total     DECIMAL(65, 30)   NULL     COMMENT 'their sum; NULL in slots without sums',
  PRIMARY KEY (aggregate, slot, group_key, value),
  CONSTRAINT kis_aggregate_value_of FOREIGN KEY (aggregate) REFERENCES kis_aggregate (id) ON DELETE CASCADE
) ${tableOptions} COMMENT = 'kisflow: counts, sums and values of aggregates, by group'`;

/** What operators changed of flows by command (`kisflow flow`): it lies over the configuration's files, in the order of the ids. */
const flowChangeTable = `
CREATE TABLE IF NOT EXISTS kis_flow_change (
  id      BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'order in which the changes are applied',
  flow    VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  kind    VARCHAR(32)     NOT NULL COMMENT 'add-function | remove-function | set-status',
  fname   VARCHAR(190)    NULL     COMMENT 'the function that is added or removed',
  place   VARCHAR(8)      NULL     COMMENT 'of an added one: end | before | after',
  anchor  VARCHAR(190)    NULL     COMMENT 'the function that it is put before or after',
  params  LONGTEXT        NULL     COMMENT 'parameters of an added one, as a JSON object of texts',
  status  TINYINT         NULL     COMMENT 'the status that is set: 0 | 1',
  made_at DATETIME(3)     NOT NULL COMMENT 'UTC',
  PRIMARY KEY (id),
  KEY by_flow (flow)
) ${tableOptions} COMMENT = 'kisflow: changes of flows by command'`;

/** One row a running daemon: what it made of the last change of its project. */
const reloadTable = `
CREATE TABLE IF NOT EXISTS kis_reload (
  holder       VARCHAR(190) NOT NULL COMMENT 'host, process and start of the daemon',
  changes_hash CHAR(64)     NOT NULL COMMENT 'hash of the rows of kis_flow_change that it has looked at',
  reloaded_at  DATETIME(3)  NULL     COMMENT 'UTC; when a change last took effect',
  refused_at   DATETIME(3)  NULL     COMMENT 'UTC; NULL when what runs is what is written',
  refused_code VARCHAR(64)  NULL     COMMENT 'code of the error for which the change is refused',
  refused_text LONGTEXT     NULL     COMMENT 'its message, with every mistake',
  PRIMARY KEY (holder)
) ${tableOptions} COMMENT = 'kisflow: changes that running daemons took or refused'`;

/** One row a flow that writes outside the store: its batches that may be under way. Written before they run, not with them. */
const intentTable = `
CREATE TABLE IF NOT EXISTS kis_intent (
  flow        VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  epoch       BIGINT UNSIGNED NOT NULL COMMENT 'epoch of the lease that may write it; a lower one is refused (L6)',
  sequence    BIGINT UNSIGNED NOT NULL COMMENT 'of the checkpoint that the first batch continues',
  tables_hash VARCHAR(64)     NOT NULL COMMENT 'hash of the source.tables whose changes are counted',
  fingerprint VARCHAR(64)     NOT NULL COMMENT 'version of the flow that found the dead changes',
  batches     LONGTEXT        NOT NULL COMMENT 'JSON list: identity, changes, end, and dead changes of each batch, in order',
  updated_at  DATETIME(3)     NOT NULL COMMENT 'UTC',
  PRIMARY KEY (flow)
) ${tableOptions} COMMENT = 'kisflow: batches to be cut again after a crash'`;

/** One row a statement at the source about a whole table of a flow. Written in the transaction of the checkpoint that passes it (L1, L3). */
const tableStatementTable = `
CREATE TABLE IF NOT EXISTS kis_table_statement (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'also their order within a flow',
  flow         VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  op           VARCHAR(16)     NOT NULL COMMENT 'truncate | drop | rewrite (of a part of its rows) | rename (no table of that name is left) | swap (another has taken the name)',
  outcome      VARCHAR(16)     NOT NULL COMMENT 'ignored | applied (the rows of the computed tables were deleted) | noted (nothing was to be done)',
  source_table VARCHAR(255)    NOT NULL COMMENT 'schema.table at the source; schema.* for all of them',
  statement    TEXT            NOT NULL COMMENT 'its text without its literals',
  position     TEXT            NOT NULL COMMENT 'file:offset where it begins at the source',
  gtid         VARCHAR(255)    NOT NULL COMMENT 'its GTID; empty where there is none',
  commit_time  DATETIME(3)     NULL     COMMENT 'its commit time at the source, UTC; NULL where it is not known',
  created_at   DATETIME(3)     NOT NULL COMMENT 'UTC by the store clock',
  PRIMARY KEY (id),
  KEY by_flow (flow)
) ${tableOptions} COMMENT = 'kisflow: statements that took rows without a change of each, and what flows did about them'`;

/** One row a flow that is run, or was: its figures, as the daemon that holds it measured them. Written every second. */
const flowFigureTable = `
CREATE TABLE IF NOT EXISTS kis_flow_figure (
  flow         VARCHAR(190) NOT NULL COMMENT 'flow_name',
  lag_ms       BIGINT       NULL     COMMENT 'how long ago the oldest change was committed that is not in the store yet; 0 when none is',
  lag_bytes    BIGINT       NULL     COMMENT 'bytes of the source binlog behind its end',
  fresh_at     DATETIME(3)  NULL     COMMENT 'UTC by the store clock; all that the source had committed before is in the store',
  purge_at     DATETIME(3)  NULL     COMMENT 'UTC by the store clock; when the source may purge what it needs next; 9999-12-31: never',
  purge_ms_max BIGINT       NULL     COMMENT 'how long the source keeps a finished binlog file; NULL: for ever',
  queue_bytes  BIGINT       NOT NULL COMMENT 'bytes of binlog that wait in memory',
  reader       VARCHAR(16)  NULL     COMMENT 'connected | not connected; NULL while it has no reader',
  reader_error TEXT         NULL     COMMENT 'why it is not connected',
  batch_at     DATETIME(3)  NULL     COMMENT 'UTC by the store clock; when the oldest batch was begun that is under way',
  rate         DOUBLE       NOT NULL COMMENT 'source rows a second',
  updated_at   DATETIME(3)  NOT NULL COMMENT 'UTC by the store clock; old when no daemon runs the flow',
  PRIMARY KEY (flow)
) ${tableOptions} COMMENT = 'kisflow: how far behind each flow is; NULL: not known'`;

/** They are in kis_flow_figure now. */
const forgetOldFigures = 'UPDATE kis_flow SET lag_ms = NULL, rate = NULL';

/** What operators want of dead rows, how often they were tried, and what was given up. A crash behind it is known by the column (see migrate.ts). */
const deadRowWishes = `
ALTER TABLE kis_dead_row
  MODIFY state VARCHAR(16) NOT NULL COMMENT 'dead | waiting (for what a Load misses) | parked (behind an earlier change of its key) | skipped (by on_bad_row) | discarded',
  MODIFY park_keys VARCHAR(80) NULL COMMENT 'hashes of the keys that later changes wait for; NULL where none do',
  ADD COLUMN tries INT UNSIGNED NOT NULL DEFAULT 1 COMMENT 'how often it was tried in vain; not counted while it waits',
  ADD COLUMN wish VARCHAR(8) NULL COMMENT 'retry | discard: what an operator wants of a dead one, until its daemon has done it',
  ADD COLUMN ended_at DATETIME(3) NULL COMMENT 'UTC: when it was given up',
  ADD COLUMN ended_by VARCHAR(255) NULL COMMENT 'why it was given up',
  ADD KEY flow_wish (flow, wish)`;

/** For those who look for the dead rows of one code. */
const deadRowCodes = 'ALTER TABLE kis_dead_row ADD KEY flow_code (flow, code, state)';

export const ownMigrations: readonly OwnMigration[] = [
  { name: 'kisflow:0001-flows', statements: [checkpointTable, leaseTable, flowTable] },
  { name: 'kisflow:0002-dead-rows', statements: [deadRowTable, deadRowPartTable] },
  { name: 'kisflow:0003-state', statements: [stateTable] },
  { name: 'kisflow:0004-aggregates', statements: [aggregateTable, aggregateValueTable] },
  { name: 'kisflow:0005-flow-changes', statements: [flowChangeTable, reloadTable] },
  { name: 'kisflow:0006-intents', statements: [intentTable] },
  { name: 'kisflow:0007-table-statements', statements: [tableStatementTable] },
  { name: 'kisflow:0008-dead-row-wishes', statements: [deadRowWishes] },
  { name: 'kisflow:0009-flow-figures', statements: [flowFigureTable, forgetOldFigures] },
  { name: 'kisflow:0010-runs', statements: [runTable, runTableTable] },
  { name: 'kisflow:0011-dead-row-codes', statements: [deadRowCodes] },
  lineageMigration,
  rebuildMigration,
  verifyMigration,
  verifyScheduleMigration,
  lastChangeMigration,
];
