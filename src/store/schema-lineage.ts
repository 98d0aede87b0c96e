import { tableOptions } from './table-options.ts';

/** One row a flow that keeps lineage, or did: whether it has done so without a gap. Written in the transaction of each batch (L1). */
const lineageFlowTable = `
CREATE TABLE IF NOT EXISTS kis_lineage_flow (
  flow     VARCHAR(190)    NOT NULL COMMENT 'flow_name',
  era      INT UNSIGNED    NOT NULL COMMENT 'raised each time lineage is kept again after batches without it; rows of an older one do not hold',
  since    DATETIME(3)     NOT NULL COMMENT 'UTC by the store clock; when the era began',
  sequence BIGINT UNSIGNED NOT NULL COMMENT 'of kis_checkpoint behind the last batch with lineage; another one there: lineage is off since',
  PRIMARY KEY (flow)
) ${tableOptions} COMMENT = 'kisflow: since when each flow keeps lineage'`;

/**
 * One row for each function with the columns that it wrote of one table, and the source table that its rows came from: what is the same
 * for many rows of kis_lineage, which are a third faster to write without it. Its number is a hash of what it says, so it never changes.
 */
const lineageWriterTable = `
CREATE TABLE IF NOT EXISTS kis_lineage_writer (
  writer       BINARY(8)    NOT NULL COMMENT 'hash of all others',
  flow         VARCHAR(190) NOT NULL COMMENT 'flow_name',
  fname        VARCHAR(190) NOT NULL COMMENT 'the function that wrote',
  store_table  VARCHAR(129) NOT NULL COMMENT 'db.table of the computed table',
  fields       MEDIUMTEXT   NOT NULL COMMENT 'the columns that it wrote, as a JSON list',
  known        VARCHAR(8)   NOT NULL COMMENT 'what is known: change (that change) | key (the change of the same key in its batch) | batch (only the batch) | sql (a statement of its own) | loose (keys that only the server can compare)',
  source_table VARCHAR(255) NULL     COMMENT 'schema.table of the source change; NULL where it is not known',
  PRIMARY KEY (writer),
  KEY flow (flow)
) ${tableOptions} COMMENT = 'kisflow: what writes fields of computed rows'`;

/** One row for each row of a computed table and writer. Written in the transaction of the batch (L1). */
const lineageTable = `
CREATE TABLE IF NOT EXISTS kis_lineage (
  row_id       BINARY(24)      NOT NULL COMMENT 'hash of the table (8 bytes) and of the key in it (16 bytes; zeros: the table as a whole)',
  writer       BINARY(8)       NOT NULL COMMENT 'of kis_lineage_writer',
  row_key      VARBINARY(1024) NOT NULL COMMENT 'the key as text, for people, cut where it is longer; parts are parted by a zero byte',
  position     VARCHAR(512)    NOT NULL COMMENT 'of the source change, as in dead rows; else where the batch begins. With run=N: the row was read by that run, while the stream was there',
  position_to  VARCHAR(512)    NULL     COMMENT 'where the batch ends; NULL where the change is known',
  commit_time  DATETIME(3)     NULL     COMMENT 'commit time at the source, UTC, of the change or of the last one of the batch; of a row that was read by a run, when it was read; NULL where it is not known',
  batch        BINARY(16)      NOT NULL COMMENT 'id of the batch',
  era          INT UNSIGNED    NOT NULL COMMENT 'as in kis_lineage_flow',
  sequence     BIGINT UNSIGNED NOT NULL COMMENT 'of kis_checkpoint behind the batch',
  place        INT UNSIGNED    NOT NULL COMMENT 'order of the writes of one row in a batch',
  written_at   DATETIME(3)     NOT NULL COMMENT 'UTC by the store clock',
  PRIMARY KEY (row_id, writer)
) ${tableOptions} COMMENT = 'kisflow: which source change last wrote each field of computed rows'`;

export const lineageMigration = {
  name: 'kisflow:0012-lineage',
  statements: [lineageFlowTable, lineageWriterTable, lineageTable],
} as const;
