/** When the source last changed something that is of concern to a flow; `commit_time` is of whatever transaction came last. */
const checkpointColumns = `
ALTER TABLE kis_checkpoint
  ADD COLUMN changed_time DATETIME(3) NULL COMMENT 'commit time at the source of the last batch that had rows for the flow; NULL: none had since this column is there'`;

export const lastChangeMigration = { name: 'kisflow:0015-last-changes', statements: [checkpointColumns] } as const;
