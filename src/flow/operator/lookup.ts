import { isChange, makeChange, type Row } from '../../row/change.ts';
import { keepPartial } from '../../row/partial-row.ts';
import type { FlowContext } from '../contract.ts';
import { traceOf } from '../trace-of.ts';
import { rowKeyText, showRow } from '../row-text.ts';
import type { Field, Fields } from './field.ts';
import { asRow, eachRow, type MadeOperator } from './operator.ts';
import { unknownName, type OperatorProblem } from './problem.ts';
import { ExpressionFailure } from './term.ts';

export interface LookupOptions {
  readonly kind: 'lookup';
  /** Column of the other table to field of the row. */
  readonly match: Readonly<Record<string, string>>;
  /** New field to column of the other table. */
  readonly take: Readonly<Record<string, string>>;
  /** What becomes of a row whose other row is not there. */
  readonly missing: 'null' | 'drop' | 'fail';
}

/**
 * Rows with fields of another table, read through the function's connector: one question for a whole batch. A change is looked up
 * before and after, each with its own values. `columns` are the other table's, where they are known.
 */
export function makeLookup(options: LookupOptions, fields: Fields, columns: Fields): MadeOperator {
  const problems = findProblems(options, fields, columns);
  const added = Object.entries(options.take).map(([name, column]): [string, Field] => {
    const known = columns.known.get(column);
    return [
      name,
      { type: known?.type ?? 'any', scale: known?.scale, isNullable: options.missing === 'null' || known?.isNullable !== false },
    ];
  });
  const run = async (flow: FlowContext, rows: readonly unknown[]): Promise<void> => {
    const found = await load(flow, rows, options);
    const trace = traceOf(flow);
    eachRow(flow, rows, (row) => {
      const extended = extend(row, { options, found });
      if (extended === undefined) return;
      trace?.derive(extended, row);
      flow.commitRow(extended);
    });
  };
  const known = new Map([...fields.known, ...added]);
  return { run: problems.length > 0 ? undefined : run, fields: { ...fields, known }, problems };
}

interface Found {
  readonly options: LookupOptions;
  readonly found: ReadonlyMap<string, Row>;
}

async function load(flow: FlowContext, rows: readonly unknown[], options: LookupOptions): Promise<ReadonlyMap<string, Row>> {
  const keys = new Map<string, Row>();
  eachRow(flow, rows, (row) => {
    for (const image of isChange(row) ? [row.before, row.after] : [asRow(row)]) {
      const key = image === null ? undefined : keyFor(image, options);
      if (key !== undefined) keys.set(rowKeyText(key, Object.keys(key)), key);
    }
  });
  const columns = Object.keys(options.match);
  const loaded = keys.size === 0 ? [] : await flow.getConnector().load([...keys.values()]);
  return new Map(loaded.map((row) => [rowKeyText(row, columns), row]));
}

/** The values to look for; undefined where one of them is NULL, which equals nothing. */
function keyFor(image: Row, { match }: LookupOptions): Row | undefined {
  const entries = Object.entries(match).map(([column, field]) => [column, image[field]] as const);
  return entries.some(([, value]) => value === null || value === undefined) ? undefined : Object.fromEntries(entries);
}

/** Undefined for a row that is dropped. */
function extend(row: unknown, lookup: Found): unknown {
  if (!isChange(row)) {
    const extended = extendImage(asRow(row), lookup);
    return extended === undefined ? undefined : keepPartial(row, extended);
  }
  const before = row.before === null ? undefined : extendImage(row.before, lookup);
  const after = row.after === null ? undefined : extendImage(row.after, lookup);
  if (before !== undefined && after !== undefined) return makeChange({ ...row, before, after });
  if (before !== undefined) return makeChange({ ...row, op: 'delete', before, after: null });
  return after === undefined ? undefined : makeChange({ ...row, op: 'insert', before: null, after });
}

function extendImage(image: Row, { options, found }: Found): Row | undefined {
  const key = keyFor(image, options);
  const other = key === undefined ? undefined : found.get(rowKeyText(key, Object.keys(key)));
  if (other === undefined && options.missing === 'drop') return undefined;
  if (other === undefined && options.missing === 'fail') {
    throw new ExpressionFailure(`there is no row with ${key === undefined ? 'NULL' : showRow(key)} to look up`);
  }
  const extended: Row = { ...image };
  for (const [name, column] of Object.entries(options.take)) extended[name] = other?.[column] ?? null;
  return extended;
}

function findProblems({ match, take }: LookupOptions, fields: Fields, columns: Fields): readonly OperatorProblem[] {
  const problems: OperatorProblem[] = [];
  for (const [column, field] of Object.entries(match)) {
    const path = `with.match.${column}`;
    if (columns.isComplete && !columns.known.has(column))
      problems.push({ path, ...unknownName('column', column, columns.known.keys()) });
    if (fields.isComplete && !fields.known.has(field)) problems.push({ path, ...unknownName('field', field, fields.known.keys()) });
  }
  for (const [name, column] of Object.entries(take)) {
    const path = `with.take.${name}`;
    if (columns.isComplete && !columns.known.has(column))
      problems.push({ path, ...unknownName('column', column, columns.known.keys()) });
  }
  return problems;
}
