import { problemAt, type Configuration } from '../config/configuration.ts';
import { didYouMean } from '../config/nearest.ts';
import type { OperatorSpec } from '../config/operator-spec.ts';
import type { Problem } from '../config/problem.ts';
import type { FlowSpec, FuncSpec } from '../config/spec.ts';
import { unknownFields, type Fields } from '../flow/operator/field.ts';
import { makeOperator, type OperatorOptions } from '../flow/operator/make-operator.ts';
import type { OperatorProblem } from '../flow/operator/problem.ts';
import { fieldsOfTables } from '../flow/operator/table-fields.ts';
import { parseTablePattern } from '../router/table-pattern.ts';

/** What is known of real tables, for the checks of operators. */
export interface KnownFields {
  /** The fields of a flow's rows, by its name. */
  readonly ofFlow: ReadonlyMap<string, Fields>;
  /** The columns of a connector's table, by its name. */
  readonly ofConnector: ReadonlyMap<string, Fields>;
}

export const nothingKnown: KnownFields = { ofFlow: new Map(), ofConnector: new Map() };

/** An operator as plain options: an aggregate's table is its connector's. */
export function operatorOptionsOf(configuration: Configuration, func: FuncSpec): OperatorOptions | undefined {
  const { operator } = func;
  if (operator?.kind !== 'aggregate') return operator satisfies Exclude<OperatorSpec, { kind: 'aggregate' }> | undefined;
  return { ...operator, table: configuration.conns.get(func.option.cname ?? '')?.key ?? '' };
}

export interface ExamineOptions {
  readonly known?: KnownFields;
  /** Flows that are about to run: only for these the types have to be known now, from real tables or from `with.types`. */
  readonly runs?: (flow: FlowSpec) => boolean;
  /** Functions that have code; undefined: not known. */
  readonly functionNames?: ReadonlySet<string> | undefined;
}

/**
 * Everything that is wrong with the operators' expressions and names, in each flow that has them, and in functions that no flow
 * has. A mistake that shows in several flows is one problem.
 */
export function examineOperators(configuration: Configuration, options: ExamineOptions = {}): readonly Problem[] {
  const { runs = () => false } = options;
  const problems = new Map<string, Problem>();
  const note = (func: FuncSpec, problem: OperatorProblem): void => {
    const remedy =
      problem.unknown === undefined ? problem.remedy : didYouMean(problem.unknown.name, problem.unknown.known, problem.remedy);
    const found = problemAt(configuration, { kistype: 'func', name: func.fname }, { ...problem, remedy });
    problems.set(JSON.stringify([func.fname, found.path, found.message]), found);
  };
  const used = new Set<string>();
  for (const flow of configuration.flows.values()) {
    for (const { fname } of flow.flows) used.add(fname);
    const noteHere: Note = (func, problem) => {
      if (problem.needsTypes !== true || runs(flow)) note(func, problem);
    };
    examineFlow(configuration, flow, { ...options, note: noteHere });
  }
  for (const func of configuration.funcs.values()) {
    const operator = used.has(func.fname) ? undefined : operatorOptionsOf(configuration, func);
    const found = operator === undefined ? [] : makeOperator(operator, unknownFields, unknownFields).problems;
    for (const problem of found) if (problem.needsTypes !== true) note(func, problem);
  }
  return [...problems.values()];
}

/** The fields of the flow's rows. Where the real tables are not known, the names of those that it reads are at least. */
function fieldsAtStart(flow: FlowSpec, known: KnownFields): Fields {
  const found = known.ofFlow.get(flow.flow_name) ?? unknownFields;
  const tables = flow.source?.tables ?? [];
  const areNamed = tables.length > 0 && tables.every((text) => parseTablePattern(text)?.isExplicit === true);
  if (found.isComplete || found.tables !== undefined || !areNamed) return found;
  return fieldsOfTables(new Map(tables.map((table) => [table, unknownFields])));
}

type Note = (func: FuncSpec, problem: OperatorProblem) => void;

function examineFlow(configuration: Configuration, flow: FlowSpec, options: ExamineOptions & { readonly note: Note }): void {
  const { known = nothingKnown, functionNames, note } = options;
  let fields = fieldsAtStart(flow, known);
  for (const { fname } of flow.flows) {
    const func = configuration.funcs.get(fname);
    const operator = func === undefined ? undefined : operatorOptionsOf(configuration, func);
    if (func === undefined || operator === undefined) {
      // a Save passes its rows on as they are; code may make anything of them
      const isSave = func?.fmode === 'Save' && functionNames?.has(fname) === false;
      if (!isSave) fields = unknownFields;
      continue;
    }
    const made = makeOperator(operator, fields, known.ofConnector.get(func.option.cname ?? '') ?? unknownFields);
    for (const problem of made.problems) note(func, problem);
    fields = made.fields;
  }
}
