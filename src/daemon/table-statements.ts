import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { discardKeptRows } from '../repair/parked-row.ts';
import type { TableStatement } from '../row/change.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { quoteName } from '../store/name.ts';
import type { Batch } from './batch.ts';
import { keepPassedStatements, tableOf, type PassedStatement } from './table-statement-record.ts';

type TablePolicy = 'stop' | 'ignore' | 'apply';

/** What a flow does about rows that went from its source tables without a change of each. */
export interface TablePolicies {
  readonly onTruncate: TablePolicy;
  readonly onDrop: TablePolicy;
  /** The tables of the store that hold what the source table holds, as `db.table`: `apply` deletes their rows. */
  readonly computed: readonly string[];
}

export interface PassOptions {
  readonly flow: string;
  readonly policies: TablePolicies;
  /** Is told of tables that were emptied; absent where the flow keeps no lineage. */
  readonly trace?: { emptied(tables: readonly string[]): void } | undefined;
}

/**
 * Deals with the statements in front of a batch's changes, in its transaction: deletes what `apply` says, gives up the flow's dead rows and
 * those that wait, and keeps a record of each. Rejects
 * with SOURCE_TABLE_EMPTIED (stop) where the flow's policy is to stop, before anything is written.
 */
export async function passTableStatements(
  transaction: StoreTransaction,
  batch: Batch,
  options: PassOptions,
): Promise<readonly PassedStatement[]> {
  const passed = batch.parts.flatMap(({ statements = [], gtid, time }) =>
    statements.map((statement): PassedStatement => ({ ...statement, gtid, time, outcome: decide(statement, options) })),
  );
  if (passed.length === 0) return passed;
  const applied = passed.findLast(({ outcome }) => outcome === 'applied');
  if (applied !== undefined) {
    await emptyTables(transaction, options);
    options.trace?.emptied(options.policies.computed);
    // they are changes of rows that are gone, all of the one table that such a flow reads
    await discardKeptRows(transaction, options.flow, `${applied.op} of ${tableOf(applied)} at ${applied.position}`);
  }
  await keepPassedStatements(transaction, options.flow, passed);
  return passed;
}

/** Says what was passed, once it is committed. */
export function notePassedStatements(logger: Logger, flow: string, passed: readonly PassedStatement[]): void {
  for (const statement of passed) {
    const { op, outcome, position, gtid } = statement;
    const fields = { flow, op, outcome, table: tableOf(statement), statement: statement.statement, position, gtid };
    // another table under the same name is how columns are changed online
    if (op === 'swap') logger.info(fields, 'another table has taken the name of a source table');
    else if (op === 'rename') logger.warn(fields, 'a source table was renamed, and none of its name is left');
    else logger.warn(fields, 'rows of a source table went without a change of each');
  }
}

function decide(statement: TableStatement, { flow, policies }: PassOptions): PassedStatement['outcome'] {
  const { op } = statement;
  if (op === 'rename' || op === 'swap') return 'noted';
  const policy = op === 'drop' ? policies.onDrop : policies.onTruncate;
  if (policy === 'ignore') return 'ignored';
  const isExact = op === 'drop' || (op === 'truncate' && statement.table !== '');
  if (policy === 'apply' && isExact) return 'applied';
  throw emptiedError(statement, { flow, isInexact: policy === 'apply' });
}

function emptiedError(
  statement: TableStatement,
  { flow, isInexact }: { readonly flow: string; readonly isInexact: boolean },
): CodedError {
  const table = tableOf(statement);
  const key = statement.op === 'drop' ? 'on_drop' : 'on_truncate';
  const what =
    statement.op === 'rewrite'
      ? `rows of ${table} went or came without a change of each`
      : `all rows of ${table} went without a change of each`;
  const why = isInexact
    ? `${key} is apply, and which rows these are cannot be told: mend the computed tables by hand, write ${key}: ignore`
    : `${key} is stop: write ${key}: ignore to leave the computed rows as they are, or ${key}: apply to delete them too`;
  return new CodedError(
    'SOURCE_TABLE_EMPTIED',
    `${what} at the source (${statement.statement}, at ${statement.position}), and the flow’s ${why}, then: kisflow resume ${flow}`,
    { details: { flow, table, statement: statement.statement, position: statement.position } },
  );
}

/** DELETE, because TRUNCATE would commit: the rows go with the checkpoint or not at all. */
async function emptyTables(transaction: StoreTransaction, { flow, policies }: PassOptions): Promise<void> {
  for (const id of policies.computed) {
    const dot = id.indexOf('.');
    try {
      await transaction.query(`DELETE FROM ${quoteName(id.slice(0, dot))}.${quoteName(id.slice(dot + 1))}`);
    } catch (error) {
      // no row of the batch is at fault
      if (!(error instanceof CodedError) || error.class !== 'row') throw error;
      const message = `The rows of ${id} could not be deleted: ${describeError(error)}`;
      throw new CodedError(error.code, message, { cause: error, details: { flow, table: id } });
    }
  }
}
