/** Checks across documents: every name exists, every start and pattern can be read, no flow feeds itself, no column has two writers. */
import { parseStart } from '../row/position.ts';
import { parseTablePattern } from '../router/table-pattern.ts';
import { placeOf, problemAt, type Configuration, type DocumentName } from './configuration.ts';
import { didYouMean } from './nearest.ts';
import { modeOf, rowsNeeded } from './operator-needs.ts';
import type { OperatorSpec } from './operator-spec.ts';
import { findCycles, findOwnerClashes, flowGraph, isSameServer, ownTableReads, storeDatabaseOf, type FlowNode } from './plan.ts';
import type { Problem } from './problem.ts';
import { whyNotMended } from './purge-policy.ts';
import type { FlowSpec, FuncSpec } from './spec.ts';
import { whyNotApplied } from './table-policy.ts';

export interface ReferenceOptions {
  /** Functions that have code; undefined: not checked. */
  readonly functionNames?: ReadonlySet<string> | undefined;
  /** Names of documents that could not be used; they count as known. */
  readonly doubtful: ReadonlySet<string>;
  /** Whether the store may be named in a document that could not be used. */
  readonly hasDoubtfulStore: boolean;
}

interface Check extends ReferenceOptions {
  readonly configuration: Configuration;
  readonly add: (
    document: DocumentName,
    problem: Omit<Problem, 'code' | 'file' | 'line'> & { readonly code?: Problem['code'] },
  ) => void;
}

const startForms = 'snapshot, earliest, latest, <file>:<offset>, a GTID set or an ISO time';

/** All problems between the documents of a configuration. */
export function checkReferences(configuration: Configuration, options: ReferenceOptions): readonly Problem[] {
  const problems: Problem[] = [];
  const check: Check = {
    ...options,
    configuration,
    add: (document, problem) => problems.push(problemAt(configuration, document, problem)),
  };
  for (const flow of configuration.flows.values()) {
    checkFlowFunctions(check, flow);
    checkFlowSource(check, flow);
  }
  for (const func of configuration.funcs.values()) {
    checkFunc(check, func);
    checkOperator(check, func);
  }
  checkStoreConnectors(check);
  checkTables(check);
  return problems;
}

function checkFlowFunctions(check: Check, flow: FlowSpec): void {
  const document: DocumentName = { kistype: 'flow', name: flow.flow_name };
  for (const [index, { fname }] of flow.flows.entries()) {
    if (check.configuration.funcs.has(fname) || check.doubtful.has(fname)) continue;
    const remedy = didYouMean(
      fname,
      [...check.configuration.funcs.keys(), ...check.doubtful],
      'add a document with kistype: func and this fname',
    );
    check.add(document, { path: `flows[${index}].fname`, message: `no function "${fname}"`, remedy });
  }
  if (flow.flows.length === 0 && flow.source !== undefined) {
    check.add(document, { path: 'flows', message: 'missing', remedy: 'name at least one function' });
  }
}

