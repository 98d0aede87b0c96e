/** The part of the error catalogue that is about reading tables, and about runs of repair. */
export const runCodes = {
  SNAPSHOT_NO_TABLE: {
    meaning: 'A table that is to be read from the source is not there, is a view, or the source user may not see it.',
    remedy: 'Correct the name, name the tables of the view, or GRANT SELECT ON the table TO the source user.',
  },
  SNAPSHOT_NO_KEY: {
    meaning: 'A table of the source has no key along which it can be read in chunks.',
    remedy:
      'Give it a PRIMARY KEY, or a UNIQUE key whose columns are all NOT NULL and none of them an ENUM, SET, FLOAT, DOUBLE or BIT; the message says what is wrong with the keys that it has. Or write `start: latest` into the source of a flow that begins, and resume it.',
  },
  SNAPSHOT_GRANT_MISSING: {
    meaning: 'The source user may not read a table, or not all of its columns.',
    remedy: 'GRANT SELECT ON the table TO the source user: the message has the statement.',
  },
  SNAPSHOT_WHERE: {
    meaning: 'The condition of a snapshot is no valid SQL, or would do more than choose rows.',
    remedy:
      'Mend the condition as the message says. It is one expression over the columns of the table, without WHERE, semicolons and comments, and it writes, locks and waits for nothing.',
  },
  SNAPSHOT_TIMEOUT: {
    meaning:
      'A read of a table took longer than the limit: the chunk is too large, no index serves the condition, or another session locks the table.',
    remedy:
      'It is tried again by itself, with a smaller chunk. Where it stays, end the session that locks the table, or index what the condition asks for.',
  },
  SNAPSHOT_TABLE_CHANGED: {
    meaning: 'A table was altered while it was being read.',
    remedy: 'Nothing: the table is looked at anew, and the read goes on.',
  },
  SNAPSHOT_KEY_CHANGED: {
    meaning: 'The key along which a snapshot reads a table has changed since a part of it was read.',
    remedy:
      'Give the flow a new start (docs/operations.md); a snapshot beside a running flow is asked for again with `kisflow snapshot`.',
  },
  REPLAY_RANGE: {
    meaning:
      'There is nothing to replay between the positions: the first lies behind the last, or behind the place where the flow stands, or they cannot be compared.',
    remedy:
      'Write an earlier `--from`, or a later `--to`. `kisflow status --json` shows where the flow stands; changes behind that place come to it by themselves.',
  },
  RUN_EXISTS: {
    meaning: 'The flow has a run of this kind that has not ended.',
    remedy: 'Wait for it, or end it: `kisflow runs` shows it, `kisflow runs cancel ID` ends it and keeps what it has done.',
  },
  RUN_UNKNOWN: {
    meaning: 'There is no run with this number.',
    remedy: '`kisflow runs` lists them.',
  },
  RUN_ENDED: {
    meaning: 'The run has ended, or is about to, so it cannot be paused, resumed or cancelled.',
    remedy: '`kisflow runs show ID` shows what became of it; start a new one where that is not what you want.',
  },
  RUN_IS_START: {
    meaning: 'The run is the snapshot with which a flow starts. The flow stands on it, so it cannot be cancelled.',
    remedy:
      'Pause it, or the flow. As long as nothing was read, `start: latest` in the source of the flow begins without it; later, the flow is given a new start.',
  },
  REBUILD_IMPOSSIBLE: {
    meaning: 'The flow cannot be rebuilt beside its tables; the message says why. Nothing was made.',
    remedy: 'Do what the message says. A flow that can never be rebuilt is given a new start.',
  },
  REBUILD_SWAP_BLOCKED: {
    meaning: 'The rebuilt tables could not be put in place: somebody has a transaction open that has used one of the old ones.',
    remedy:
      'Nothing: the flow goes on as it was, and the swap is tried again by itself. Where it never succeeds, end the transaction that the message names.',
  },
  VERIFY_TABLE_CHANGED: {
    meaning: 'A computed table was altered while it was computed anew, so the two cannot be compared.',
    remedy: 'Nothing: the verify begins anew by itself.',
  },
  VERIFY_IMPOSSIBLE: {
    meaning: 'The flow cannot be computed anew beside its tables, so there is nothing to compare them with; the message says why.',
    remedy: 'Do what the message says.',
  },
  VERIFY_KEEPS_STATE: {
    meaning: 'The flow keeps state beside its computed tables, so mended tables alone would not stay right.',
    remedy: '`kisflow rebuild FLOW` replaces tables and state together. `kisflow verify FLOW` without --repair says what differs.',
  },
  VERIFY_NOT_STANDING: {
    meaning: 'The flow and what is computed anew did not come to one position in time; it is tried again by itself.',
    remedy: 'Nothing, unless it goes on: then the source changes faster than the flow is computed. `kisflow status` shows its lag.',
  },
  VERIFY_NO_HASH: {
    meaning: 'The store server gives no SHA2(), by which rows are compared.',
    remedy: '`SELECT SHA2(1, 256)` is NULL on a server that was built without TLS: use one of the packages of MySQL or MariaDB.',
  },
  VERIFY_DEAD_ROWS: {
    meaning: 'The flow has so many dead rows that their keys cannot be told apart from rows that are wrong.',
    remedy: '`kisflow dead-rows list` shows them: mend their cause and `retry` them, or `discard` them, and compare again.',
  },
} as const satisfies Record<string, { readonly meaning: string; readonly remedy: string }>;
