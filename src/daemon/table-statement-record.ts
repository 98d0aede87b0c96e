import type { TableStatement } from '../row/change.ts';
import type { StoreResult, StoreTransaction } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';

/** A statement about a whole table that a flow passed. */
export interface PassedStatement extends TableStatement {
  /** ignored: nothing was done; applied: the rows of the computed tables were deleted; noted: there was nothing to do. */
  readonly outcome: 'ignored' | 'applied' | 'noted';
  /** '' where the server gives none. */
  readonly gtid: string;
  /** Commit time at the source in milliseconds since 1970; 0 where it is not known. */
  readonly time: number;
}

/** Statements that a flow passed, as `kisflow status` shows them. */
export interface StatementCount {
  readonly count: number;
  readonly last: {
    readonly outcome: string;
    readonly table: string;
    readonly statement: string;
    readonly position: string;
    /** ISO 8601; null where it is not known. */
    readonly at: string | null;
  };
}

/** Keeps statements in the transaction of the checkpoint that passes them (L1, L3). */
export async function keepPassedStatements(
  transaction: Pick<StoreTransaction, 'query'>,
  flow: string,
  statements: readonly PassedStatement[],
): Promise<void> {
  if (statements.length === 0) return;
  const rows = statements.map(() => '(?, ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3))').join(', ');
  const values = statements.flatMap((passed) => [
    flow,
    passed.op,
    passed.outcome,
    tableOf(passed),
    passed.statement,
    passed.position,
    passed.gtid,
    passed.time === 0 ? null : new Date(passed.time).toISOString().slice(0, -1).replace('T', ' '),
  ]);
  await transaction.query(
    `INSERT INTO kis_table_statement (flow, op, outcome, source_table, statement, position, gtid, commit_time, created_at) VALUES ${rows}`,
    values,
  );
}

/** `schema.table`, or `schema.*`. */
export function tableOf({ schema, table }: Pick<TableStatement, 'schema' | 'table'>): string {
  return `${schema}.${table || '*'}`;
}

const countQuery = `
SELECT s.flow, s.outcome, s.source_table, s.statement, s.position, s.commit_time, n.count
FROM (SELECT flow, COUNT(*) AS count, MAX(id) AS last FROM kis_table_statement GROUP BY flow) n
JOIN kis_table_statement s ON s.id = n.last`;

/** By flow; empty in a store that has no place for them yet. */
export async function countPassedStatements(store: {
  query(sql: string): Promise<StoreResult>;
}): Promise<ReadonlyMap<string, StatementCount>> {
  try {
    const { rows } = await store.query(countQuery);
    return new Map(
      rows.map((row) => {
        const at = typeof row['commit_time'] === 'string' ? `${row['commit_time'].replace(' ', 'T')}Z` : null;
        const { outcome, source_table: table, statement, position } = row;
        const last = {
          outcome: String(outcome),
          table: String(table),
          statement: String(statement),
          position: String(position),
          at,
        };
        return [String(row['flow']), { count: Number(row['count']), last }];
      }),
    );
  } catch (error) {
    if (errnoOf(error) === 1146) return new Map();
    throw error;
  }
}