function checkFlowSource(check: Check, flow: FlowSpec): void {
  const { source } = flow;
  if (source === undefined) return;
  const { configuration, doubtful } = check;
  const add = (path: string, message: string, remedy: string): void =>
    check.add({ kistype: 'flow', name: flow.flow_name }, { path, message, remedy });
  if (!configuration.sources.has(source.name) && !doubtful.has(source.name)) {
    const remedy = didYouMean(
      source.name,
      [...configuration.sources.keys(), ...doubtful],
      'add a document with kistype: source and this name',
    );
    add('source.name', `no source "${source.name}"`, remedy);
  }
  if (source.tables.length === 0) add('source.tables', 'missing', 'list the tables: db.table, db.* or a glob');
  for (const [index, table] of source.tables.entries()) {
    if (parseTablePattern(table) !== undefined) continue;
    add(`source.tables[${index}]`, `"${table}" is no table pattern`, 'write db.table, db.* or a glob such as shop_*.order_?');
  }
  const { fname: first = '' } = flow.flows[0] ?? {};
  const unread = (configuration.funcs.get(first)?.source.must ?? []).filter((field) => !source.columns.includes(field));
  if (source.columns.length > 0 && unread.length > 0) {
    add('source.columns', `${first} must have ${unread.join(', ')}, which the flow does not read`, 'list it too');
  }
  if (parseStart(source.start) === undefined) add('source.start', `"${source.start}" is no start`, `write ${startForms}`);
  const unmended = whyNotMended(configuration, flow, check.functionNames);
  if (unmended !== undefined) {
    const remedy = source.start === 'snapshot' ? 'write stop' : 'write start: snapshot, or stop';
    add('source.on_purged', `is snapshot, and ${unmended}`, remedy);
  }
  const refusal = whyNotApplied(configuration, flow, check.functionNames);
  if (refusal !== undefined) add(refusal.path, refusal.message, 'write ignore or stop');
  if (configuration.global.store === undefined && !check.hasDoubtfulStore) {
    add(
      'source',
      'a flow with a source keeps its checkpoint in the store, and there is none',
      'write store: {url: …} in the global document',
    );
  }
}

function checkFunc(check: Check, func: FuncSpec): void {
  const { configuration, functionNames } = check;
  const document: DocumentName = { kistype: 'func', name: func.fname };
  const { cname } = func.option;
  if (cname !== undefined && !configuration.conns.has(cname) && !check.doubtful.has(cname)) {
    const remedy = didYouMean(
      cname,
      [...configuration.conns.keys(), ...check.doubtful],
      'add a document with kistype: conn and this cname',
    );
    check.add(document, { path: 'option.cname', message: `no connector "${cname}"`, remedy });
  }
  if (func.option.missing !== 'null' && (func.fmode !== 'Load' || functionNames?.has(func.fname) === true)) {
    const message = `is "${func.option.missing}", and ${func.fname} is no Load function without code`;
    check.add(document, {
      path: 'option.missing',
      message,
      remedy: 'remove it: code decides by itself what a row is that it does not find',
    });
  }
  if (func.operator !== undefined) return;
  if (functionNames === undefined || functionNames.has(func.fname) || check.doubtful.has(func.fname)) return;
  const file = `functions/${func.fname}.ts`;
  if (func.fmode === 'Save' || func.fmode === 'Load') {
    if (cname !== undefined) return;
    const message = `a ${func.fmode} function needs code or a connector, and "${func.fname}" has neither`;
    check.add(document, { path: 'option.cname', message, remedy: `name a connector, or write ${file}` });
  } else if (isUsed(configuration, func.fname)) {
    const remedy = didYouMean(func.fname, functionNames, `write ${file}`);
    check.add(document, { path: 'fname', message: `no code for "${func.fname}"`, remedy });
  }
}

/** What an operator needs around it: its mode, its connector, whole changes. Its expressions are checked where flows are built. */
function checkOperator(check: Check, func: FuncSpec): void {
  const { operator } = func;
  if (operator === undefined) return;
  const document: DocumentName = { kistype: 'func', name: func.fname };
  if (check.functionNames?.has(func.fname) === true) {
    const message = `"${func.fname}" is an operator, and there is code of that name too`;
    check.add(document, { path: 'operator', message, remedy: 'rename one of the two' });
  }
  checkRowsNeeded(check, func, operator);
  const fmode = modeOf(operator);
  if (fmode === undefined) return;
  if (func.fmode !== fmode) {
    check.add(document, {
      path: 'fmode',
      message: `is ${func.fmode}, and ${operator.kind} is a ${fmode} function`,
      remedy: `write ${fmode}`,
    });
  }
  const conn = check.configuration.conns.get(func.option.cname ?? '');
  if (func.option.cname === undefined) {
    check.add(document, {
      path: 'option.cname',
      message: 'missing',
      remedy: `name the connector of the table that ${operator.kind} needs`,
    });
  }
  if (operator.kind !== 'aggregate') return;
  if (conn !== undefined && (conn.type !== 'mysql' || conn.addrs !== 'store')) {
    const message = 'an aggregate is kept in the local store';
    check.add(document, { path: 'option.cname', message, remedy: 'name a connector with type: mysql and addrs: store' });
  }
}

