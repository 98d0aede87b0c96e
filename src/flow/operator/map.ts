import { isChange, makeChange, type Row } from '../../row/change.ts';
import { keepPartial, renameAbsent } from '../../row/partial-row.ts';
import type { FlowContext } from '../contract.ts';
import { traceOf } from '../trace-of.ts';
import { compileExpression, type Expression } from './expression.ts';
import type { Field, FieldType, Fields } from './field.ts';
import { asRow, eachRowOf, type MadeOperator } from './operator.ts';
import type { OperatorProblem } from './problem.ts';

export interface MapOptions {
  readonly kind: 'map';
  /** New field to expression. */
  readonly set: Readonly<Record<string, string>>;
  /** Only rows of this table; others pass. */
  readonly table?: string | undefined;
}

/** Rows with more fields, or other values in them. Every expression sees the row as it came; a change is mapped before and after. */
export function makeMap(options: MapOptions, fields: Fields): MadeOperator {
  const problems: OperatorProblem[] = [];
  const set: [string, Expression][] = [];
  for (const [name, text] of Object.entries(options.set)) {
    const compiled = compileExpression(text, fields);
    problems.push(...compiled.problems.map((problem) => ({ ...problem, path: `with.set.${name}` })));
    if (compiled.expression !== undefined) set.push([name, compiled.expression]);
  }
  const mapRow = (image: Row): Row => {
    const mapped: Row = { ...image };
    for (const [name, { run }] of set) mapped[name] = valueOf(run(image));
    return mapped;
  };
  const { table } = options;
  const run = (flow: FlowContext, rows: readonly unknown[]): void => onImages({ flow, rows, table }, mapRow);
  const broken = Object.keys(options.set).map((name): [string, Field] => [name, { type: 'any', isNullable: true }]);
  const added = withFields({ ...fields, known: new Map([...fields.known, ...broken]) }, set);
  return { run: problems.length > 0 ? undefined : run, fields: added, problems };
}

/** How the names of an image change with it. */
interface Renaming {
  readonly replaceKey?: (key: readonly string[]) => readonly string[];
  /** A column that the image lacks, under its new name; undefined: it would not be there. */
  readonly nameOf?: (name: string) => string | undefined;
}

/** Commits every row with its images replaced; those of other tables than the given one as they came. */
export function onImages(
  given: { readonly flow: FlowContext; readonly rows: readonly unknown[]; readonly table: string | undefined },
  replace: (image: Row) => Row,
  { replaceKey = (key) => key, nameOf = (name) => name }: Renaming = {},
): void {
  const { flow } = given;
  const trace = traceOf(flow);
  eachRowOf(given.table, given, (row) => {
    if (isChange(row)) {
      const before = row.before === null ? null : replace(row.before);
      const after = row.after === null ? null : replace(row.after);
      const absent = row.absent === undefined ? {} : { absent: renameAbsent(row.absent, nameOf) };
      const made = makeChange({ ...row, before, after, key: replaceKey(row.key), ...absent });
      trace?.derive(made, row);
      flow.commitRow(made);
    } else {
      const made = keepPartial(row, replace(asRow(row)), nameOf);
      trace?.derive(made, row);
      flow.commitRow(made);
    }
  });
}

function withFields(fields: Fields, set: readonly (readonly [string, Expression])[]): Fields {
  const added = set.map(([name, { type, isNullable, scale }]): [string, Field] => [
    name,
    { type: fieldType(type), isNullable, scale },
  ]);
  return { ...fields, known: new Map([...fields.known, ...added]) };
}

function fieldType(type: Expression['type']): FieldType {
  return type === 'null' ? 'any' : type;
}

/** An expression gives what a row may hold; undefined stands for a field that the row does not have. */
function valueOf(value: unknown): Row[string] {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
    case 'object':
    case 'undefined':
      return value;
    case 'function':
    case 'symbol':
    default:
      return null;
  }
}
