/** How far a rebuild is, and which version of a flow computed its tables. */
const runColumns = `
ALTER TABLE kis_run
  ADD COLUMN phase VARCHAR(16) NULL COMMENT 'of a rebuild: reading | catching-up | swapping (the flow must not run until that is settled) | dropping; NULL: nothing is made yet',
  ADD COLUMN details MEDIUMTEXT NULL COMMENT 'of a rebuild: its database, its tables and the version of the flow, as JSON'`;

const flowColumns = `
ALTER TABLE kis_flow
  ADD COLUMN built_fingerprint VARCHAR(64) NULL COMMENT 'fingerprint of the version that its tables were begun or rebuilt with; NULL: not known'`;

export const rebuildMigration = { name: 'kisflow:0012-rebuilds', statements: [runColumns, flowColumns] } as const;