function checkRowsNeeded(check: Check, func: FuncSpec, operator: OperatorSpec): void {
  const needed = rowsNeeded(operator);
  if (needed === undefined) return;
  for (const flow of check.configuration.flows.values()) {
    if (flow.source === undefined || flow.source.rows === needed.rows) continue;
    if (!flow.flows.some(({ fname }) => fname === func.fname)) continue;
    const message = `${func.fname} ${needed.why}`;
    const remedy = `write rows: ${needed.rows}`;
    check.add({ kistype: 'flow', name: flow.flow_name }, { path: 'source.rows', message, remedy });
  }
}

/** Whether an enabled flow has the function. */
function isUsed(configuration: Configuration, fname: string): boolean {
  return [...configuration.flows.values()].some((flow) => flow.status === 1 && flow.flows.some((step) => step.fname === fname));
}

function checkStoreConnectors(check: Check): void {
  for (const conn of check.configuration.conns.values()) {
    if (conn.addrs !== 'store') continue;
    const document: DocumentName = { kistype: 'conn', name: conn.cname };
    if (check.configuration.global.store === undefined && !check.hasDoubtfulStore) {
      check.add(document, { path: 'addrs', message: 'there is no store', remedy: 'write store: {url: …} in the global document' });
    }
    if (conn.key === '') check.add(document, { path: 'key', message: 'missing', remedy: 'name the table: table or db.table' });
  }
}

/** L9 and L10 as far as names and URLs tell; `check` looks again at the servers themselves. */
function checkTables(check: Check): void {
  const { configuration } = check;
  const storeDatabase = storeDatabaseOf(configuration);
  if (storeDatabase === '') return;
  const graph = flowGraph(configuration, { storeDatabase, isOnStoreServer: (source) => isSameServer(configuration, source) });
  for (const cycle of findCycles(graph)) {
    const [first, last] = [cycle[0], cycle.at(-1)];
    if (first === undefined || last === undefined) continue;
    check.add(
      { kistype: 'flow', name: first.flow },
      {
        code: 'FLOW_CYCLE',
        path: pathOfRead(graph, first.flow, last.table),
        message: `the flow reads what it writes: ${cycle.map(({ flow, table }) => `${flow} → ${table}`).join(' → ')} → ${first.flow}`,
        remedy: `take ${last.table} out of source.tables, or write to another table`,
      },
    );
  }
  for (const { flow, read } of ownTableReads(graph, storeDatabase)) {
    check.add(
      { kistype: 'flow', name: flow },
      {
        code: 'FLOW_CYCLE',
        path: `source.tables[${read.index}]`,
        message: `${read.table} is kisflow's own and changes with every batch`,
        remedy: 'take it out of source.tables',
      },
    );
  }
  checkOwners(check, graph);
}

function checkOwners(check: Check, graph: readonly FlowNode[]): void {
  for (const clash of findOwnerClashes(graph)) {
    const first: DocumentName = { kistype: 'flow', name: clash.first.flow };
    const columns = clash.columns.length === 0 ? '' : ` (${clash.columns.join(', ')})`;
    const remedy =
      clash.columns.length === 0
        ? 'let one flow own the table, or name the columns that each one owns in the parameter columns of their connectors'
        : 'let one flow own each column';
    check.add(
      { kistype: 'flow', name: clash.second.flow },
      {
        code: 'FLOW_OWNER_CLASH',
        path: `flows[${clash.second.step}].fname`,
        message: `${clash.table}${columns} is also written by flow "${first.name}", in ${placeOf(check.configuration, first)}`,
        remedy,
      },
    );
  }
}

function pathOfRead(graph: readonly FlowNode[], flow: string, table: string): string {
  const read = graph.find((node) => node.flow === flow)?.reads.find((one) => one.table === table);
  return read === undefined ? 'source.tables' : `source.tables[${read.index}]`;
}
