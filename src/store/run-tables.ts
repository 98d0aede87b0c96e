import { tableOptions } from './table-options.ts';

/**
 * One row a run of repair: what was asked, and what has become of it. Made by a command or by the daemon, taken up by the daemon that holds
 * the flow. The server itself sees to it that a flow has one run of a kind at a time that has not ended.
 */
export const runTable = `
CREATE TABLE IF NOT EXISTS kis_run (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'also their order',
  flow       VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  kind       VARCHAR(16)     NOT NULL COMMENT 'snapshot | replay | rebuild | verify',
  state      VARCHAR(16)     NOT NULL COMMENT 'waiting (no daemon has taken it up) | running | paused | done | cancelled | failed',
  open_kind  VARCHAR(16)     GENERATED ALWAYS AS (IF(state IN ('done', 'cancelled', 'failed'), NULL, kind)) STORED COMMENT 'its kind until it has ended',
  wish       VARCHAR(8)      NULL     COMMENT 'pause | resume | cancel: what an operator wants, until its daemon has done it',
  options    TEXT            NOT NULL COMMENT 'what was asked, as JSON',
  is_start   TINYINT         NOT NULL DEFAULT 0 COMMENT '1: the first snapshot of a flow with start: snapshot; rows that are not read yet are not delivered from the stream',
  rate       DOUBLE          NULL     COMMENT 'source rows a second; NULL while it is not known',
  error_code VARCHAR(64)     NULL     COMMENT 'code of the error it failed with, or stands on',
  error_text TEXT            NULL     COMMENT 'its message',
  created_at DATETIME(3)     NOT NULL COMMENT 'UTC by the store clock',
  started_at DATETIME(3)     NULL     COMMENT 'UTC: when a daemon took it up for the first time',
  updated_at DATETIME(3)     NOT NULL COMMENT 'UTC: when its state or its rate was last written',
  ended_at   DATETIME(3)     NULL     COMMENT 'UTC: when it was done, cancelled or failed',
  PRIMARY KEY (id),
  UNIQUE KEY flow_open_kind (flow, open_kind),
  KEY flow_state (flow, state)
) ${tableOptions} COMMENT = 'kisflow: runs of repair, and how far they are'`;

/** One row a source table of a run. Its progress is written in the transaction of the batch that holds its rows (L1). */
export const runTableTable = `
CREATE TABLE IF NOT EXISTS kis_run_table (
  run          BIGINT UNSIGNED NOT NULL COMMENT 'kis_run.id',
  source_table VARCHAR(255)    NOT NULL COMMENT 'schema.table at the source',
  state        VARCHAR(16)     NOT NULL COMMENT 'waiting | reading | done',
  key_columns  TEXT            NOT NULL COMMENT 'the key along which it is read: JSON list of names',
  cursor_key   MEDIUMTEXT      NULL     COMMENT 'key up to which all rows are committed, as exact JSON; NULL: none is',
  done_keys    MEDIUMTEXT      NULL     COMMENT 'keys behind it that are committed too, of a chunk that was committed in parts; exact JSON',
  rows_done    BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'rows that were read and committed',
  rows_total   BIGINT UNSIGNED NULL     COMMENT 'how many rows it has, by the guess of the source server',
  chunks       BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'chunks that were committed',
  started_at   DATETIME(3)     NULL     COMMENT 'UTC by the store clock: its first commit',
  updated_at   DATETIME(3)     NOT NULL COMMENT 'UTC: its last commit',
  ended_at     DATETIME(3)     NULL     COMMENT 'UTC: when its last row was committed',
  PRIMARY KEY (run, source_table)
) ${tableOptions} COMMENT = 'kisflow: tables of runs, and up to which key each is done'`;
