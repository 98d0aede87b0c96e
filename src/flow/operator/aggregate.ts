import { CodedError } from '../../lib/error.ts';
import { isChange } from '../../row/change.ts';
import type { ConnectorSession } from '../../connector/contract.ts';
import { reuse } from '../actions.ts';
import type { FlowContext } from '../contract.ts';
import { traceOf } from '../trace-of.ts';
import { Counts } from './aggregate-counts.ts';
import { Groups, type Group } from './aggregate-groups.ts';
import { canIncrement, Increments, type AggregateShape } from './aggregate-increments.ts';
import { readMeasures } from './aggregate-measures.ts';
import { readAggregateTable, text, type AggregateTable } from './aggregate-table.ts';
import type { Fields } from './field.ts';
import { eachRow, type MadeOperator } from './operator.ts';
import { unknownName, type OperatorProblem } from './problem.ts';

export interface AggregateOptions {
  readonly kind: 'aggregate';
  /** The computed table: `table` or `db.table`, in the store. */
  readonly table: string;
  /** Column of the computed table to field of the row. */
  readonly key: Readonly<Record<string, string>>;
  /** Column of the computed table to `count()`, `sum(amount)`, … */
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * Figures of groups of rows, kept in a computed table: equal after every batch to the same GROUP BY over the rows there are, from
 * the images before and after of every change. The rows go on as they came. `columns` are the computed table's, where they are known.
 */
export function makeAggregate(options: AggregateOptions, fields: Fields, columns: Fields): MadeOperator {
  const { measures, args, problems } = readMeasures(options.fields, fields);
  const found = [...problems, ...findProblems(options, fields, columns)];
  if (found.length > 0) return { run: undefined, fields, problems: found };
  const shape: AggregateShape = { keyColumns: Object.keys(options.key), measures, args };
  const keyFields = Object.values(options.key);
  let known: Known | undefined;
  const run = async (flow: FlowContext, rows: readonly unknown[]): Promise<void> => {
    flow.next(reuse());
    const changed = gather(flow, new Groups(keyFields, args), rows);
    if (changed.length === 0) return;
    // the first question waits for the commit of the batch before: what can be made without an answer is made before it
    const before = known;
    const ready = before?.prepare(changed);
    const session = flow.getConnector();
    try {
      if (before !== undefined && ready !== undefined && performance.now() - before.askedAt < askAgainMs) {
        await ready(session);
        traceGroups(flow, options, changed);
        return;
      }
      const table = before?.table ?? (await readFittingTable(session, shape, options.table));
      const kept = await openKept(flow, session, { shape, table });
      const isSame = before !== undefined && before.plan === kept.plan && before.id === kept.id;
      known = isSame ? { ...before, askedAt: kept.askedAt } : makeKnown(shape, table, kept);
      await (isSame && ready !== undefined ? ready : known.prepare(changed))(session);
      traceGroups(flow, options, changed);
    } catch (error) {
      known = undefined; // the table may have been altered: it is read again next time
      throw error;
    }
  };
  return { run, fields, problems: [] };
}

function gather(flow: FlowContext, groups: Groups, rows: readonly unknown[]): readonly Group[] {
  const trace = traceOf(flow);
  eachRow(flow, rows, (row) => {
    if (!isChange(row)) throw plainRow(flow);
    const { before, after } = row;
    if (before !== null) groups.add(before, -1);
    if (after !== null) groups.add(after, 1);
    if (trace !== undefined) groups.note(row, before, after);
  });
  return groups.changed;
}

/** A group that has lost rows may be gone. */
function traceGroups(flow: FlowContext, { table, key, fields }: AggregateOptions, changed: readonly Group[]): void {
  const trace = traceOf(flow);
  if (trace === undefined) return;
  const columns = Object.keys(key);
  trace.wroteGroups({
    table,
    fields: [...columns, ...Object.keys(fields)],
    groups: changed.map((group) => ({
      at: Object.fromEntries(columns.map((column, index) => [column, group.key[index]])),
      last: group.last,
      isSure: group.count >= 0,
    })),
  });
}

function plainRow(flow: FlowContext): CodedError {
  const place = `Flow ${flow.flowName}, function ${flow.functionName}`;
  const message = `${place}: an aggregate needs whole changes; write source.rows: change in the flow`;
  return new CodedError('AGGREGATE_MISMATCH', message, { details: { flow: flow.flowName, function: flow.functionName } });
}

async function readFittingTable(session: ConnectorSession, shape: AggregateShape, name: string): Promise<AggregateTable> {
  const table = await readAggregateTable(session, name);
  const wanted = [...shape.keyColumns, ...shape.measures.map(({ column }) => column)];
  const missing = wanted.filter((column) => !table.columns.has(column.toLowerCase()));
  if (missing.length > 0) {
    throw new CodedError('STORE_COLUMN_UNKNOWN', `The table ${name} has no column ${missing.join(', ')}`, {
      details: { table: name, fields: missing.join(', ') },
    });
  }
  const keys = shape.keyColumns.map((column) => column.toLowerCase());
  if (table.primaryKey.length !== keys.length || !keys.every((column) => table.primaryKey.includes(column))) {
    const message = `The primary key of ${name} is (${table.primaryKey.join(', ')}), and the aggregate's key is (${keys.join(', ')}): they must be the same columns`;
    throw new CodedError('AGGREGATE_MISMATCH', message, { details: { table: name } });
  }
  return table;
}

/** How an aggregate is kept, as kis_aggregate says. */
interface Kept {
  readonly id: number;
  readonly plan: string;
  /** By performance.now(); -Infinity where it was written in this very batch, which may yet be undone. */
  readonly askedAt: number;
}

/**
 * How long an answer of kis_aggregate is believed. It changes only when somebody gives the flow a new start, for which the flow
 * is paused. Asking with every batch would be one more round trip for each, beside the three that a batch has.
 */
const askAgainMs = 1000;

/** What batches share: the table, and how a batch is written. */
interface Known extends Kept {
  readonly table: AggregateTable;
  /** Makes the statements for these groups; what it gives back sends them. */
  prepare(groups: readonly Group[]): (session: ConnectorSession) => Promise<void>;
}

function makeKnown(shape: AggregateShape, table: AggregateTable, kept: Kept): Known {
  if (kept.plan === 'increments') {
    const increments = new Increments(shape, table);
    return {
      ...kept,
      table,
      prepare: (groups) => {
        const prepared = increments.prepare(groups);
        return (session) => increments.write(session, prepared);
      },
    };
  }
  const counts = new Counts(shape, table, kept.id);
  return {
    ...kept,
    table,
    prepare: (groups) => {
      const prepared = counts.prepare(groups);
      return (session) => counts.write(session, prepared);
    },
  };
}

/**
 * How the aggregate is kept was decided when it was first written, and stays so: the store says it. It is asked again and again,
 * because a new start deletes it.
 */
async function openKept(
  flow: FlowContext,
  session: ConnectorSession,
  { shape, table }: { readonly shape: AggregateShape; readonly table: AggregateTable },
): Promise<Kept> {
  const definition = JSON.stringify([shape.keyColumns, shape.measures, shape.args.map(({ expression }) => expression.text)]);
  const where = `flow = ${text(flow.flowName)} AND fname = ${text(flow.functionName)}`;
  const select = `SELECT id, definition, plan FROM kis_aggregate WHERE ${where}`;
  let [stored] = await session.query(select);
  const askedAt = stored === undefined ? Number.NEGATIVE_INFINITY : performance.now();
  if (stored === undefined) {
    const plan = canIncrement(shape, table) ? 'increments' : 'counts';
    const values = [flow.flowName, flow.functionName, definition, plan].map(text).join(',');
    await session.query(`INSERT INTO kis_aggregate (flow, fname, definition, plan) VALUES (${values})`);
    [stored] = await session.query(select);
  }
  const place = `Flow ${flow.flowName}, function ${flow.functionName}`;
  if (stored?.['definition'] !== definition) {
    const message = `${place}: ${table.sql} holds the figures of another definition of this aggregate; give the flow a new start`;
    throw new CodedError('AGGREGATE_MISMATCH', message, { details: { flow: flow.flowName, function: flow.functionName } });
  }
  const kept = { id: Number(stored['id']), plan: String(stored['plan']), askedAt };
  if (kept.plan !== 'increments') refuseCollations(place, shape, table);
  return kept;
}

/** Groups are told apart byte by byte: a table that takes `a` and `A` for one key would hold one of two groups. */
function refuseCollations(place: string, shape: AggregateShape, table: AggregateTable): void {
  const loose = shape.keyColumns.filter((column) => !/^$|_bin$/.test(table.columns.get(column.toLowerCase())?.collation ?? ''));
  if (loose.length === 0) return;
  const message = `${place}: the key ${loose.join(', ')} of ${table.sql} must tell all texts apart: give it COLLATE utf8mb4_bin`;
  throw new CodedError('AGGREGATE_MISMATCH', message, { details: { fields: loose.join(', ') } });
}

function findProblems({ key, fields: measures }: AggregateOptions, fields: Fields, columns: Fields): readonly OperatorProblem[] {
  const problems: OperatorProblem[] = [];
  const checkColumn = (path: string, column: string): void => {
    if (columns.isComplete && !columns.known.has(column))
      problems.push({ path, ...unknownName('column', column, columns.known.keys()) });
  };
  for (const [column, field] of Object.entries(key)) {
    checkColumn(`with.key.${column}`, column);
    if (fields.isComplete && !fields.known.has(field)) {
      problems.push({ path: `with.key.${column}`, ...unknownName('field', field, fields.known.keys()) });
    }
  }
  for (const column of Object.keys(measures)) {
    checkColumn(`with.fields.${column}`, column);
    if (column in key)
      problems.push({ path: `with.fields.${column}`, message: `"${column}" is in the key too`, remedy: 'take another column' });
  }
  return problems;
}
