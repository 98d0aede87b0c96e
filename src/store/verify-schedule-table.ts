import { tableOptions } from './table-options.ts';

/** One row a flow that is verified again and again: written by commands on any host, heeded by the daemon that holds the flow. */
const scheduleTable = `
CREATE TABLE IF NOT EXISTS kis_verify_schedule (
  flow     VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  every_ms BIGINT UNSIGNED NOT NULL COMMENT 'how long after the end of a run the next one is due',
  options  TEXT            NOT NULL COMMENT 'what each run is asked, as kis_run.options has it',
  since    DATETIME(3)     NOT NULL COMMENT 'UTC by the store clock: from when on it holds with this every_ms; without a last run, one is due then',
  last_run BIGINT UNSIGNED NULL     COMMENT 'kis_run.id of the last one that was made by it',
  PRIMARY KEY (flow)
) ${tableOptions} COMMENT = 'kisflow: which flows are verified by themselves, and how often'`;

/** Those that nobody asked for are deleted some time. */
const runColumn = `
ALTER TABLE kis_run
  ADD COLUMN is_scheduled TINYINT NOT NULL DEFAULT 0 COMMENT '1: made by kis_verify_schedule; those that have ended are kept for a while only'`;

export const verifyScheduleMigration = {
  name: 'kisflow:0014-verify-schedules',
  statements: [scheduleTable, runColumn],
} as const;
