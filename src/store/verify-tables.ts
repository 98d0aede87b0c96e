import { tableOptions } from './table-options.ts';

/** One row a run of verify that has compared: what it found. */
const verifyTable = `
CREATE TABLE IF NOT EXISTS kis_verify (
  run         BIGINT UNSIGNED NOT NULL COMMENT 'kis_run.id',
  flow        VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  position    LONGTEXT        NOT NULL COMMENT 'place in the source for which the tables were compared',
  held_ms     BIGINT UNSIGNED NOT NULL COMMENT 'how long the flow stood for it',
  row_count   BIGINT UNSIGNED NOT NULL COMMENT 'rows that were compared',
  missing     BIGINT UNSIGNED NOT NULL COMMENT 'rows that should be in the computed tables, and were not',
  extra       BIGINT UNSIGNED NOT NULL COMMENT 'rows that should not have been there',
  different   BIGINT UNSIGNED NOT NULL COMMENT 'rows with other values than they should have had',
  excused     BIGINT UNSIGNED NOT NULL COMMENT 'rows that differed because a change of their key is dead; in none of the others',
  mended      BIGINT UNSIGNED NULL     COMMENT 'rows that were repaired; NULL: nothing was to be',
  unmended    BIGINT UNSIGNED NULL     COMMENT 'rows that could not be',
  compared_at DATETIME(3)     NOT NULL COMMENT 'UTC by the store clock',
  PRIMARY KEY (run),
  KEY by_flow (flow, run)
) ${tableOptions} COMMENT = 'kisflow: what runs of verify found'`;

/** The first differences that each found; those of older runs are deleted. */
const differenceTable = `
CREATE TABLE IF NOT EXISTS kis_verify_difference (
  run         BIGINT UNSIGNED NOT NULL COMMENT 'kis_run.id',
  number      INT UNSIGNED    NOT NULL COMMENT 'from 1',
  store_table VARCHAR(255)    NOT NULL COMMENT 'schema.table in the store',
  row_key     MEDIUMTEXT      NOT NULL COMMENT 'values of the key, as exact JSON',
  kind        VARCHAR(16)     NOT NULL COMMENT 'missing | extra | different',
  is_excused  TINYINT         NOT NULL COMMENT '1: a change of this key is dead, or waits',
  fields      LONGTEXT        NOT NULL COMMENT 'of a different one: JSON list of name, stored and recomputed value, cut where they are long',
  PRIMARY KEY (run, number)
) ${tableOptions} COMMENT = 'kisflow: rows that differed, and in what'`;

export const verifyMigration = { name: 'kisflow:0013-verify', statements: [verifyTable, differenceTable] } as const;
